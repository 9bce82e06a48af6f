"""What a workflow does, said as simply as possible: nothing is kept that can be found out by looking.

Time is a whole number of seconds from the start. At one instant the caller's order decides what happens
first; whatever follows from one thing has happened before the next. What is first wanted first starts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from reference_graphs import COMMANDS, Clause, End, Expression, Workflows
from reference_state import Context, Ending, Execution, Key, Run, alarms_of, laid_over

FOLLOWED_BY: dict[str, tuple[Clause, ...]] = {
    "SUCCESS": ("on-success", "on-complete"),
    "ERROR": ("on-error", "on-complete"),
    "SKIPPED": ("on-skip",),
}
SOME_TEXT = "?"
"""In the place of every error text."""


class Model:
    """All executions that come of starting `main`."""

    def __init__(
        self, workflows: Workflows, script: Callable[[Key], End], order: Callable[[Key], Any], alarms: int
    ) -> None:
        self.workflows = workflows
        self.script = script
        self.order = order
        self.alarms = alarms
        """At one instant: 0 if delays end before actions do, 2 if after them."""
        self.now = 0
        self.executions: list[Execution] = []
        self.ends: deque[Ending] = deque()
        self.late: list[tuple[Run, int, Any]] = []
        """What sub-workflows of tasks that have timed out report afterwards."""
        self.is_undefined = False
        """Whether something has happened of which nobody says how it goes on: several joins failed
        by one and the same end; a join asked for a task of which the latest execution has ended without
        choosing it while an earlier one still runs; or a second execution of a branch came late."""
        self.root = self.begin("main", (), None)

    def run(self) -> None:
        """Go on until the root has ended."""
        self.settle()
        while self.root.state == "RUNNING":
            self.now, _, _, happen = min(self.agenda(), key=lambda entry: entry[:3])
            happen()
            self.settle()

    def agenda(self) -> Iterator[tuple[int, int, Any, Callable[[], None]]]:
        for execution in self.executions:
            if execution.state != "RUNNING":
                continue
            times = [at for run in execution.runs for at in alarms_of(run)]
            if times:
                yield min(times), self.alarms, self.order(execution.path), partial(self.wake, execution)
            for run in execution.runs:
                for item, at in run.open.items():
                    if isinstance(at, int):
                        key = (*run.key, run.attempt, item)
                        end = self.script(key)
                        happen = partial(self.child_ended, run, item, end.state, end.result)
                        yield at, 1, self.order(key), happen

    def settle(self) -> None:
        """Whatever follows without any time passing."""
        while True:
            running = [execution for execution in self.executions if execution.state == "RUNNING"]
            if self.ends:
                self.complete(self.ends.popleft())
            elif idle := [e for e in running if all(run.is_completed for run in e.runs)]:
                self.end_by_tasks(idle[0])
            elif queues := [e.ready for e in running if e.ready]:
                self.start(queues[0].popleft())
            else:
                return

    # -- workflows

    def begin(self, name: str, path: Key, parent: tuple[Run, int] | None) -> Execution:
        execution = Execution(path, self.workflows[name], parent)
        self.executions.append(execution)
        for task in execution.tasks:
            if not execution.inbound(task.name):
                execution.ready.append(self.create(execution, task.name, Context({}, {})))
        return execution

    def end_by_tasks(self, execution: Execution) -> None:
        if any(run.state == "CANCELLED" for run in execution.runs):
            self.end(execution, "CANCELLED")
        elif any(run.state == "ERROR" and not run.handled for run in execution.runs):
            self.end(execution, "ERROR")
        else:
            self.end(execution, "SUCCESS")

    def end(self, execution: Execution, state: str) -> None:
        context = execution.merged([run for run in execution.runs if run.is_completed and not run.next])
        failure = {} if state == "SUCCESS" else {"result": SOME_TEXT}
        execution.state = state
        execution.ended_at = self.now
        execution.output = failure if state == "CANCELLED" else {**failure, **context.values}
        execution.ready.clear()
        if execution.parent is not None:
            self.child_ended(*execution.parent, state, execution.output)

    # -- tasks

    def create(self, execution: Execution, name: str, context: Context) -> Run:
        task = next(task for task in execution.tasks if task.name == name)
        run = Run(execution, task, len(execution.runs_of(name)), context, created_at=self.now)
        execution.runs.append(run)
        return run

    def start(self, run: Run) -> None:
        run.state = "RUNNING"
        if not run.begun:
            run.begun = True
            if run.task.timeout:
                run.timeout_at = self.now + run.task.timeout
            if run.task.wait_before:
                self.delay(run, run.task.wait_before, "wait-before")
                return
        wanted = range(1 if run.task.items is None else run.task.items)
        run.pending = deque(item for item in wanted if item not in run.results)
        self.start_children(run)

    def start_children(self, run: Run) -> None:
        limit = run.task.concurrency or len(run.pending) + len(run.open)
        while run.pending and len(run.open) < limit:
            item = run.pending.popleft()
            key = (*run.key, run.attempt, item)
            run.children += 1
            if run.task.body == "sub":
                run.open[item] = self.begin("sub", key, (run, item))
            elif run.task.body == "remote":
                run.open[item] = self.now + self.script(key).seconds
            else:
                run.results[item] = ("SUCCESS", None) if run.task.body == "noop" else ("ERROR", SOME_TEXT)
        if not run.open and not run.pending:
            failed = any(state != "SUCCESS" for state, _ in run.results.values())
            self.ends.append(Ending(run, "ERROR" if failed else "SUCCESS"))

    def child_ended(self, run: Run, item: int, state: str, result: Any) -> None:
        if item not in run.open:
            return
        del run.open[item]
        run.results[item] = (state, result)
        if run.is_completed or run.state == "DELAYED" or run.execution.state != "RUNNING":
            return
        if state == "CANCELLED":
            self.ends.append(Ending(run, "CANCELLED"))
        else:
            self.start_children(run)

    def abandon_children(self, run: Run) -> None:
        """Those of a task that has timed out; a sub-workflow reports that it was cancelled."""
        for item, child in run.open.items():
            if isinstance(child, Execution):
                child.state, child.ended_at, child.output = "CANCELLED", self.now, {"result": SOME_TEXT}
                self.late.append((run, item, child.output))
        run.open.clear()
        run.pending.clear()

    def complete(self, ending: Ending) -> None:
        if not ending.run.is_completed and ending.run.execution.state == "RUNNING":
            self.really_complete(*ending)
        for run, item, output in self.late:
            run.results[item] = ("CANCELLED", output)
        self.late.clear()

    def really_complete(self, run: Run, state: str, timed_out: bool, has_waited: bool) -> None:
        run.state, run.ended_at, run.due = state, self.now, None
        if run.task.join:
            run.context = run.execution.merged(self.arrivals(run))
        if timed_out:
            run.timeout_at = None
        if timed_out:
            self.abandon_children(run)
        run.pending.clear()
        if not has_waited:
            self.publish(run)
            if state != "SKIPPED" and run.task.wait_after and run.waited is None:
                run.waited = Ending(run, state, timed_out, has_waited=True)
                self.delay(run, run.task.wait_after, "wait-after")
                return
        if state == "SUCCESS" and run.task.fail_on and self.value(run.task.fail_on, run, run.context):
            run.state = "ERROR"
        if state != "SKIPPED" and run.begun and not timed_out and self.wants_retry(run):
            self.retry(run)
            return
        run.timeout_at = None
        self.follow(run)

    def publish(self, run: Run) -> None:
        variables = run.task.publish.get(run.state, {})
        of_all = run.task.publish_global.get(run.state, {})
        branch = {name: self.value(value, run, run.context) for name, value in variables.items()}
        run.published_global = {name: self.value(value, run, run.context) for name, value in of_all.items()}
        run.published = branch
        run.execution.globals = laid_over(run.execution.globals, run.published_global)

    def follow(self, run: Run) -> None:
        chosen: list[tuple[str, str]] = []
        for clause in FOLLOWED_BY.get(run.state, ()):
            chosen += self.fired(run, clause)
        if run.state == "SKIPPED" and not chosen:
            chosen = self.fired(run, "on-success")
        run.handled = run.state == "ERROR" and any(clause == "on-error" for clause, _ in chosen)
        targets = [target for _, target in chosen if target != "noop"]
        command = next((target for target in targets if target in COMMANDS), None)
        run.next = targets if command is None else targets[: targets.index(command)]
        joins = [t.name for t in run.execution.tasks if t.join]
        for name in run.next:
            if name not in joins:
                run.execution.ready.append(self.create(run.execution, name, run.outbound))
        for name in run.next:
            if name in joins:
                self.trigger(run.execution, name)
        if command is not None:
            self.end(run.execution, "ERROR" if command == "fail" else "SUCCESS")
            return
        for join in run.execution.runs:
            self.examine(join)
        failing = [ending for ending in self.ends if ending.run.state == "WAITING"]
        self.is_undefined |= len(failing) > 1

    def fired(self, run: Run, clause: Clause) -> list[tuple[str, str]]:
        return [
            (clause, entry.target)
            for entry in run.task.clauses.get(clause, ())
            if entry.guard is None or self.value(entry.guard, run, run.outbound)
        ]

    # -- joins

    def trigger(self, execution: Execution, name: str) -> None:
        known = execution.runs_of(name)
        if not known:
            self.create(execution, name, Context({}, {})).state = "WAITING"
        elif known[0].state == "ERROR" and not known[0].begun and not self.is_hopeless(known[0]):
            known[0].state = "WAITING"
        self.examine(execution.runs_of(name)[0], may_fail=False)  # another join may be triggered next

    def examine(self, join: Run, may_fail: bool = True) -> None:
        """Start or fail a waiting join if what its inbound tasks have done (or cannot do) says so."""
        if join.state != "WAITING":
            return
        if len({run.task.name for run in self.arrivals(join)}) >= self.needed(join):
            join.state = "IDLE"
            join.context = join.execution.merged(self.arrivals(join))
            join.execution.ready.append(join)
        elif may_fail and self.is_hopeless(join) and Ending(join, "ERROR") not in self.ends:
            join.context = join.execution.merged(self.arrivals(join))
            self.ends.append(Ending(join, "ERROR"))

    def arrivals(self, join: Run) -> list[Run]:
        """Every execution that has chosen the join; several of one task count once."""
        return [run for run in join.execution.runs if run.is_completed and join.task.name in run.next]

    def needed(self, join: Run) -> int:
        if join.task.join == "all":
            return len(join.execution.inbound(join.task.name))
        return 1 if join.task.join == "one" else int(join.task.join or 0)

    def is_hopeless(self, join: Run) -> bool:
        inbound = join.execution.inbound(join.task.name)
        lost = [name for name in inbound if not self.may_trigger(join.execution, name, join.task.name)]
        return len(lost) > len(inbound) - self.needed(join)

    def may_trigger(self, execution: Execution, source: str, target: str) -> bool:
        """Whether the one has chosen the other, or still can."""
        has_chosen = any(run.is_completed and target in run.next for run in execution.runs_of(source))
        return has_chosen or self.may_run(execution, source, (target,))

    def may_run(self, execution: Execution, name: str, seen: tuple[str, ...]) -> bool:
        """Whether a task runs, or may run once more because something before it does."""
        if name in seen:
            return False
        runs = execution.runs_of(name)
        if any(not run.is_completed for run in runs):
            return True
        if runs and runs[0].task.join:
            return False  # it runs once
        return any(self.may_run(execution, before, (*seen, name)) for before in execution.inbound(name))

    # -- policies

    def delay(self, run: Run, seconds: int, policy: str) -> None:
        run.state, run.due = "DELAYED", (self.now + seconds, policy)

    def wake(self, execution: Execution) -> None:
        """Everything that is due in a workflow, what was created first before the rest."""
        for run in execution.runs:
            if run.timeout_at == self.now:
                self.ends.append(Ending(run, "ERROR", timed_out=True))
            elif run.due == (self.now, "wait-after"):
                assert run.waited is not None
                self.ends.append(run.waited)
            elif run.due is not None and run.due[0] == self.now:
                run.due = None
                execution.ready.append(run)

    def wants_retry(self, run: Run) -> bool:
        policy = run.task.retry
        if policy is None or run.state == "CANCELLED" or run.retries >= policy.count:
            return False
        if run.state == "ERROR" and policy.break_on and self.value(policy.break_on, run, run.outbound):
            return False
        if policy.continue_on:
            return bool(self.value(policy.continue_on, run, run.outbound))
        return run.state == "ERROR"

    def retry(self, run: Run) -> None:
        assert run.task.retry is not None
        run.retries += 1
        run.attempt += 1
        run.results.clear()
        if run.task.retry.delay:
            self.delay(run, run.task.retry.delay, "retry")
        else:
            run.state = "RUNNING"
            run.execution.ready.append(run)

    # -- what people ask for when the root has failed

    def rerun(self, run: Run, reset: bool) -> None:
        """Run a failed task again: all of it, or only the items that have not succeeded."""
        self.reopen(run)
        run.results = {i: end for i, end in run.results.items() if end[0] == "SUCCESS" and not reset}
        run.state, run.begun, run.waited, run.retries = "IDLE", False, None, 0
        run.attempt += 1
        run.execution.ready.append(run)
        self.run()

    def skip(self, run: Run) -> None:
        """Take a failed task as done with."""
        self.reopen(run)
        run.state = "RUNNING"
        self.ends.append(Ending(run, "SKIPPED"))
        self.run()

    def reopen(self, run: Run) -> None:
        run.next, run.ended_at, run.handled = [], None, False
        run.execution.state, run.execution.ended_at = "RUNNING", None

    def value(self, expression: Expression, run: Run, context: Context) -> Any:
        argument, limit = expression.argument, expression.limit
        variables = {**run.execution.globals, **context.values}
        match expression.kind:
            case "constant":
                return argument
            case "result":
                return run.result
            case "variable":
                return variables.get(argument)
            case "one more":
                return variables.get(argument, 0) + 1
            case "result is":
                return run.result == argument
            case "below":
                return variables.get(argument, 0) < limit
            case "variable is":
                return variables.get(argument) == limit
