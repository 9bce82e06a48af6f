"""Direct workflows: which tasks and commands follow a task, and setting them going."""

from __future__ import annotations

from typing import Final

import msgspec

from maestrale.engine.branches import outbound
from maestrale.engine.context import Context
from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.joins import firings_after, may_be_revived, trigger_join
from maestrale.engine.lookups import Lookups
from maestrale.engine.outputs import end_workflow
from maestrale.engine.pausing import pause_workflow
from maestrale.engine.tasks import create_task, make_ready, outlive
from maestrale.expressions.surroundings import NO_SCOPE, Scope
from maestrale.lang.spec import Clause
from maestrale.model import states
from maestrale.model.values import Json

_CLAUSES: Final[dict[str, tuple[Clause, ...]]] = {
    states.SUCCESS: ("on-success", "on-complete"),
    states.ERROR: ("on-error", "on-complete"),
    states.SKIPPED: ("on-skip",),
}


class Command(msgspec.Struct, frozen=True):
    """Something a completed task chose: a task to run, or an engine command with its message."""

    target: str
    event: str
    is_command: bool
    message: str | None = None


def next_commands(decision: Decision, task: TaskExecution) -> list[Command]:
    """What follows a completed task, in order. Every guard is evaluated; nothing is changed."""
    found: list[Command] = []
    clauses = _CLAUSES.get(task.state, ())
    program = decision.task_program(task)
    if not clauses or not program.spec.clauses:
        return found
    scope = NO_SCOPE
    if program.asks:
        scope = decision.scope(task, Lookups(decision, task), outbound(decision, task))
    for clause in clauses:
        found += _fired(decision, task, clause, scope)
    if task.state == states.SKIPPED and not found:
        found = _fired(decision, task, "on-success", scope)
    return found


def _fired(decision: Decision, task: TaskExecution, clause: Clause, scope: Scope) -> list[Command]:
    program = decision.task_program(task)
    spec = program.spec.clauses.get(clause)
    if spec is None:
        return []
    found = []
    guards, parameters = program.guards[clause], program.parameters[clause]
    for transition, guard, section in zip(spec.next, guards, parameters, strict=True):
        path = transition.path or (*program.path, clause)
        if guard is not None and not decision.evaluate(guard, scope, path):
            continue
        message: Json = None
        if transition.is_command and section:
            message = decision.evaluate_section(section, scope, path).get("msg")
        found.append(
            Command(
                transition.target, clause, transition.is_command, None if message is None else str(message)
            )
        )
    return found


def start_workflow_tasks(decision: Decision) -> None:
    """Set the tasks going that nothing leads to."""
    for name in decision.program.graph.start_tasks:
        make_ready(decision, create_task(decision, name, Context(), []))


def dispatch(
    decision: Decision, source: TaskExecution, commands: list[Command], *, ignore_pause: bool = False
) -> list[list[str]]:
    """Set going what a completed task chose; returns its next tasks as [name, event] pairs.

    The list is cut at the first fail, succeed or pause: what stands before runs to its end (like
    everything that was to start when fail or succeed ended the workflow), fail and succeed drop the rest,
    pause keeps it for resume.
    """
    tasks: list[Command] = []
    for position, command in enumerate(commands):
        if not command.is_command:
            tasks.append(command)
        elif command.target == "pause":
            if ignore_pause:
                continue
            rest = [c for c in commands[position + 1 :] if c.target != "noop" or not c.is_command]
            before = len(decision.draft.ready)
            _create(decision, source, tasks)
            decision.exempt.update(list(decision.draft.ready)[before:])
            pause_at_command(decision, command.message, source, rest)
            return [[c.target, c.event] for c in tasks + rest if not c.is_command]
        elif command.target in ("fail", "succeed"):
            _create(decision, source, tasks)
            chosen = [[c.target, c.event] for c in tasks]
            _mark_end(decision, source, chosen)
            begun = list(decision.draft.ready)
            end_workflow(
                decision, states.ERROR if command.target == "fail" else states.SUCCESS, command.message
            )
            for task_id in begun:
                outlive(decision, task_id)
            return chosen
    _create(decision, source, tasks)
    return [[c.target, c.event] for c in tasks]


def _mark_end(decision: Decision, source: TaskExecution, chosen: list[list[str]]) -> None:
    if not chosen:
        decision.draft.ends[source.id] = True


def _create(decision: Decision, source: TaskExecution, commands: list[Command]) -> None:
    """Create plain tasks first, then trigger joins."""
    joins = []
    context = outbound(decision, source)
    firings = firings_after(decision, [source])
    on_cycle = source.is_join and decision.program.is_on_cycle(source.name, source.name)
    for command in commands:
        if decision.program.spec.tasks[command.target].join:
            joins.append(command)
        else:
            trigger: dict[str, Json] = {"task_id": source.id, "event": command.event}
            task = create_task(decision, command.target, context, [trigger], firings, on_cycle)
            make_ready(decision, task)
    for command in _failed_first(decision, joins):
        trigger_join(decision, command.target, source, command.event)


def _failed_first(decision: Decision, joins: list[Command]) -> list[Command]:
    """Failed joins first, each behind those that may lead to it; the rest as it is."""
    failed = [c for c in joins if may_be_revived(decision.draft.latest_task(c.target))]
    if not failed:
        return joins
    routes = decision.program.routes
    wanted = routes.of({c.target for c in failed})
    failed.sort(key=lambda command: (routes.before[command.target] & wanted).bit_count())
    return [*failed, *(command for command in joins if command not in failed)]


def pause_at_command(
    decision: Decision, message: str | None, source: TaskExecution, rest: list[Command]
) -> None:
    """Pause the workflow and keep what the source still wants for later."""
    pause_workflow(decision, message, {"by": "command", "task": source.name})
    workflow = decision.draft.edit_workflow()
    if rest:
        kept = [
            {
                "source": source.id,
                "target": c.target,
                "event": c.event,
                "command": c.is_command,
                "msg": c.message,
            }
            for c in rest
        ]
        workflow.backlog = [*(workflow.backlog or []), *kept]


def dispatch_backlog(decision: Decision) -> None:
    """Run what a pause command held back, in a workflow that runs again."""
    by_source: dict[str, list[Command]] = {}
    for entry in decision.draft.workflow.backlog or []:
        command = Command(entry["target"], entry["event"], entry["command"], entry["msg"])
        by_source.setdefault(entry["source"], []).append(command)
    for source_id, commands in by_source.items():
        source = decision.draft.task(source_id)
        if source is not None and decision.draft.workflow.state == states.RUNNING:
            dispatch(decision, source, commands, ignore_pause=True)
        # Only now: until it is dispatched, a waiting join must see that it will be.
        workflow = decision.draft.edit_workflow()
        workflow.backlog = [e for e in workflow.backlog or [] if e["source"] != source_id] or None
