"""Why something is where it is: the chain of recorded causes, down to what it waits for or failed of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.runtime.programs import Programs
from maestrale.services.access import Caller, authorise
from maestrale.services.joins import JoinView
from maestrale.services.waiting import outcome
from maestrale.store.causes import NOTHING, SHOWN, ActionFacts, CauseReader, ExecutionFacts, Some, TaskFacts
from maestrale.store.database import Database
from maestrale.store.queries import get_action_execution, get_execution, get_task
from maestrale.store.selection import Viewer

MOST_NODES: Final = 400
"""How much is explained in one answer; what is beyond is only named."""

BLOCKING_IN_A_SENTENCE: Final = 3

_PHASES: Final = {
    "before": "is held back by its policy wait-before",
    "after": "has ended and is held back by its policy wait-after",
    "retry": "failed and waits for the next attempt of its policy retry",
}


class Node(msgspec.Struct):
    """One thing and why it is where it is; `children` are its causes.

    `kind`: execution, task, action, pause, or more (what is not shown). `since`, `until`: microseconds;
    `since` is when it began, was paused, or ended; `until` is when something happens to it by itself.
    `blocks`: others wait for it, or failed because of it.
    """

    kind: str
    id: str | None
    name: str | None
    state: str | None
    text: str
    since: Microseconds | None = None
    until: Microseconds | None = None
    children: list[Node] = []
    blocks: bool = False


class Next(msgspec.Struct):
    """What happens next by itself, and when: None where nobody can know."""

    at: Microseconds | None
    text: str


class Explanation(msgspec.Struct):
    """The tree of causes, what stands at its ends, and what comes next."""

    why: Node
    blocking: list[Node]
    next: Next


class Why:
    """Explains executions, tasks and action executions."""

    def __init__(self, database: Database, programs: Programs) -> None:
        self._database = database
        self._programs = programs

    async def execution(self, caller: Caller, identifier: str) -> Explanation:
        """Why a workflow execution is where it is."""
        authorise(caller, "executions:get")
        return await outcome(self._database.read(_of_execution, self._programs, caller.viewer, identifier))

    async def task(self, caller: Caller, identifier: str) -> Explanation:
        """Why a task execution is where it is."""
        authorise(caller, "tasks:get")
        return await outcome(self._database.read(_of_task, self._programs, caller.viewer, identifier))

    async def action(self, caller: Caller, identifier: str) -> Explanation:
        """Why an action execution is where it is."""
        authorise(caller, "action_executions:get")
        return await outcome(self._database.read(_of_action, caller.viewer, identifier))


def _of_execution(connection: Connection, programs: Programs, viewer: Viewer, identifier: str) -> Explanation:
    root_id = get_execution(connection, viewer, identifier, ("id", "root_execution_id"))["root_execution_id"]
    explainer = _explainer(connection, programs, root_id or identifier)
    return explainer.explanation(explainer.execution(explainer.reader.execution(identifier)))


def _of_task(connection: Connection, programs: Programs, viewer: Viewer, identifier: str) -> Explanation:
    execution_id = get_task(connection, viewer, identifier, ("workflow_execution_id",))[
        "workflow_execution_id"
    ]
    root_id = get_execution(connection, viewer, execution_id, ("root_execution_id",))["root_execution_id"]
    explainer = _explainer(connection, programs, root_id or execution_id)
    task = explainer.reader.task(identifier)
    return explainer.explanation(explainer.single_task(explainer.reader.execution(execution_id), task))


def _of_action(connection: Connection, viewer: Viewer, identifier: str) -> Explanation:
    task_id = get_action_execution(connection, viewer, identifier, ("task_execution_id",))[
        "task_execution_id"
    ]
    root_id = identifier if task_id is None else _root_of_task(connection, viewer, task_id)
    reader = CauseReader(connection, root_id)
    explainer = Explainer(reader, _no_joins)
    return explainer.explanation(explainer.action(reader.action(identifier)))


def _root_of_task(connection: Connection, viewer: Viewer, task_id: str) -> str:
    execution_id: str = get_task(connection, viewer, task_id, ("workflow_execution_id",))[
        "workflow_execution_id"
    ]
    root_id: str | None = get_execution(connection, viewer, execution_id, ("root_execution_id",))[
        "root_execution_id"
    ]
    return root_id or execution_id


def _explainer(connection: Connection, programs: Programs, root_id: str) -> Explainer:
    reader = CauseReader(connection, root_id)

    def joins(execution: ExecutionFacts) -> JoinView:
        program = programs.load(connection, execution.definition_hash, execution.name)
        return JoinView(program, reader.live_tasks(execution.id))

    return Explainer(reader, joins)


def _no_joins(execution: ExecutionFacts) -> JoinView:
    raise AssertionError(f"an action of {execution.id} has no joins")


class Explainer:
    """Builds one explanation; reads what it needs of one transaction."""

    def __init__(self, reader: CauseReader, joins: Callable[[ExecutionFacts], JoinView]) -> None:
        self.reader = reader
        self._joins = joins
        self._views: dict[str, JoinView] = {}
        self._explained: set[str] = set()
        self._nodes = 0
        self._timers: list[Next] = []
        self._at_once = False
        self._running: list[str] = []

    def explanation(self, node: Node) -> Explanation:
        """The finished answer about `node`."""
        blocking = list(_blocking(node))
        return Explanation(node, blocking, self._next(node, blocking))

    def _next(self, node: Node, blocking: list[Node]) -> Next:
        if self._at_once:
            return Next(None, "the engine goes on at once")
        if self._timers:
            return min(self._timers, key=lambda timer: timer.at or 0)
        if self._running:
            return Next(
                None,
                f"an action ends ({', '.join(self._running[:BLOCKING_IN_A_SENTENCE])}); when is not known",
            )
        if node.state in states.COMPLETED:
            return Next(None, "nothing, it has ended")
        named = [_title(leaf) for leaf in blocking[:BLOCKING_IN_A_SENTENCE]]
        if len(blocking) > len(named):
            named.append(f"{len(blocking) - len(named)} more")
        return Next(None, f"nothing, it waits for {', '.join(named)}" if named else "nothing")

    # -- workflow executions

    def execution(self, execution: ExecutionFacts) -> Node:
        """A workflow execution with what it waits for, or why it failed."""
        node = self._node("execution", execution.id, execution.name, execution.state)
        node.since = execution.created_at
        if self._nodes > MOST_NODES:
            node.text = f"is {execution.state}; ask for it by itself"
        elif execution.state in states.COMPLETED:
            self._ended(execution, node)
        else:
            self._open(execution, node)
        return node

    def _open(self, execution: ExecutionFacts, node: Node) -> None:
        tasks, counts = self.reader.open_tasks(execution.id)
        if execution.state != states.RUNNING:
            self._paused(execution, node)
        total = sum(counts.values())
        states_text = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        verb = "is done" if total == 1 else "are done"
        waits = f"waits until {total} task{'s' if total != 1 else ''} {verb}: {states_text}"
        if not total:
            waits = "has no open tasks"
            if execution.state == states.RUNNING:
                waits = "is about to end"
                self._mark_at_once(node)
        node.text = f"{node.text}; {waits}" if node.text else waits
        if execution.state == states.RUNNING and execution.alarm_at is not None:
            self._note_timer(execution, execution.alarm_at)
        node.children += self._tasks(execution, tasks)
        if total > len(tasks):
            node.children.append(_more(total - len(tasks), "open tasks"))

    def _paused(self, execution: ExecutionFacts, node: Node) -> None:
        cause = execution.cause
        task = cause.get("task")
        words = {
            "request": "by request",
            "maintenance": "for maintenance of the service",
            "parent": "together with the execution that called it",
            "command": f"by the command 'pause' after task '{task}'",
            "pause-before": f"before task '{task}', by its policy pause-before",
            "child": f"because {cause.get('id')}, which task '{task}' waits for, was paused",
        }
        text = f"was paused {words.get(str(cause.get('by')), 'by request')}"
        if cause.get("by") == "command" and execution.state_info:
            text += f": {execution.state_info}"
        held = [str(entry.get("target")) for entry in execution.backlog]
        if held:
            text += f"; {', '.join(held)} will follow when it is resumed"
        node.text = text
        node.since = execution.updated_at
        if cause.get("by") != "child":
            pause = self._node("pause", execution.id, execution.name, execution.state)
            pause.text = "goes on when it is resumed: mistral execution-update ID -s RUNNING"
            if cause.get("by") == "parent":
                pause.text = "goes on when the execution that called it is resumed"
            elif cause.get("by") == "maintenance":
                pause.text = "goes on when the maintenance ends: mistral maintenance-update RUNNING"
            pause.since = node.since
            pause.blocks = True
            node.children.append(pause)

    def _ended(self, execution: ExecutionFacts, node: Node) -> None:
        node.since = execution.finished_at
        node.text = f"ended as {execution.state}"
        if execution.state == states.SUCCESS:
            if execution.state_info:
                node.text += f": {_line(execution.state_info)}"
            return
        if execution.state_info:
            node.text += f": {_line(execution.state_info)}"
        failed = self.reader.ended_tasks(execution.id, execution.state)
        node.children += self._failed_tasks(failed.shown)
        if failed.total > len(failed.shown):
            node.children.append(_more(failed.total - len(failed.shown), "tasks that ended so"))
        node.blocks = not node.children

    def _note_timer(self, execution: ExecutionFacts, at: Microseconds) -> None:
        task = self.reader.timed_task(execution.id, at)
        if task is None:
            return
        what = "times out" if task.timeout_at == at and task.due_at != at else "goes on"
        self._timers.append(Next(at, f"task '{task.name}' of {execution.name} {what}"))

    # -- open tasks

    def single_task(self, execution: ExecutionFacts, task: TaskFacts) -> Node:
        """One task of an execution."""
        if not task.live:
            node = self._node("task", task.id, task.name, task.state)
            node.text = _line((task.state_info or "").rsplit("\n", 1)[-1])
            return node
        if task.state in (states.ERROR, states.CANCELLED):
            return self._failed_tasks([task])[0]
        if task.state in states.COMPLETED:
            node = self._node("task", task.id, task.name, task.state)
            node.since, node.text = task.finished_at, f"ended as {task.state}"
            if not task.processed and execution.state != states.RUNNING:
                node.text += f"; what follows waits because the execution is {execution.state}"
            return node
        if execution.state == states.RUNNING and (at := task.due_at or task.timeout_at) is not None:
            self._note_timer(execution, min(at, task.timeout_at or at))
        return self._tasks(execution, [task])[0]

    def _tasks(self, execution: ExecutionFacts, tasks: list[TaskFacts]) -> list[Node]:
        ids = [task.id for task in tasks if task.state not in (states.WAITING, states.IDLE)]
        actions = self.reader.open_actions(ids) if ids else {}
        children = self.reader.open_children(ids) if ids else {}
        return [
            self._open_task(execution, task, actions.get(task.id, NOTHING), children.get(task.id, NOTHING))
            for task in tasks
            if task.id not in self._explained
        ]

    def _open_task(self, execution: ExecutionFacts, task: TaskFacts, actions: Some, children: Some) -> Node:
        self._explained.add(task.id)
        node = self._node("task", task.id, task.name, task.state)
        node.since = task.started_at or task.created_at
        node.until = task.timeout_at
        is_held = execution.state != states.RUNNING
        kind = task.cause.get("kind")
        if task.state == states.WAITING:
            self._join(execution, task, node)
        elif task.state == states.DELAYED:
            node.text = _PHASES.get(str(task.cause.get("phase")), "is held back")
            node.until = task.due_at
            node.blocks = not is_held
            if is_held:
                node.text += f"; nothing happens while the execution is {execution.state}"
        elif kind == "pause-before":
            node.text = "waits for the execution to be resumed, by its policy pause-before"
        elif actions.total or children.total:
            self._running_task(task, actions, children, node)
        elif is_held:
            node.text = f"goes on when the execution, which is {execution.state}, runs again"
        else:
            node.text = "is about to go on" if task.started_at else "is about to start"
            self._mark_at_once(node)
        return node

    def _running_task(self, task: TaskFacts, actions: Some, children: Some, node: Node) -> None:
        running = actions.total + children.total
        if task.items_count is not None:
            waiting = task.items_count - task.items_done - running
            node.text = (
                f"{task.items_done} of {task.items_count} items are done ({task.items_failed} failed),"
                f" {running} run, {max(0, waiting)} have not begun"
            )
            limit = task.runtime.get("with_items", {}).get("capacity")
            if limit:
                node.text += f", at most {limit} at once"
        elif task.state == states.PAUSED:
            node.text = "is paused because what it waits for is"
        else:
            node.text = "waits for its sub-workflow" if children.total else "waits for its action"
        if task.timeout_at is not None:
            node.text += "; it can time out"
        node.children += [self.action(action) for action in actions.shown]
        node.children += [self._child(child) for child in children.shown]
        hidden = running - len(actions.shown) - len(children.shown)
        if hidden:
            node.children.append(_more(hidden, "that run"))

    def _child(self, child: ExecutionFacts) -> Node:
        node = self.execution(child)
        if child.item_index is not None:
            node.text = f"item {child.item_index}: {node.text}"
        return node

    def _join(self, execution: ExecutionFacts, task: TaskFacts, node: Node) -> None:
        view = self._view(execution)
        branches = view.branches(task)
        needed = view.needed(task.name)
        node.text = f"join: {needed} of {len(branches.all)} branches must come"
        for word, names in (("come", branches.come), ("will not come", branches.never)):
            if names:
                node.text += f"; {word}: {_listed(names)}"
        awaited = [branch for branch in branches.awaited if branch.id not in self._explained]
        again = [branch for branch in branches.awaited if branch.id in self._explained]
        node.children += self._awaited(execution, awaited)
        for name, upstream in branches.not_begun:
            child = self._node("task", None, name, None)
            child.text = f"has not begun; before it: {_listed(found.name for found in upstream)}"
            child.children = self._awaited(
                execution, [t for t in upstream[:SHOWN] if t.id not in self._explained]
            )
            node.children.append(child)
        for branch in again:
            node.children.append(self._see_elsewhere(branch))
        shown = node.children[:SHOWN]
        if len(node.children) > len(shown):
            shown.append(_more(len(node.children) - len(shown), "branches"))
        node.children = shown

    def _awaited(self, execution: ExecutionFacts, tasks: list[TaskFacts]) -> list[Node]:
        """Tasks that have not led on: open ones, and those that ended while the execution did not run."""
        found = self._tasks(execution, [task for task in tasks if task.state not in states.COMPLETED])
        for task in tasks:
            if task.state in states.COMPLETED:
                found.append(self.single_task(execution, task))
        return found

    def _see_elsewhere(self, task: TaskFacts) -> Node:
        node = self._node("task", task.id, task.name, task.state)
        node.text = "is explained elsewhere in this tree"
        return node

    def _view(self, execution: ExecutionFacts) -> JoinView:
        view = self._views.get(execution.id)
        if view is None:
            view = self._views[execution.id] = self._joins(execution)
        return view

    # -- actions, and tasks that failed

    def action(self, action: ActionFacts) -> Node:
        """One action execution."""
        node = self._node("action", action.id, action.name, action.state)
        node.since = action.created_at
        if action.state in states.COMPLETED:
            node.text = f"ended as {action.state}"
            reason = action.error or action.state_info
            if reason:
                node.text += f": {_line(reason)}"
            node.blocks = action.state != states.SUCCESS
            node.since = action.updated_at
        elif action.state == states.PAUSED:
            node.text = f"was paused from outside; goes on with PUT /v2/action_executions/{action.id}"
            node.blocks = True
        elif action.waits_outside:
            node.text = f"waits for an outside party, which reports to PUT /v2/action_executions/{action.id}"
            node.blocks = True
        else:
            place = f"on {action.host}, process {action.pid}" if action.host else "at an executor"
            node.text = f"is queued {place}" if action.queued else f"runs {place}"
            node.blocks = True
            self._running.append(f"{action.name} {action.id}")
        if action.item_index is not None:
            node.text = f"item {action.item_index}: {node.text}"
        return node

    def _failed_tasks(self, tasks: list[TaskFacts]) -> list[Node]:
        ids = [task.id for task in tasks]
        actions = self.reader.failed_actions(ids) if ids else {}
        children = self.reader.failed_children(ids) if ids else {}
        nodes = []
        for task in tasks:
            node = self._node("task", task.id, task.name, task.state)
            node.since = task.finished_at
            node.text = f"ended as {task.state}"
            if task.state_info:
                node.text += f": {_line(task.state_info)}"
            causes = actions.get(task.id, NOTHING), children.get(task.id, NOTHING)
            node.children = [self.action(action) for action in causes[0].shown]
            node.children += [self._child(child) for child in causes[1].shown]
            hidden = sum(found.total - len(found.shown) for found in causes)
            if hidden:
                node.children.append(_more(hidden, "that failed"))
            node.blocks = not node.children
            nodes.append(node)
        return nodes

    def _node(self, kind: str, id_: str | None, name: str | None, state: str | None) -> Node:
        self._nodes += 1
        return Node(kind, id_, name, state, "")

    def _mark_at_once(self, node: Node) -> None:
        node.blocks = True
        self._at_once = True


def _blocking(node: Node) -> Iterable[Node]:
    if node.blocks:
        yield node
    for child in node.children:
        yield from _blocking(child)


def _title(node: Node) -> str:
    return " ".join(str(part) for part in (node.kind, node.name or "", node.id or "") if part)


def _more(count: int, what: str) -> Node:
    return Node("more", None, None, None, f"{count} more {what}")


def _line(text: str) -> str:
    """The first line of a reason."""
    first: Any = text.strip().split("\n", 1)[0]
    return str(first)


def _listed(names: Iterable[str]) -> str:
    """A few names."""
    found = list(names)
    shown = ", ".join(found[:10])
    return f"{shown} and {len(found) - 10} more" if len(found) > 10 else shown
