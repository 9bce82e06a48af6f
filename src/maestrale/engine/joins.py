"""Joins: counting who has come and who cannot come any more.

A join keeps, for its current round, the inbound tasks that triggered it and those that will not. Both
change by one when something upstream ends, so a join of n branches costs O(n) in all. Of an inbound task
with several executions every one that chooses the join hands its variables on, and the task counts once.
A join on a cycle fires in rounds: only triggers that descend from its last firing (or come from outside the
cycle) count.
"""

from __future__ import annotations

from collections.abc import Iterator

from maestrale.engine.branches import keep_contexts_of_followers, meet
from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Completion, Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.program import fired, round_of
from maestrale.engine.tasks import create_waiting_join, make_ready, mark_processed, set_state
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
        draft.join(name).add(source, event)
        _examine_others(decision, task)
    elif task.state == states.WAITING:
        if not decision.program.is_of_round(task, source):
            return
        draft.join(name).add(source, event)
    elif (
        task.state == states.SUCCESS
        and decision.program.is_on_cycle(name, source.name)
        and fired(source, name) == round_of(task) + 1
    ):
        _reopen(decision, task, source, event)
    elif may_be_revived(task):
        draft.join(name).missing.clear()
        draft.join(name).add(source, event)
        _examine_others(decision, task, _unprocessed_after(decision, source))
        if _is_hopeless(decision, name):
            return  # it would only fail again, and with it what followed from its failure
        _reopen(decision, task, source, event)
    else:
        if task.state != states.SUCCESS and decision.program.is_of_round(task, source):
            draft.join(name).add(source, event)
        return
    judge(decision, draft.task(task.id) or task)


def note_missed(decision: Decision, source: TaskExecution, chosen: set[str]) -> None:
    """A task has ended: tell every waiting join below that loses a possible trigger by it."""
    graph = decision.program.graph
    if not decision.draft.waiting_joins or not graph.joins_downstream(source.name):
        return
    for target in graph.outbound[source.name]:
        if target not in chosen:
            _miss(decision, source.name, target)


def failed_by_branches(join: TaskExecution) -> bool:
    """Whether a join failed because its branches did not come; it has not run then."""
    return any(trigger["event"] in (NOT_TRIGGERED, IMPOSSIBLE) for trigger in join.triggered_by)


def may_be_revived(join: TaskExecution | None) -> bool:
    """Whether a task is a join that gets another chance when it is chosen again."""
    return join is not None and join.state == states.ERROR and failed_by_branches(join)


def judge(decision: Decision, task: TaskExecution) -> None:
    """Start a WAITING join that has enough triggers; fail one that can get them no more."""
    if task.state != states.WAITING:
        return
    if len(decision.draft.join(task.name).come) >= decision.program.needed(task.name):
        start_join(decision, task)
    elif _is_hopeless(decision, task.name):
        _fail(decision, task)


def _is_hopeless(decision: Decision, name: str) -> bool:
    total = len(decision.program.graph.inbound[name])
    return len(decision.draft.join(name).missing) > total - decision.program.needed(name)


def fail_blocked(decision: Decision) -> bool:
    """Nothing runs any more, yet a join waits: it waits for ever. Fail the first one, if there is one."""
    task = next((join for join in _joins(decision) if join.state == states.WAITING), None)
    if task is None:
        return False
    progress = decision.draft.join(task.name)
    for name in decision.program.graph.inbound[task.name]:
        if name not in progress.come:
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
    """A task that had ended runs again: whatever it chose is void, and what joins concluded from its end."""
    backlog = decision.draft.workflow.backlog
    if backlog:
        left = [entry for entry in backlog if entry["source"] != source.id]
        decision.draft.edit_workflow().backlog = left or None
    for join in _joins(decision):
        if join.state == states.SUCCESS or join.id == source.id:
            continue
        progress = decision.draft.join(join.name)
        if source.id in progress.arrivals and join.state != states.WAITING and not join.is_completed:
            _void_trigger(decision, join, source)
        progress.remove(source)
        if join.state == states.WAITING:
            progress.missing.clear()
            _examine_others(decision, join)


def examine(decision: Decision, joins: list[TaskExecution], tasks: list[TaskExecution]) -> None:
    """Count anew, from all task executions, who has come to these joins and who will not."""
    draft = decision.draft
    by_name = {join.name: join for join in joins}
    for name in by_name:
        draft.join(name).clear()
    held_back = {(entry["source"], entry["target"]) for entry in draft.workflow.backlog or ()}
    for task in tasks:
        if task.is_completed and task.processed:
            for target, event in task.next_tasks or ():
                join = by_name.get(target)
                if (
                    join is not None
                    and (task.id, target) not in held_back
                    and decision.program.is_of_round(join, task)
                ):
                    draft.join(target).add(task, event)
    for join in joins:
        if join.state == states.WAITING:
            _examine_others(decision, join)


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
    """Hand on also what came since the branches of an editable join met: partial joins have late branches,
    and any branch may be skipped or run again while the join is held back or runs."""
    arrivals = _triggers(decision, task.name)
    known = {trigger["task_id"] for trigger in task.triggered_by if not trigger.get("void")}
    late = {arrival["task_id"]: arrival for arrival in arrivals if arrival["task_id"] not in known}
    if late:
        kept = [trigger for trigger in task.triggered_by if trigger["task_id"] not in late]
        task.triggered_by = [*kept, *late.values()]
        _inherit(decision, task, arrivals, also=decision.draft.context_of(task))


def _void_trigger(decision: Decision, join: TaskExecution, source: TaskExecution) -> None:
    """Note at a join that has its branches already that one of them is under way again."""
    join = decision.draft.edit_task(join)
    join.triggered_by = [
        {**trigger, "void": True} if trigger["task_id"] == source.id else trigger
        for trigger in join.triggered_by
    ]


def inherit_anew(decision: Decision, task: TaskExecution) -> None:
    """A join that a person runs again sees every branch that has come by now. The task is editable."""
    task.triggered_by = list(_triggers(decision, task.name))
    _inherit(decision, task, task.triggered_by, also=decision.draft.context_of(task))


def _triggers(decision: Decision, name: str) -> list[dict[str, str]]:
    """The arrivals of a join as its `triggered_by`, in definition order, then in that of creation."""
    draft, order = decision.draft, decision.program.order
    arrivals = dict(draft.join(name).arrivals.items())
    sources = [task for task_id in arrivals if (task := draft.task(task_id)) is not None]
    sources.sort(key=lambda task: (order[task.name], task.sequence))
    return [{"task_id": task.id, "event": arrivals[task.id]} for task in sources]


def _reopen(decision: Decision, task: TaskExecution, source: TaskExecution, event: str) -> None:
    """A failed join gets another chance; a join on a cycle begins its next round."""
    if task.state == states.SUCCESS:
        task = decision.draft.edit_task(task)
        task.runtime = {**task.runtime, "round": round_of(task) + 1}
        decision.draft.join(task.name).clear()
    elif task.next_tasks:
        keep_contexts_of_followers(decision, task)
    progress = decision.draft.join(task.name)
    progress.missing.clear()
    decision.draft.ends.remove(task.id)
    task = set_state(decision, task, states.WAITING, "Task is waiting.", {"kind": "join"})
    mark_processed(decision, task, False)
    task.finished_at = None
    task.error_handled = False
    task.next_tasks = None
    forget(decision, task)
    progress.add(source, event)
    _examine_others(decision, task)


def _examine_others(decision: Decision, join: TaskExecution, unprocessed: int | None = None) -> None:
    """Find out which inbound tasks cannot come any more to a join that begins to wait, or waits anew.

    `unprocessed`: the tasks that have still to choose what follows, as bits, where those are not the usual.
    """
    progress = decision.draft.join(join.name)
    for name in decision.program.graph.inbound[join.name]:
        if name not in progress.come and not _may_come(decision, name, join, unprocessed):
            progress.missing[name] = _reason(decision, name, join)


def _reason(decision: Decision, name: str, join: TaskExecution) -> str:
    return IMPOSSIBLE if _current(decision, name, join) is None else NOT_TRIGGERED


def _miss(decision: Decision, source: str, target: str) -> None:
    """`source` will not trigger `target`; spread the news to joins below (iteratively)."""
    graph = decision.program.graph
    news = [(source, target)]
    seen: set[str] = set()
    while news:
        origin, name = news.pop()
        join = decision.draft.latest_task(name) if decision.program.spec.tasks[name].join else None
        if join is not None:
            progress = decision.draft.join(name)
            if join.state != states.WAITING or origin in progress.come or origin in progress.missing:
                continue
            if not _may_come(decision, origin, join):
                progress.missing[origin] = _reason(decision, origin, join)
                judge(decision, join)
            continue
        if name in seen or not graph.joins_downstream(name):
            continue
        seen.add(name)
        for join in _waiting_below(decision, name):
            if not _may_come(decision, name, join):
                news += [(name, following) for following in graph.outbound[name]]
                break


def _waiting_below(decision: Decision, name: str) -> Iterator[TaskExecution]:
    for join_name in decision.program.graph.joins_downstream(name):
        join = decision.draft.latest_task(join_name)
        if join is not None and join.state == states.WAITING:
            yield join


def _unprocessed_after(decision: Decision, source: TaskExecution) -> int:
    """The tasks that have still to choose what follows once all that `source` chose is set going.

    Failed joins among that count if they wait again: those before others are tried first.
    """
    draft, bits = decision.draft, decision.program.routes.bits
    unprocessed = draft.unprocessed_bits
    if not source.processed and draft.unprocessed.get(source.name) == 1:
        unprocessed &= ~bits[source.name]
    for name, _ in source.next_tasks or ():
        join = draft.latest_task(name) if decision.program.spec.tasks[name].join else None
        if join is None or join.state == states.WAITING:
            unprocessed |= bits[name]
    return unprocessed


def _may_come(decision: Decision, name: str, join: TaskExecution, unprocessed: int | None = None) -> bool:
    """Whether an inbound task may still end and choose the join: it, or something that may lead to it, has
    still to choose what follows."""
    program, draft = decision.program, decision.draft
    unprocessed = draft.unprocessed_bits if unprocessed is None else unprocessed
    for entry in draft.workflow.backlog or ():
        source = draft.task(entry["source"])
        if entry["target"] == join.name and source is not None and source.name == name:
            return True
        unprocessed |= program.routes.bits.get(entry["target"], 0)

    def is_over(other: str) -> bool:
        return program.runs_once(other) and draft.latest_task(other) is not None

    return any(True for _ in program.routes.open_sources(name, join.name, unprocessed, is_over))


def _current(decision: Decision, name: str, join: TaskExecution) -> TaskExecution | None:
    """The latest execution of an upstream task that counts for the current round of `join`."""
    task = decision.draft.latest_task(name)
    return task if task is not None and decision.program.is_of_round(join, task) else None


def firings_after(decision: Decision, sources: list[TaskExecution]) -> dict[str, int]:
    """What a new task inherits from the tasks that trigger it: how often each join on a cycle fired."""
    merged: dict[str, int] = {}
    for source in sources:
        inherited: dict[str, int] = source.runtime.get("firings", {})
        for name, count in inherited.items():
            merged[name] = max(count, merged.get(name, 0))
        if source.is_join and decision.program.is_on_cycle(source.name, source.name):
            merged[source.name] = round_of(source) + 1
    return merged
