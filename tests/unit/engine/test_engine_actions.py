"""Action executions: input, defaults, targets, what the engine runs itself, what others complete."""

from __future__ import annotations

import pytest
from harness import Run, run

from maestrale.engine.effects import CancelAction, RunAction
from maestrale.engine.events import ActionFinished, ActionUpdated
from maestrale.model.errors import InvalidState


def one(action: str, more: str = "description: x") -> Run:
    return run(f"""
        w:
          input: [{{n: 5}}, {{args: {{n: 7}}}}]
          output: {{r: <% $.get(r) %>}}
          tasks:
            t:
              {action}
              publish: {{r: <% task().result %>}}
              publish-on-error: {{r: <% task().result %>}}
              {more}
              on-error: noop
    """)


def effects(found: Run) -> list[object]:
    return [effect for _, effect in found.world.effects]


@pytest.mark.covers("dsl.task.action.inline_params", "dsl.task.input.dict")
def test_parameters_beside_the_name_and_below_input_are_merged() -> None:
    found = one("action: remote a=1 b=<% $.n %>", "input: {b: 2, c: 3}")
    assert found.actions("t")[0].input == {"a": 1, "b": 5, "c": 3}


@pytest.mark.covers("dsl.task.input.string")
def test_input_may_be_one_expression() -> None:
    found = one("action: remote", "input: <% $.args %>")
    assert found.actions("t")[0].input == {"n": 7}


@pytest.mark.covers("dsl.task.action.dynamic_name")
def test_the_name_may_be_an_expression() -> None:
    found = one("action: <% 'std.' + 'echo' %>", "input: {output: 4}")
    assert found.output == {"r": 4}


def test_quick_actions_run_inside_the_decision() -> None:
    found = one("action: std.echo output=1")
    action = found.actions("t")[0]
    assert (found.state, action.state, action.accepted, action.output) == ("SUCCESS", "SUCCESS", True, 1)
    assert effects(found) == []


def test_a_quick_action_whose_input_makes_it_slow_goes_to_an_executor() -> None:
    found = one("action: std.echo output=1 delay=2")
    assert effects(found) == [RunAction(found.open_actions("t")[0].id)]
    assert found.execution.local_actions == 1
    assert found.task("t").cause == {"kind": "action", "id": found.open_actions("t")[0].id}
    found.finish("t", 1)
    assert found.execution.local_actions == 0


@pytest.mark.parametrize(
    ("error_data", "result"),
    [('error_data="boom"', "boom"), ("error_data=<% {code => 1} %>", {"code": 1})],
)
def test_an_action_that_fails_with_a_result(error_data: str, result: object) -> None:
    found = one(f"action: std.fail {error_data}")
    assert found.task("t").state == "ERROR"
    assert found.task("t").state_info == str(result)
    assert found.output == {"r": result}


def test_an_action_that_raises_fails_with_a_text() -> None:
    found = one("action: std.fail")
    action = found.actions("t")[0]
    assert found.result("t") == (
        f"The action raised an exception [action=Fail action, action_ex_id={action.id},"
        " msg='Fail action expected exception.']"
    )


def test_defaults_of_an_action_are_its_own_business() -> None:
    found = one("action: std.test_dict", "input: {size: -1, key_prefix: 5, val: []}")
    assert (found.state, found.output) == ("SUCCESS", {"r": {}})
    found = one("action: std.test_dict", "input: {size: 2, val: v}")
    assert found.output == {"r": {"0": "v", "1": "v"}}


def test_the_environment_fills_in_parameters_that_are_not_given() -> None:
    found = run(
        """
        w:
          tasks:
            t: {action: remote.strict must=1}
            u: {action: remote.strict may=2}
            v: {action: remote}
        """,
        params={"env": {"__actions": {"remote.strict": {"must": 7, "may": 8}, "remote": 5}}},
    )
    assert found.actions("t")[0].input == {"must": 1, "may": 8}
    assert found.actions("u")[0].input == {"must": 7, "may": 2}
    assert found.actions("v")[0].input == {}


def test_the_target_is_evaluated_with_the_input_of_the_action() -> None:
    found = one('action: remote host="h<% $.n %>"', "target: <% $.host %>-<% $.n %>")
    assert found.actions("t")[0].target == "h5-5"
    assert one("action: remote").actions("t")[0].target is None
    assert one("action: remote", "target: <% null %>").actions("t")[0].target is None


@pytest.mark.parametrize(
    ("action", "more", "repeatable"),
    [
        ("remote", "description: x", False),
        ("remote", "safe-rerun: true", True),
        ("remote", "safe-rerun: <% $.n = 5 %>", True),
        ("remote.repeatable", "description: x", True),
        ("remote.repeatable", "safe-rerun: false", False),
    ],
)
@pytest.mark.covers("dsl.policy.safe_rerun")
def test_what_may_run_again_after_its_executor_was_lost(action: str, more: str, repeatable: bool) -> None:
    assert one(f"action: {action}", more).actions("t")[0].repeatable is repeatable


# -- completed by others


def test_an_action_without_anything_to_run_only_waits() -> None:
    found = one("action: std.async_noop")
    assert effects(found) == []
    assert found.execution.local_actions == 0
    found.finish("t", {"v": 1}, by_user=True)
    assert (found.state, found.output) == ("SUCCESS", {"r": {"v": 1}})
    assert effects(found) == []


@pytest.mark.covers("eng.async.complete")
def test_an_action_that_is_sent_off_and_completed_later() -> None:
    found = one("action: remote.outside")
    action = found.open_actions("t")[0]
    assert effects(found) == [RunAction(action.id)]
    assert (action.waits_outside, found.execution.local_actions) == (True, 0)
    found.finish("t", 1, by_user=True)
    assert found.output == {"r": 1}


def test_an_error_reported_from_outside() -> None:
    found = one("action: std.async_noop")
    found.finish("t", {"why": "broken"}, "ERROR", by_user=True)
    assert (found.state, found.output) == ("SUCCESS", {"r": {"why": "broken"}})
    assert found.task("t").state == "ERROR"


def test_a_cancel_reported_from_outside() -> None:
    found = one("action: std.async_noop")
    found.finish("t", {"ignored": 1}, "CANCELLED", by_user=True)
    assert (found.state, found.states) == ("CANCELLED", {"t": "CANCELLED"})
    assert found.output == {"result": "Cancelled tasks: t"}


def test_a_second_completion_is_refused_to_users_and_ignored_from_executors() -> None:
    found = one("action: std.async_noop")
    action_id = found.finish("t", 1, by_user=True)
    with pytest.raises(InvalidState, match=f"Action {action_id} is already completed"):
        found.send(ActionFinished(action_id, "ERROR", 2, by_user=True))
    found.send(ActionFinished(action_id, "ERROR", 2))
    assert (found.state, found.output) == ("SUCCESS", {"r": 1})


def test_a_user_may_overrule_an_executor() -> None:
    found = one("action: remote")
    action_id = found.finish("t", "mine", by_user=True)
    assert effects(found)[-1] == CancelAction(action_id)
    found.send(ActionFinished(action_id, "ERROR", "too late"))
    assert found.output == {"r": "mine"}


@pytest.mark.covers("eng.async.pause_action")
def test_a_paused_action_pauses_task_and_workflow_until_it_goes_on() -> None:
    found = one("action: std.async_noop")
    found.update("t", "PAUSED")
    assert (found.state, found.task("t").state) == ("PAUSED", "PAUSED")
    assert found.open_actions("t")[0].state == "PAUSED"
    found.update("t", "RUNNING")
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")
    found.finish("t", 1, by_user=True)
    assert found.state == "SUCCESS"


def test_a_paused_action_that_ends_waits_for_the_workflow_only() -> None:
    found = one("action: std.async_noop")
    found.update("t", "PAUSED")
    found.finish("t", 1, by_user=True)
    assert (found.state, found.task("t").state) == ("PAUSED", "SUCCESS")
    found.resume()
    assert (found.state, found.output) == ("SUCCESS", {"r": 1})


def test_the_workflow_goes_on_only_when_no_action_is_paused_any_more() -> None:
    found = run("""
        w:
          tasks:
            a: {action: std.async_noop}
            b: {action: std.async_noop}
    """)
    found.update("a", "PAUSED")
    found.update("b", "PAUSED")
    found.update("a", "RUNNING")
    assert (found.state, found.states) == ("PAUSED", {"a": "RUNNING", "b": "PAUSED"})
    found.update("b", "RUNNING")
    assert found.state == "RUNNING"


def test_running_again_without_a_pause_changes_nothing() -> None:
    found = one("action: std.async_noop")
    found.update("t", "RUNNING")
    assert (found.state, found.task("t").state) == ("RUNNING", "RUNNING")


def test_only_actions_that_wait_for_others_can_be_paused() -> None:
    found = one("action: remote")
    with pytest.raises(InvalidState, match="only supported for asynchronous action execution"):
        found.update("t", "PAUSED")
    action_id = found.finish("t")
    with pytest.raises(InvalidState, match=f"Action {action_id} is already completed"):
        found.send(ActionUpdated(action_id, "PAUSED"))
