"""Policies of a task: waiting, pausing, timing out, failing on purpose, retrying."""

from __future__ import annotations

from typing import Final

from maestrale.engine.branches import outbound
from maestrale.engine.decision import Completion, Decision, ForcedFailure
from maestrale.engine.execution import TaskExecution
from maestrale.engine.lookups import Lookups
from maestrale.engine.tasks import SECOND, abandon_children, delay, make_ready, set_state, update_timer
from maestrale.lang.spec import Path
from maestrale.model import states
from maestrale.model.values import Json

MOST: Final = 1_000_000_000
"""The largest number of a policy: 31 years, if it stands for seconds."""

_CLASS_NAMES = {
    "wait-before": "WaitBeforePolicy",
    "wait-after": "WaitAfterPolicy",
    "timeout": "TimeoutPolicy",
    "concurrency": "ConcurrencyPolicy",
    "retry.count": "RetryPolicy",
    "retry.delay": "RetryPolicy",
}


def evaluate_policy(decision: Decision, task: TaskExecution, name: str, *, afterwards: bool = False) -> Json:
    """The value of a policy now, None if the task has no such policy.

    `afterwards`: the expression sees what the task has just published (break-on, continue-on).
    """
    program = decision.task_program(task)
    template = program.policies.get(name)
    if template is None:
        return None
    context = outbound(decision, task) if afterwards else decision.draft.context_of(task)
    scope = decision.scope(task, Lookups(decision, task), context)
    path: Path = (*program.path, *name.split("."))
    return decision.evaluate(template, scope, path)


def number(decision: Decision, task: TaskExecution, name: str) -> int:
    """A whole number from 0 to `MOST`, 0 if there is no such policy. Raises `ForcedFailure` for others."""
    value = evaluate_policy(decision, task, name)
    if value is None and name not in decision.task_program(task).policies:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        path = (*decision.task_program(task).path, *name.split("."))
        raise ForcedFailure(
            f"Invalid data type in {_CLASS_NAMES[name]}: {name} must be an integer >= 0, got {value!r}"
            f" {decision.where(path)}"
        )
    if value > MOST:
        path = (*decision.task_program(task).path, *name.split("."))
        raise ForcedFailure(f"Too large a value: {name} must be at most {MOST} {decision.where(path)}")
    return value


def before_start(decision: Decision, task: TaskExecution) -> bool:
    """Apply the policies that may hold a task back; True if its children may start now.

    Every number is evaluated here, so that a wrong type shows before anything has run.
    """
    policies = decision.task_program(task).policies
    if not policies:
        return True
    wait_before = number(decision, task, "wait-before")
    for name in ("wait-after", "retry.count", "retry.delay", "concurrency"):
        number(decision, task, name)
    timeout = number(decision, task, "timeout")
    if "pause-before" in policies and not task.runtime.get("paused_before"):
        pause = evaluate_policy(decision, task, "pause-before")
        if not isinstance(pause, bool):
            path = (*decision.task_program(task).path, "pause-before")
            raise ForcedFailure(
                f"Invalid data type in PauseBeforePolicy: pause-before must be a boolean, got {pause!r}"
                f" {decision.where(path)}"
            )
        if pause:
            held = set_state(
                decision, task, states.IDLE, "Set by 'pause-before' policy", {"kind": "pause-before"}
            )
            held.runtime = {**held.runtime, "paused_before": True}
            return False
    if timeout and task.timeout_at is None:
        task = decision.draft.edit_task(task)
        task.timeout_at = decision.now + timeout * SECOND
        task.runtime = {**task.runtime, "timeout": timeout}
        update_timer(decision, task)
    if wait_before and not task.runtime.get("paused_before"):
        info = f"Delayed by 'wait-before' policy [delay={wait_before}]"
        delay(decision, task, wait_before, info, "before")
        return False
    return True


def timed_out(decision: Decision, task: TaskExecution, *, by_alarm: bool = False) -> Completion | None:
    """How a task ends whose time is over; None before that. At the very moment itself the alarm decides.

    When the workflow has ended, no time is measured any more.
    """
    if decision.draft.workflow.state in states.COMPLETED:
        return None
    if task.timeout_at is None or task.timeout_at > decision.now - (not by_alarm):
        return None
    info = f"Task timed out [timeout(s)={task.runtime.get('timeout')}]."
    return Completion(task.id, states.ERROR, info, final=True)


def wait_after(decision: Decision, task: TaskExecution, state: str, info: str | None, final: bool) -> bool:
    """Hold a finished task back; True if it has to wait."""
    if "wait-after" not in decision.task_program(task).policies:
        return False
    seconds = number(decision, task, "wait-after")
    if not seconds or task.runtime.get("waited_after"):
        return False
    task = decision.draft.edit_task(task)
    task.runtime = {**task.runtime, "waited_after": {"state": state, "info": info, "final": final}}
    delay(decision, task, seconds, f"Delayed by 'wait-after' policy [delay={seconds}]", "after")
    return True


def fail_on(decision: Decision, task: TaskExecution) -> bool:
    """Whether a successful task counts as failed."""
    return bool(evaluate_policy(decision, task, "fail-on"))


def retry(decision: Decision, task: TaskExecution, state: str) -> bool:
    """Begin another attempt if the policy wants one; True if it does."""
    policies = decision.task_program(task).policies
    if "retry.count" not in policies or state == states.CANCELLED:
        return False
    count = number(decision, task, "retry.count")
    seconds = number(decision, task, "retry.delay")
    done = _attempts(task)
    if done >= count or not _wants_retry(decision, task, state):
        return False
    task = abandon_children(decision, task)
    task.runtime = {**task.runtime, "retry_task_policy": {"retry_no": done + 1}}
    if seconds:
        delay(decision, task, seconds, f"Delayed by 'retry' policy [delay={seconds}]", "retry")
    else:
        set_state(decision, task, states.RUNNING, None, {"kind": "continue"})
        make_ready(decision, task)
    return True


def _attempts(task: TaskExecution) -> int:
    done: int = task.runtime.get("retry_task_policy", {}).get("retry_no", 0)
    return done


def _wants_retry(decision: Decision, task: TaskExecution, state: str) -> bool:
    policies = decision.task_program(task).policies
    if (
        state == states.ERROR
        and "retry.break-on" in policies
        and evaluate_policy(decision, task, "retry.break-on", afterwards=True)
    ):
        return False
    if "retry.continue-on" in policies:
        return bool(evaluate_policy(decision, task, "retry.continue-on", afterwards=True))
    return state == states.ERROR
