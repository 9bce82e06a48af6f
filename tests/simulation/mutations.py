"""Known mistakes of workflow engines, planted one at a time: each must be found by some history.

Most are bugs of the reference (its retry after a time-out, its lost start messages, its join that runs
again); the others break one of the rules on which durability rests.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import msgspec
import pytest

from maestrale.engine import (
    branches,
    completion,
    control,
    decide,
    direct,
    items,
    joins,
    outputs,
    policies,
    program,
    publishing,
    starting,
)
from maestrale.engine.decision import Decision
from maestrale.engine.draft import Draft
from maestrale.engine.execution import Child, TaskExecution
from maestrale.engine.program import TaskProgram
from maestrale.expressions.surroundings import Scope
from maestrale.model import states
from maestrale.model.values import Json
from maestrale.runtime import commits, recovery
from maestrale.runtime.loop import Loop
from maestrale.simulation import world
from maestrale.store import executions, processes

Plant = Callable[[pytest.MonkeyPatch], None]


def a_late_branch_runs_a_partial_join_again(patch: pytest.MonkeyPatch) -> None:
    """A trigger that arrives after the join has succeeded opens it once more."""
    original = joins.trigger_join

    def trigger(decision: Decision, name: str, source: TaskExecution, event: str) -> None:
        task = decision.draft.latest_task(name)
        if task is not None and task.state == states.SUCCESS:
            joins._reopen(decision, task, source, event)
            joins.judge(decision, decision.draft.task(task.id) or task)
        else:
            original(decision, name, source, event)

    patch.setattr(direct, "trigger_join", trigger)


def a_time_out_costs_one_attempt_only(patch: pytest.MonkeyPatch) -> None:
    """The retry policy takes a time-out for an error like any other, and the next attempt has no timer."""
    original = policies.timed_out

    def timed_out(decision: Decision, task: TaskExecution, *, by_alarm: bool = False) -> Any:
        end = original(decision, task, by_alarm=by_alarm)
        if end is None:
            return None
        decision.draft.edit_task(task).timeout_at = None
        return msgspec.structs.replace(end, final=False)

    patch.setattr(decide, "timed_out", timed_out)
    patch.setattr(starting, "timed_out", timed_out)


def a_delay_ends_although_the_workflow_is_over(patch: pytest.MonkeyPatch) -> None:
    """Timers look at the task only, so a delayed task of a cancelled workflow starts its action."""
    patch.setattr(Draft, "next_alarm", lambda draft: draft.timers.earliest())


def a_clause_that_publishes_globals_only_loses_the_rest(patch: pytest.MonkeyPatch) -> None:
    """The task's own variables are gone when a clause has only a global scope."""
    original = publishing.evaluate_publish

    def evaluate(decision: Decision, task: TaskExecution, state: str) -> publishing.Published:
        found = original(decision, task, state)
        sources = decision.task_program(task).publish.get(state, ())
        if any(source.global_ and not source.branch for source in sources):
            return publishing.Published({}, found.globals)
        return found

    patch.setattr(completion, "evaluate_publish", evaluate)


def a_published_variable_hides_the_item(patch: pytest.MonkeyPatch) -> None:
    """Every item sees the outer variable of the same name."""
    original = Decision.scope

    def scope(
        self: Decision, task: Any, surroundings: Any, context: Any, items: Mapping[str, Json] | None = None
    ) -> Scope:
        return original(self, task, surroundings, context, {**(items or {}), **context.flat()})

    patch.setattr(Decision, "scope", scope)


def a_join_loses_what_skipped_tasks_publish(patch: pytest.MonkeyPatch) -> None:
    """Tasks that were skipped are left out where branches meet."""
    original = branches.meet

    def meet(decision: Decision, sources: Any, *others: Any, **options: Any) -> Any:
        kept = [task for task in sources if task.state != states.SKIPPED]
        return original(decision, kept, *others, **options)

    patch.setattr(joins, "meet", meet)


def sub_workflows_ignore_default_parameters(patch: pytest.MonkeyPatch) -> None:
    """`env.__actions` counts in the root only."""
    original = Decision.environment

    def environment(self: Decision) -> Mapping[str, Json]:
        env = original(self)
        if self.draft.workflow.parent_id is None:
            return env
        return {name: value for name, value in env.items() if name != "__actions"}

    patch.setattr(Decision, "environment", environment)


def safe_rerun_is_true_by_being_there(patch: pytest.MonkeyPatch) -> None:
    """An expression in `safe-rerun` is not evaluated: any text is true."""
    original = TaskProgram.__init__

    def init(self: TaskProgram, spec: Any) -> None:
        if isinstance(spec.policies.safe_rerun, str):
            policies = msgspec.structs.replace(spec.policies, safe_rerun=True)
            spec = msgspec.structs.replace(spec, policies=policies)
        original(self, spec)

    patch.setattr(TaskProgram, "__init__", init)


def atomic_variables_are_ignored(patch: pytest.MonkeyPatch) -> None:
    """`publish: atomic` is accepted and does nothing."""
    original = program.CompiledPublish.__init__

    def init(self: Any, *given: Any) -> None:
        original(self, *given)
        self.atomic = ()

    patch.setattr(program.CompiledPublish, "__init__", init)


def a_rerun_repeats_everything_behind_the_first_failed_item(patch: pytest.MonkeyPatch) -> None:
    """`reset: false` repeats also the items that succeeded."""
    original = items.items_to_repeat

    def repeat(decision: Decision, task: TaskExecution) -> list[int]:
        failed = original(decision, task)
        return list(range(failed[0], task.items_next)) if failed else failed

    patch.setattr(control, "items_to_repeat", repeat)


def an_error_is_handled_because_there_is_a_clause(patch: pytest.MonkeyPatch) -> None:
    """A task with an on-error clause counts as handled although no entry of it fired."""
    original = completion.follow

    def follow(decision: Decision, task: TaskExecution, *, ignore_pause: bool = False) -> None:
        original(decision, task, ignore_pause=ignore_pause)
        if task.state == states.ERROR and "on-error" in decision.task_program(task).spec.clauses:
            decision.draft.edit_task(task).error_handled = True

    patch.setattr(completion, "follow", follow)


def what_was_to_start_dies_with_the_process(patch: pytest.MonkeyPatch) -> None:
    """Start messages live in memory only: nobody takes up what a dead process had committed."""
    patch.setattr(world, "recover", lambda *_: None)


def redelivery_runs_an_action_twice(patch: pytest.MonkeyPatch) -> None:
    """What a dead executor may have run is run again without leave."""
    original = processes.take_left_actions

    def left(*given: Any) -> list[Any]:
        return [msgspec.structs.replace(action, repeatable=True) for action in original(*given)]

    patch.setattr(recovery, "take_left_actions", left)


def a_lost_answer_counts_as_a_failed_commit(patch: pytest.MonkeyPatch) -> None:
    """What has been committed is decided again, and its effects are forgotten."""

    def find_out(self: commits.Committer, batch: list[Any], error: Exception) -> None:
        self._after_a_pause(batch, error, lambda: self._send(batch))

    patch.setattr(commits.Committer, "_find_out", find_out)


def the_owner_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """Whoever commits last is right: neither version nor owner are looked at."""
    original = executions._write_heads

    class Careless:
        """Writes that find heads by their ids alone."""

        def __init__(self, writes: Any) -> None:
            self.lock, self.insert = writes.lock, writes.insert
            self._writes = writes

        def update(self, table: Any, rows: list[Any], otherwise: Any = None) -> None:
            compared = ("b_version", "b_owner")
            rows = [{name: row[name] for name in row if name not in compared} for row in rows]
            self._writes.update(table, rows, otherwise)

    def write_heads(writes: Any, batch: list[Any]) -> None:
        careless: Any = Careless(writes)
        original(careless, batch)

    patch.setattr(executions, "_write_heads", write_heads)


def a_cancel_does_not_reach_sub_workflows(patch: pytest.MonkeyPatch) -> None:
    """Cancelling the parent leaves the children running."""
    patch.setattr(control, "command_children", lambda *_: None)


def a_cascade_ends_after_its_first_portion(patch: pytest.MonkeyPatch) -> None:
    """What one decision may not tell any more is forgotten."""

    def forget(decision: Decision) -> None:
        decision.draft.edit_workflow().cascades = None

    patch.setattr(decide, "tell_the_rest", forget)


def the_parent_is_not_told(patch: pytest.MonkeyPatch) -> None:
    """One end of a sub-workflow in three is lost on the way to its parent."""
    chance = random.Random(1)
    original = outputs._end

    def end(decision: Decision, *given: Any) -> None:
        known = len(decision.draft.effects)
        original(decision, *given)
        if chance.random() < 0.34:
            del decision.draft.effects[known:]

    patch.setattr(outputs, "_end", end)


def hints_are_all_there_is(patch: pytest.MonkeyPatch) -> None:
    """Without the slow sweep, a letter that nobody was told of is never read."""
    patch.setattr("maestrale.runtime.engine.look_for_replies", lambda *_: Future())
    patch.setattr("maestrale.runtime.reading.look_for_replies", lambda *_: Future())
    patch.setattr("maestrale.runtime.upkeep.Upkeep._found", lambda *_: None)


def an_early_answer(patch: pytest.MonkeyPatch) -> None:
    """A start is acknowledged before it is durable."""
    original = Loop.start

    def start(self: Loop, execution_id: str, started: Any, future: Future[Any], is_fresh: bool) -> None:
        from maestrale.runtime.requests import StartedExecution

        original(self, execution_id, started, Future(), is_fresh)
        future.set_result(StartedExecution(execution_id, created=True))

    patch.setattr(Loop, "start", start)


def a_record_forgets_that_an_action_was_cancelled(patch: pytest.MonkeyPatch) -> None:
    """What is told of a child that is let go is how it was before."""
    original = Draft.close_child

    def close_child(draft: Draft, child: Child) -> None:
        original(draft, child)
        draft._touch_child(child, child.state)

    patch.setattr(Draft, "close_child", close_child)


PLANTS: tuple[Plant, ...] = (
    a_late_branch_runs_a_partial_join_again,
    a_time_out_costs_one_attempt_only,
    a_delay_ends_although_the_workflow_is_over,
    a_clause_that_publishes_globals_only_loses_the_rest,
    a_published_variable_hides_the_item,
    a_join_loses_what_skipped_tasks_publish,
    sub_workflows_ignore_default_parameters,
    safe_rerun_is_true_by_being_there,
    atomic_variables_are_ignored,
    a_rerun_repeats_everything_behind_the_first_failed_item,
    an_error_is_handled_because_there_is_a_clause,
    what_was_to_start_dies_with_the_process,
    redelivery_runs_an_action_twice,
    a_lost_answer_counts_as_a_failed_commit,
    the_owner_is_not_compared,
    a_cancel_does_not_reach_sub_workflows,
    a_cascade_ends_after_its_first_portion,
    the_parent_is_not_told,
    hints_are_all_there_is,
    an_early_answer,
    a_record_forgets_that_an_action_was_cancelled,
)
