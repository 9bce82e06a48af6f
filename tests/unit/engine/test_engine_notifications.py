"""Notifications: which change of state tells what, and to whom."""

from __future__ import annotations

from typing import Any

import pytest
from harness import START, Run, World

from maestrale.engine.effects import Notify, Trace
from maestrale.model.values import Json, Secret, timestamp_text

LOG = {"type": "log"}


def start(text: str, notify: Json = None, *, auto: bool = True, **more: Any) -> Run:
    world = World(text)
    world.auto = auto
    params = more.pop("params", {}) | ({"notify": [LOG]} if notify is None else {"notify": notify})
    return world.start(params=params, **more)


def told(found: Run, execution_id: str | None = None) -> list[Notify]:
    """What was told of one execution (by default the root), in order."""
    return [
        effect
        for key, effect in found.world.effects
        if isinstance(effect, Notify) and key == (execution_id or found.id)
    ]


def events(found: Run, execution_id: str | None = None) -> list[str]:
    """Event and name of the task, or of the workflow."""
    return [f"{n.event} {n.data['name']}" for n in told(found, execution_id)]


def fresh(found: Run) -> None:
    """Forget what was told so far."""
    found.world.effects.clear()


def test_a_run_from_begin_to_end() -> None:
    found = start("w: {tasks: {a: {on-success: b}, b: {action: remote}}}")
    assert events(found) == ["WORKFLOW_LAUNCHED w", "TASK_LAUNCHED a", "TASK_SUCCEEDED a", "TASK_LAUNCHED b"]
    fresh(found)
    found.finish("b")
    assert events(found) == ["TASK_SUCCEEDED b", "WORKFLOW_SUCCEEDED w"]


def test_a_failure() -> None:
    found = start("w: {tasks: {a: {action: std.fail}}}")
    assert events(found)[-2:] == ["TASK_FAILED a", "WORKFLOW_FAILED w"]


def test_a_forced_failure() -> None:
    found = start("w: {tasks: {a: {action: no.such}}}")
    assert events(found)[-2:] == ["TASK_FAILED a", "WORKFLOW_FAILED w"]


def test_cancelling_a_workflow_leaves_its_tasks_alone() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    fresh(found)
    found.stop("CANCELLED", "enough")
    assert events(found) == ["WORKFLOW_CANCELLED w"]
    assert told(found)[0].data["state_info"] == "enough"


def test_a_cancelled_action_cancels_task_and_workflow() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    fresh(found)
    found.finish("a", None, "CANCELLED")
    assert events(found) == ["TASK_CANCELLED a", "WORKFLOW_CANCELLED w"]


def test_pause_and_resume_of_a_workflow() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    fresh(found)
    found.pause()
    found.resume()
    assert events(found) == ["WORKFLOW_PAUSED w", "WORKFLOW_RESUMED w"]


def test_pause_before() -> None:
    found = start("w: {tasks: {a: {action: std.noop, pause-before: true}}}")
    assert events(found) == ["WORKFLOW_LAUNCHED w", "TASK_LAUNCHED a", "WORKFLOW_PAUSED w"]
    fresh(found)
    found.resume()
    assert events(found) == [
        "WORKFLOW_RESUMED w", "TASK_RESUMED a", "TASK_SUCCEEDED a", "WORKFLOW_SUCCEEDED w",
    ]  # fmt: skip


def test_an_action_that_is_paused_from_outside_pauses_its_task() -> None:
    found = start("w: {tasks: {a: {action: remote.outside}}}")
    fresh(found)
    found.update("a", "PAUSED")
    found.update("a", "RUNNING")
    assert events(found) == ["TASK_PAUSED a", "WORKFLOW_PAUSED w", "TASK_RESUMED a", "WORKFLOW_RESUMED w"]


@pytest.mark.parametrize("delay", [0, 2])
def test_every_attempt_of_a_retry(delay: int) -> None:
    found = start(f"w: {{tasks: {{a: {{action: remote, retry: {{count: 2, delay: {delay}}}}}}}}}")
    fresh(found)
    for _ in range(2):
        found.fail("a")
        found.world.advance(delay)
    found.finish("a")
    assert events(found) == [
        "TASK_FAILED a", "TASK_LAUNCHED a", "TASK_FAILED a", "TASK_LAUNCHED a", "TASK_SUCCEEDED a",
        "WORKFLOW_SUCCEEDED w",
    ]  # fmt: skip


def test_waiting_before_and_after() -> None:
    found = start("w: {tasks: {a: {action: std.noop, wait-before: 1, wait-after: 1}}}")
    assert events(found)[1:] == ["TASK_LAUNCHED a"]
    fresh(found)
    found.world.advance(1)
    assert events(found) == ["TASK_LAUNCHED a", "TASK_SUCCEEDED a"]
    fresh(found)
    found.world.advance(1)
    assert events(found) == ["TASK_SUCCEEDED a", "WORKFLOW_SUCCEEDED w"]


def test_fail_on() -> None:
    found = start("w: {tasks: {a: {action: std.noop, fail-on: true}}}")
    assert events(found)[2:] == ["TASK_SUCCEEDED a", "TASK_FAILED a", "WORKFLOW_FAILED w"]


def test_a_timeout() -> None:
    found = start("w: {tasks: {a: {action: remote, timeout: 3}}}")
    fresh(found)
    found.world.advance(3)
    assert events(found) == ["TASK_FAILED a", "WORKFLOW_FAILED w"]


def test_rerun() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    found.fail("a")
    fresh(found)
    found.rerun("a")
    assert events(found) == ["WORKFLOW_RERUN w", "TASK_RERUN a"]


def test_rerun_while_another_task_still_runs() -> None:
    found = start("w: {tasks: {a: {action: remote}, b: {action: remote}}}")
    found.fail("a")
    fresh(found)
    found.rerun("a")
    assert events(found) == ["TASK_RERUN a"]


def test_rerun_that_is_held_before_its_start() -> None:
    found = start("w: {tasks: {a: {action: remote, pause-before: true}}}")
    found.resume()
    found.fail("a")
    fresh(found)
    found.rerun("a")
    assert events(found) == ["WORKFLOW_RERUN w", "TASK_RERUN a", "WORKFLOW_PAUSED w"]
    fresh(found)
    found.resume()
    assert events(found) == ["WORKFLOW_RESUMED w", "TASK_RESUMED a"]


def test_opening_a_cancelled_workflow_is_a_launch() -> None:
    found = start("w: {tasks: {a: {action: remote}, b: {action: remote}}}")
    found.fail("a")
    found.stop("CANCELLED")
    fresh(found)
    found.rerun("a")
    assert events(found) == ["WORKFLOW_LAUNCHED w", "TASK_RERUN a"]


def test_skip() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    found.fail("a")
    fresh(found)
    found.skip("a")
    assert events(found) == ["WORKFLOW_RERUN w", "TASK_SKIPPED a", "WORKFLOW_SUCCEEDED w"]


def test_a_join_has_waited() -> None:
    found = start("w: {tasks: {a: {on-success: j}, b: {on-success: j}, j: {join: all, action: remote}}}")
    assert events(found)[-1] == "TASK_RESUMED j"


def test_a_join_that_cannot_start_fails() -> None:
    found = start("w: {tasks: {a: {action: std.fail, on-success: j}, b: {on-success: j}, j: {join: all}}}")
    assert "TASK_FAILED j" in events(found)
    assert not {"TASK_RESUMED j", "TASK_LAUNCHED j"} & set(events(found))


NESTED = """
    w: {tasks: {s: {workflow: sub}}}
    sub: {tasks: {t: {action: remote}}}
"""


@pytest.mark.covers("eng.subworkflow.notify")
def test_sub_workflows_inherit() -> None:
    found = start(NESTED)
    child = found.child("s")
    assert events(found, child.id) == ["WORKFLOW_LAUNCHED sub", "TASK_LAUNCHED t"]
    data = told(found, child.id)[0].data
    assert (data["task_execution_id"], data["root_execution_id"]) == (found.task("s").id, found.id)
    child.finish("t")
    assert events(found, child.id)[2:] == ["TASK_SUCCEEDED t", "WORKFLOW_SUCCEEDED sub"]
    assert events(found)[2:] == ["TASK_SUCCEEDED s", "WORKFLOW_SUCCEEDED w"]


def test_pausing_a_sub_workflow_pauses_the_task_above() -> None:
    found = start(NESTED)
    child = found.child("s")
    fresh(found)
    child.pause()
    assert events(found) == ["TASK_PAUSED s", "WORKFLOW_PAUSED w"]
    fresh(found)
    child.resume()
    assert events(found, child.id) == ["WORKFLOW_RESUMED sub"]
    assert events(found) == ["TASK_RESUMED s", "WORKFLOW_RESUMED w"]


def test_a_rerun_below_runs_everything_above_again() -> None:
    found = start(NESTED)
    child = found.child("s")
    child.fail("t")
    fresh(found)
    child.rerun("t")
    assert events(found, child.id) == ["WORKFLOW_RERUN sub", "TASK_RERUN t"]
    assert events(found) == ["WORKFLOW_RERUN w", "TASK_RERUN s"]


def test_a_sub_workflow_that_cannot_start_has_only_failed() -> None:
    found = start("""
        w: {tasks: {s: {workflow: sub}}}
        sub: {vars: {v: <% $.no.such %>}, tasks: {t: {action: remote}}}
    """)
    assert events(found, found.child("s").id) == ["WORKFLOW_FAILED sub"]


# -- the log


def test_every_change_of_state_is_traced_for_the_log_if_wanted() -> None:
    world = World("w: {tasks: {a: {action: remote, wait-before: 1}}}", traces=True)
    found = world.start()
    world.advance(1)
    found.finish("a")
    task = ("a", found.task("a").id)
    action = ("remote", found.actions("a")[0].id)
    delayed = "Delayed by 'wait-before' policy [delay=1]"
    assert [effect for _, effect in world.effects if isinstance(effect, Trace)] == [
        Trace("w", found.id, None, None, "RUNNING", None),
        Trace("w", found.id, task, "IDLE", "RUNNING", None),
        Trace("w", found.id, task, "RUNNING", "DELAYED", delayed),
        Trace("w", found.id, task, "DELAYED", "RUNNING", None),
        Trace("w", found.id, task, None, "RUNNING", None, action),
        Trace("w", found.id, task, "RUNNING", "SUCCESS", None, action),
        Trace("w", found.id, task, "RUNNING", "SUCCESS", None),
        Trace("w", found.id, None, "RUNNING", "SUCCESS", None),
    ]


def action_traces(world: World) -> list[tuple[str, str | None, str, str | None]]:
    """Name, states and reason of what was traced of actions, in order."""
    traces = [effect for _, effect in world.effects if isinstance(effect, Trace)]
    return [(t.action[0], t.before, t.state, t.info) for t in traces if t.action is not None]


def test_actions_are_traced_through_all_their_states() -> None:
    text = "w: {tasks: {a: {action: remote.outside, timeout: 5}, b: {action: std.fail}, c: {action: remote}}}"
    world = World(text, traces=True)
    found = world.start()
    found.update("a", "PAUSED")
    found.update("a", "PAUSED")
    found.update("a", "RUNNING")
    world.advance(5)
    found.fail("c")
    assert action_traces(world) == [
        ("remote.outside", None, "RUNNING", None),
        ("std.fail", None, "ERROR", None),
        ("remote", None, "RUNNING", None),
        ("remote.outside", "RUNNING", "PAUSED", None),
        ("remote.outside", "PAUSED", "RUNNING", None),
        ("remote.outside", "RUNNING", "CANCELLED", found.actions("a")[0].state_info),
        ("remote", "RUNNING", "ERROR", None),
    ]


def test_sub_workflows_are_no_actions_and_nothing_is_traced_unasked() -> None:
    text = "w: {tasks: {s: {workflow: sub}}}\nsub: {tasks: {t: {action: remote}}}"
    for traces in (True, False):
        world = World(text, traces=traces)
        world.start().child("s").finish("t")
        expected = [("remote", None, "RUNNING", None), ("remote", "RUNNING", "SUCCESS", None)]
        assert action_traces(world) == (expected if traces else [])


# -- to whom, and what


def test_only_those_who_want_an_event_are_told() -> None:
    everything, some = {"type": "log", "event_types": []}, {"type": "noop", "event_types": ["TASK_FAILED"]}
    found = start("w: {tasks: {a: {action: std.fail}}}", [everything, some])
    publishers = [(n.event, n.publisher) for n in told(found)]
    assert [who for event, who in publishers if event == "TASK_FAILED"] == [everything, some]
    assert [who for event, who in publishers if event == "WORKFLOW_FAILED"] == [everything]
    found = start("w: {tasks: {a: {action: std.fail}}}", [some])
    assert events(found) == ["TASK_FAILED a"]


def test_notifications_are_numbered_and_each_has_an_id() -> None:
    found = start("w: {tasks: {a: {action: remote}}}", [LOG, {"type": "noop"}])
    found.finish("a")
    numbers = [n.data["sequence"] for n in told(found)]
    assert numbers == sorted(numbers)
    assert len({*numbers}) == 4
    assert len({n.id for n in told(found)}) == 8


@pytest.mark.parametrize("notify", [[], "log", 5, ["log"], [{"type": "log", "event_types": "TASK_FAILED"}]])
def test_what_is_no_publisher_is_told_nothing(notify: Json) -> None:
    found = start("w: {tasks: {a: {action: std.noop}}}", notify)
    assert (found.state, events(found)) == ("SUCCESS", [])


def test_nobody_is_told_who_did_not_ask() -> None:
    world = World("w: {tasks: {a: {action: std.fail}}}")
    world.start()
    assert world.effects == []


def test_the_fields_of_a_workflow() -> None:
    found = start("w: {tasks: {a: {action: remote}}}", project_id="p", namespace="n", workflow_id="def")
    found.world.advance(5)
    found.fail("a")
    assert told(found)[-1].data == {
        "id": found.id,
        "name": "w",
        "workflow_name": "w",
        "workflow_namespace": "n",
        "workflow_id": "def",
        "state": "ERROR",
        "state_info": found.info,
        "project_id": "p",
        "task_execution_id": None,
        "root_execution_id": None,
        "created_at": timestamp_text(START),
        "updated_at": timestamp_text(START + 5_000_000),
        "sequence": told(found)[-1].data["sequence"],
    }


def test_the_fields_of_a_task() -> None:
    found = start("w: {tasks: {a: {action: remote}}}", project_id="p", namespace="n", workflow_id="def")
    launched = told(found)[1].data
    assert (launched["started_at"], launched["finished_at"]) == (timestamp_text(START), None)
    found.world.advance(5)
    found.fail("a")
    assert told(found)[-2].data == {
        "id": found.task("a").id,
        "name": "a",
        "workflow_execution_id": found.id,
        "workflow_name": "w",
        "workflow_namespace": "n",
        "workflow_id": "def",
        "state": "ERROR",
        "state_info": "boom",
        "type": "ACTION",
        "project_id": "p",
        "created_at": timestamp_text(START),
        "updated_at": timestamp_text(START + 5_000_000),
        "started_at": timestamp_text(START),
        "finished_at": timestamp_text(START + 5_000_000),
        "sequence": told(found)[-2].data["sequence"],
    }


def test_secrets_are_not_told() -> None:
    found = start("w: {tasks: {a: {action: remote}}}")
    found.fail("a", Secret("hush"))
    assert "hush" not in str([n.data for n in told(found)])
    assert told(found)[-2].data["state_info"] == "***"
