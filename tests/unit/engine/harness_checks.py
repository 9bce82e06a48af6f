"""What must hold after every decision."""

from __future__ import annotations

from maestrale.engine.draft import Draft
from maestrale.engine.events import ChildRerun, RerunRequested, RestartRequested, SkipRequested
from maestrale.engine.execution import Execution, Runs, TaskExecution
from maestrale.model import states


def check(execution: Execution) -> None:
    """Counters and indexes agree with a recount, and everything that is open says truly why."""
    _check_counters(execution)
    workflow = execution.workflow
    assert workflow is not None
    if workflow.state in states.COMPLETED:
        for task_id in execution.ready:
            outlives = execution.tasks[task_id].runtime.get("outlives")
            assert outlives == workflow.finished_at, "a task is queued in a workflow that is over"
        assert workflow.cause is None
        assert workflow.finished_at is not None
    else:
        assert workflow.cause, f"the workflow is {workflow.state} without a cause"
        assert workflow.finished_at is None
        assert workflow.output is None
    for task in execution.tasks.values():
        assert task.live, f"{task.name} is superseded and still there"
        if task.is_completed:
            assert task.cause is None, f"{task.name} is {task.state} and has a cause"
            assert task.finished_at is not None
        else:
            assert task.cause, f"{task.name} is {task.state} without a cause"
            if workflow.state == states.RUNNING:
                _check_cause(execution, task)
    if workflow.state == states.RUNNING and not execution.ready:
        assert execution.open_tasks, "the workflow runs on without anything to do"
        assert execution.waiting_joins < execution.open_tasks, "joins wait for each other"


def _check_counters(execution: Execution) -> None:
    tasks = list(execution.tasks.values())
    open_children = {
        child.id: (task_id, child) for task_id, runs in execution.runs.items() for child in runs.open.values()
    }
    assert execution.open_tasks == sum(not task.is_completed for task in tasks)
    assert execution.waiting_joins == sum(task.state == states.WAITING for task in tasks)
    assert execution.local_actions == sum(child.needs_executor for _, child in open_children.values())
    assert execution.children == {key: task_id for key, (task_id, _) in open_children.items()}
    newest: dict[str, str] = {}
    for task in sorted(tasks, key=lambda task: task.sequence):
        assert not (task.is_join and task.name in newest), f"two executions of the join {task.name}"
        newest[task.name] = task.id
    assert execution.latest == newest
    assert len({task.sequence for task in tasks}) == len(tasks)
    timers = {}
    for task in tasks:
        times = [at for at in (task.due_at, task.timeout_at) if at is not None]
        if times and not task.is_completed:
            timers[task.id] = min(times)
    assert execution.timers == timers
    assert len(set(execution.ready)) == len(execution.ready), "a task is queued twice"
    for task in tasks:
        runs = execution.runs.get(task.id, Runs())
        outcomes = runs.outcomes
        assert runs.local == sum(child.needs_executor for child in runs.open.values())
        indexes = [child.item_index for child in runs.open.values()]
        assert len(set(indexes)) == len(indexes), f"{task.name} runs twice at once: {indexes}"
        assert not {o.child_id for o in outcomes.values()} & open_children.keys()
        if task.items_count is not None:
            assert task.items_done == len(outcomes)
            assert task.items_failed == sum(o.state != states.SUCCESS for o in outcomes.values())


def _check_cause(execution: Execution, task: TaskExecution) -> None:
    """In a running workflow: what the cause of an open task names is really there."""
    cause = task.cause or {}
    kind = cause["kind"]
    open_children = execution.runs.get(task.id, Runs()).open
    where = f"{task.name} is {task.state} because of {cause}, but"
    match kind:
        case "continue" | "rerun":
            assert task.state in (states.IDLE, states.RUNNING)
            assert task.id in execution.ready, f"{where} it is not queued"
        case "action" | "sub-workflow":
            assert task.state == states.RUNNING
            assert cause["id"] in open_children or task.items_count is not None, f"{where} that is over"
            assert open_children, f"{where} it has no open child"
        case "items":
            assert task.state == states.RUNNING
            assert open_children or task.id in execution.ready, f"{where} no item is open or queued"
        case "join":
            assert task.state == states.WAITING
        case "due":
            assert task.state == states.DELAYED
            assert task.due_at == cause["at"]
            assert task.id in execution.timers
        case "child-paused":
            assert task.state == states.PAUSED
            assert open_children[cause["id"]].state == states.PAUSED, f"{where} that one is not paused"
        case _:
            raise AssertionError(f"{where} a running workflow has no such cause")


def check_completed_once(execution: Execution, draft: Draft) -> None:
    """A task that has ended ends again only if it was opened again: by a person, or as a join."""
    reopening = (RerunRequested, RestartRequested, SkipRequested, ChildRerun)
    if any(isinstance(record.event, reopening) for record in draft.records):
        return
    for task_id, task in draft.changed_tasks.items():
        before = execution.tasks[task_id]
        if before.is_completed and not task.is_join:
            same = (task.state, task.finished_at, task.published, task.state_info) == (
                before.state,
                before.finished_at,
                before.published,
                before.state_info,
            )
            assert same, f"{task.name} has ended twice"
