"""Joins: counting who has come and who cannot come any more.

A join keeps, for its current round, the inbound tasks that triggered it and those that will not. Both
change by one when something upstream ends, so a join of n branches costs O(n) in all. A join on a cycle
fires in rounds: only triggers that descend from its last firing (or come from outside the cycle) count.
"""

from __future__ import annotations

from collections.abc import Iterator

from maestrale.engine.branches import meet
from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Completion, Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.tasks import create_waiting_join, make_ready, set_state
from maestrale.model import states
from maestrale.model.values import Json

NOT_TRIGGERED = "not triggered"
IMPOSSIBLE = "impossible route"


def trigger_join(decision: Decision, name: str, source: TaskExecution, event: str) -> None:
    """A completed task chose this join."""
    draft = decision.draft
    task = draft.latest_task(name)
    if task is None:
        task = create_waiting_join(decision, name)
        _note_arrival(decision, name, source, event)
        _examine_others(decision, task, source.name)
    elif task.state == states.WAITING:
        if not _is_of_round(decision, task, source):
            return
        _note_arrival(decision, name, source, event)
    elif (
        task.state == states.SUCCESS
        and _is_below(decision, source, name)
        and _fired(source, name) == _round(task) + 1
    ):
        _reopen(decision, task, source, event)
    elif task.state == states.ERROR and failed_by_branches(task):
        draft.join(name).missing.clear()
        _note_arrival(decision, name, source, event)
        _examine_others(decision, task, source.name)
        if _is_hopeless(decision, name):
            return
        _reopen(decision, task, source, event)
    else:
        if task.state != states.SUCCESS and _is_of_round(decision, task, source):
            _note_arrival(decision, name, source, event)
        return
    judge(decision, draft.task(task.id) or task)


def note_missed(decision: Decision, source: TaskExecution, chosen: set[str]) -> None:
    """A task has ended: tell every waiting join below that loses a possible trigger by it."""
    graph = decision.program.graph
    if not decision.draft.waiting_joins or not graph.joins_downstream(source.name):
        return
    for target in graph.outbound[source.name]:
        if target not in chosen:
            _miss(decision, source.name, target, NOT_TRIGGERED)


def failed_by_branches(join: TaskExecution) -> bool:
    """Whether a join failed because its branches did not come; it has not run then."""
    return any(trigger["event"] in (NOT_TRIGGERED, IMPOSSIBLE) for trigger in join.triggered_by)


def judge(decision: Decision, task: TaskExecution) -> None:
    """Start a WAITING join that has enough triggers; fail one that can get them no more."""
    if task.state != states.WAITING:
        return
    if len(decision.draft.join(task.name).arrivals) >= _needed(decision, task.name):
        start_join(decision, task)
    elif _is_hopeless(decision, task.name):
        _fail(decision, task)


def _needed(decision: Decision, name: str) -> int:
    wanted = decision.program.spec.tasks[name].join
    return len(decision.program.graph.inbound[name]) if wanted == "all" else int(wanted or 0)


def _is_hopeless(decision: Decision, name: str) -> bool:
    total = len(decision.program.graph.inbound[name])
    return len(decision.draft.join(name).missing) > total - _needed(decision, name)


def fail_blocked(decision: Decision) -> bool:
    """Nothing runs any more, yet a join waits: it waits for ever. Fail the first one, if there is one."""
    task = next((join for join in _joins(decision) if join.state == states.WAITING), None)
    if task is None:
        return False
    progress = decision.draft.join(task.name)
    for name in decision.program.graph.inbound[task.name]:
        if name not in progress.arrivals:
            progress.missing[name] = IMPOSSIBLE
    _fail(decision, task)
    return True


def _joins(decision: Decision) -> Iterator[TaskExecution]:
    """The task executions of all joins, in definition order."""
    for name in decision.program.joins:
        task = decision.draft.latest_task(name)
        if task is not None:
            yield task


def forget(decision: Decision, source: TaskExecution) -> None:
    """A task that had ended runs again: whatever joins concluded from its end is void."""
    tasks: list[TaskExecution] | None = None
    for join in _joins(decision):
        if join.state == states.SUCCESS or join.id == source.id:
            continue
        if not source.is_join:
            if tasks is None:
                everything = (task for _, task in decision.draft.tasks.items())
                tasks = sorted(everything, key=lambda task: task.sequence)
            examine(decision, join, tasks)
            continue
        # A join has one execution only, so that no older one counts instead.
        progress = decision.draft.join(join.name)
        arrival = progress.arrivals.get(source.name)
        if arrival is not None and arrival[0] == source.id:
            progress.arrivals.remove(source.name)
        if join.state == states.WAITING:
            progress.missing.clear()
            _examine_others(decision, join, "")


def examine(decision: Decision, join: TaskExecution, tasks: list[TaskExecution]) -> None:
    """Count anew, from all task executions in order, who has come to a join and who will not."""
    inbound = decision.program.graph.inbound[join.name]
    progress = decision.draft.join(join.name)
    progress.arrivals.clear()
    progress.missing.clear()
    wanted = set(inbound)
    for task in tasks:
        if (
            task.name in wanted
            and task.is_completed
            and task.processed
            and _is_of_round(decision, join, task)
        ):
            for target, event in task.next_tasks or ():
                if target == join.name:
                    _note_arrival(decision, join.name, task, event)
    if join.state == states.WAITING:
        _examine_others(decision, join, "")


def _note_arrival(decision: Decision, name: str, source: TaskExecution, event: str) -> None:
    """Of several executions of one task the one that ended last counts."""
    progress = decision.draft.join(name)
    progress.missing.remove(source.name)
    known = progress.arrivals.get(source.name)
    other = decision.draft.task(known[0]) if known is not None else None
    if other is None or _end_of(other) <= _end_of(source):
        progress.arrivals[source.name] = (source.id, event)


def _end_of(task: TaskExecution) -> tuple[int, int]:
    return task.finished_at or 0, task.sequence


def start_join(decision: Decision, task: TaskExecution) -> None:
    """Start a WAITING join with the triggers that have come."""
    task = set_state(decision, task, states.IDLE, None, {"kind": "continue"})
    task.triggered_by = _triggers(decision, task.name)
    sources = _inherit(decision, task, task.triggered_by)
    inherited = {k: v for k, v in firings_after(decision, sources).items() if k != task.name}
    if inherited:
        task.runtime = {**task.runtime, "firings": inherited}
    make_ready(decision, task)


def _fail(decision: Decision, task: TaskExecution) -> None:
    task = decision.draft.edit_task(task)
    progress = decision.draft.join(task.name)
    inbound = decision.program.graph.inbound[task.name]
    _inherit(decision, task, _triggers(decision, task.name))
    missing = [name for name in inbound if name in progress.missing]
    task.triggered_by = []
    for name in missing:
        source = _current(decision, name, task)
        trigger: dict[str, Json] = {
            "task_id": None if source is None else source.id,
            "event": progress.missing.get(name),
        }
        task.triggered_by.append(trigger)
    decision.completions.append(
        Completion(task.id, states.ERROR, f"Failed by tasks: {missing}", if_waiting=True)
    )


def _inherit(
    decision: Decision, task: TaskExecution, arrivals: list[dict[str, str]], *, also: Context = EMPTY
) -> list[TaskExecution]:
    """Merge what the branches that have come hand on into the context of an editable join."""
    sources = [t for arrival in arrivals if (t := decision.draft.task(arrival["task_id"])) is not None]
    task.context = meet(decision, sources, also=also).checkpoint()
    task.checkpointed = True
    return sources


def add_late_branches(decision: Decision, task: TaskExecution) -> None:
    """A partial join hands on what late branches brought while it ran."""
    known = {trigger["task_id"] for trigger in task.triggered_by}
    late = [arrival for arrival in _triggers(decision, task.name) if arrival["task_id"] not in known]
    if late:
        task.triggered_by = [*task.triggered_by, *late]
        _inherit(decision, task, task.triggered_by, also=decision.draft.context_of(task))


def inherit_anew(decision: Decision, task: TaskExecution) -> None:
    """A join that a person runs again sees every branch that has come by now. The task is editable."""
    task.triggered_by = list(_triggers(decision, task.name))
    _inherit(decision, task, task.triggered_by, also=decision.draft.context_of(task))


def _triggers(decision: Decision, name: str) -> list[dict[str, str]]:
    """The arrivals of a join as its `triggered_by`, in definition order."""
    progress = decision.draft.join(name)
    found = []
    for inbound in decision.program.graph.inbound[name]:
        arrival = progress.arrivals.get(inbound)
        if arrival is not None:
            found.append({"task_id": arrival[0], "event": arrival[1]})
    return found


def _reopen(decision: Decision, task: TaskExecution, source: TaskExecution, event: str) -> None:
    """A failed join gets another chance; a join on a cycle begins its next round."""
    if task.state == states.SUCCESS:
        task = decision.draft.edit_task(task)
        task.runtime = {**task.runtime, "round": _round(task) + 1}
        progress = decision.draft.join(task.name)
        progress.arrivals.clear()
    decision.draft.join(task.name).missing.clear()
    decision.draft.ends.remove(task.id)
    task = set_state(decision, task, states.WAITING, "Task is waiting.", {"kind": "join"})
    task.processed = False
    task.finished_at = None
    task.error_handled = False
    task.next_tasks = None
    forget(decision, task)
    _note_arrival(decision, task.name, source, event)
    _examine_others(decision, task, source.name)


def _examine_others(decision: Decision, join: TaskExecution, arrived: str) -> None:
    """Find out, for a join that has just begun to wait, what its other inbound tasks have done."""
    progress = decision.draft.join(join.name)
    known: dict[str, bool] = {}
    for name in decision.program.graph.inbound[join.name]:
        if name == arrived or name in progress.arrivals:
            continue
        task = _current(decision, name, join)
        if task is not None and task.is_completed and task.processed:
            event = next((e for target, e in task.next_tasks or () if target == join.name), None)
            if event is not None:
                progress.arrivals[name] = (task.id, event)
                continue
        if not _may_come(decision, name, join, known):
            progress.missing[name] = IMPOSSIBLE if task is None else NOT_TRIGGERED


def _miss(decision: Decision, source: str, target: str, reason: str) -> None:
    """`source` will not trigger `target`; spread the news to joins below (iteratively)."""
    graph = decision.program.graph
    spec = decision.program.spec
    news = [(source, target, reason)]
    seen: set[str] = set()
    while news:
        origin, name, why = news.pop()
        if spec.tasks[name].join:
            join = decision.draft.latest_task(name)
            if join is not None and join.state == states.WAITING:
                progress = decision.draft.join(name)
                if origin not in progress.arrivals and not _may_come(decision, origin, join, {}):
                    progress.missing[origin] = why
                    judge(decision, join)
                continue
        if name in seen or not graph.joins_downstream(name):
            continue
        seen.add(name)
        for join in _waiting_below(decision, name):
            if not _may_come(decision, name, join, {}):
                why = IMPOSSIBLE if _current(decision, name, join) is None else NOT_TRIGGERED
                news += [(name, following, why) for following in graph.outbound[name]]
                break


def _waiting_below(decision: Decision, name: str) -> Iterator[TaskExecution]:
    for join_name in decision.program.graph.joins_downstream(name):
        join = decision.draft.latest_task(join_name)
        if join is not None and join.state == states.WAITING:
            yield join


def _may_come(decision: Decision, name: str, join: TaskExecution, known: dict[str, bool]) -> bool:
    """Whether a task may still end and choose what follows (in this round of `join`).

    It is unfinished; or it has no execution yet, or lies on a cycle, and may get one: backwards from the
    task there is something unfinished, or something that ended by choosing it for the first time. Routes
    through the join itself do not count: it cannot come before itself.
    """
    task = _current(decision, name, join)
    if task is not None:
        if not task.is_completed or not task.processed:
            return True
        if name not in decision.program.cyclic:
            return False
    graph = decision.program.graph
    stack, visited = [(name, task is not None)], {name, join.name}
    while stack:
        here, has_run = stack.pop()
        if known.get(here):
            return True
        for upstream in graph.inbound[here]:
            if upstream == join.name:
                continue
            task = _current(decision, upstream, join)
            if task is not None and (
                not task.is_completed or not task.processed or (not has_run and _chose(task, here))
            ):
                known[name] = True
                return True
            if task is None or upstream in decision.program.cyclic:
                if known.get(upstream):
                    return True
                if upstream not in visited and upstream not in known:
                    visited.add(upstream)
                    stack.append((upstream, task is not None))
    for seen in visited:
        known.setdefault(seen, False)
    return False


def _chose(task: TaskExecution, name: str) -> bool:
    return any(target == name for target, _ in task.next_tasks or ())


def _current(decision: Decision, name: str, join: TaskExecution) -> TaskExecution | None:
    """The latest execution of an upstream task that counts for the current round of `join`."""
    task = decision.draft.latest_task(name)
    if task is None or not _is_below(decision, task, join.name) or _fired(task, join.name) == _round(join):
        return task
    return None


def _is_of_round(decision: Decision, join: TaskExecution, source: TaskExecution) -> bool:
    return not _is_below(decision, source, join.name) or _fired(source, join.name) == _round(join)


def _is_below(decision: Decision, task: TaskExecution, join_name: str) -> bool:
    """Whether a task lies on a cycle through the join."""
    return decision.program.is_on_cycle(join_name, task.name)


def _round(join: TaskExecution) -> int:
    number: int = join.runtime.get("round", 0)
    return number


def _fired(task: TaskExecution, join_name: str) -> int:
    """How often the join has fired upstream of this task execution."""
    firings: dict[str, int] = task.runtime.get("firings", {})
    return firings.get(join_name, 0)


def firings_after(decision: Decision, sources: list[TaskExecution]) -> dict[str, int]:
    """What a new task inherits from the tasks that trigger it: how often each join on a cycle fired."""
    merged: dict[str, int] = {}
    for source in sources:
        inherited: dict[str, int] = source.runtime.get("firings", {})
        for name, count in inherited.items():
            merged[name] = max(count, merged.get(name, 0))
        if source.is_join and decision.program.is_on_cycle(source.name, source.name):
            merged[source.name] = _round(source) + 1
    return merged
