"""Forced failures: the engine cannot go on with a task, so task and workflow end at once, saying where."""

from __future__ import annotations

import pytest
from harness import World, run

BROKEN = "<% $.nope %>"


def text_with(body: str, indent: int = 18) -> str:
    """A workflow whose task `t` has these lines; whatever handles errors must not run."""
    lines = "\n".join(" " * indent + line for line in body.strip("\n").splitlines())
    return f"""
        w:
          output-on-error: {{seen: true}}
          tasks:
            t:
{lines}
                  on-error: handler
            handler: {{action: std.noop}}
    """


AT_THE_START = [
    ("action: std.echo\ninput: {output: <% $.nope %>}", "input.output"),
    ("action: std.echo\ninput: <% $.nope %>", "input"),
    ("action: <% $.nope %>", "action"),
    ("workflow: <% $.nope %>", "workflow"),
    ("action: remote\ntarget: <% $.nope %>", "target"),
    ("action: remote\nsafe-rerun: <% $.nope %>", "safe-rerun"),
    ("action: std.noop\nwith-items: i in <% $.nope %>", "with-items"),
    ("action: std.noop\nwith-items: i in [1]\nconcurrency: <% $.nope %>", "concurrency"),
    ("action: std.noop\nwait-before: <% $.nope %>", "wait-before"),
    ("action: std.noop\nwait-after: <% $.nope %>", "wait-after"),
    ("action: std.noop\ntimeout: <% $.nope %>", "timeout"),
    ("action: std.noop\npause-before: <% $.nope %>", "pause-before"),
    ("action: std.noop\nretry: {count: <% $.nope %>, delay: 0}", "retry.count"),
    ("action: std.noop\nretry: {count: 1, delay: <% $.nope %>}", "retry.delay"),
]


@pytest.mark.parametrize(("body", "key"), AT_THE_START, ids=[key for _, key in AT_THE_START])
@pytest.mark.covers("expr.undefined")
def test_an_error_before_anything_has_run(body: str, key: str) -> None:
    found = run(text_with(body))
    line, column = found.world.line("i in <%" if key == "with-items" else BROKEN)
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert found.info.startswith("Failed to run task [error=Can not evaluate YAQL expression")
    assert "[expression=$.nope, error=no variable 'nope'" in found.info
    place = f"(column 3 of the expression) at '{key}' of task 't', line {line}, column {column}"
    assert found.info.endswith(f"{place}, wf=w, task=t]")
    assert found.task("t").state_info == found.info
    assert found.output == {"result": found.info, "seen": True}
    assert found.actions("t") == []
    assert found.result("t") == []


@pytest.mark.parametrize(("key", "name"), [("action", "std.echo"), ("workflow", "other")])
def test_an_error_in_a_parameter_beside_the_name_is_placed_at_the_name(key: str, name: str) -> None:
    found = run(text_with(f"{key}: {name} output=<% $.nope %>"))
    line, column = found.world.line(f"{name} output")
    assert found.info.startswith("Failed to run task [error=Can not evaluate YAQL expression")
    assert f" at '{key}.output' of task 't', line {line}, column {column}" in found.info


AFTER_THE_ACTION = [
    ("publish: {x: <% $.nope %>}", "publish.x"),
    ("on-success:\n  - handler: <% $.nope %>", "on-success.0.handler"),
    ("on-complete:\n  - fail: <% $.nope %>", "on-complete.0.fail"),
    ("on-success: {next: [{handler: <% $.nope %>}]}", "on-success.next.0.handler"),
    ("on-success: fail msg=<% $.nope %>", "on-success.msg"),
    ("on-success: {publish: {branch: {b: <% $.nope %>}}}", "on-success.publish.branch.b"),
    ("on-complete: {publish: {global: {g: <% $.nope %>}}}", "on-complete.publish.global.g"),
    ("on-complete: {publish: {atomic: {a: <% $.nope %>}}}", "on-complete.publish.atomic.a"),
    ("retry: {count: 1, delay: 0, continue-on: <% $.nope %>}", "retry.continue-on"),
    ("keep-result: <% $.nope %>", "keep-result"),
]


@pytest.mark.parametrize(("body", "key"), AFTER_THE_ACTION, ids=[key for _, key in AFTER_THE_ACTION])
@pytest.mark.covers("dsl.task.publish.error")
def test_an_error_after_the_action_has_run(body: str, key: str) -> None:
    found = run(text_with(f"action: remote\n{body}"))
    found.finish("t", 5)
    line, column = found.world.line("fail msg" if key == "on-success.msg" else BROKEN)
    place = f"(column 3 of the expression) at '{key}' of task 't', line {line}, column {column}"
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert found.info.startswith("Failed to handle action completion [error=Can not evaluate YAQL expression")
    assert found.info.endswith(f"{place}, wf=w, task=t, action=remote]")
    assert found.output == {"result": found.info, "seen": True}
    assert found.result("t") == 5
    assert found.task("t").published is None or "publish" not in key
    assert not found.task("t").processed


def test_an_error_after_an_action_that_the_engine_runs_itself_is_worded_alike() -> None:
    found = run(text_with("action: std.echo output=1\npublish: {x: <% $.nope %>}"))
    assert found.info.startswith("Failed to handle action completion [error=")
    assert found.info.endswith(", wf=w, task=t, action=std.echo]")


def test_an_error_in_break_on_after_a_failed_attempt() -> None:
    found = run(text_with("action: remote\nretry: {count: 1, delay: 0, break-on: <% $.nope %>}"))
    found.fail("t")
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert "at 'retry.break-on' of task 't'" in found.info


def test_an_error_in_fail_on_after_the_action() -> None:
    found = run(text_with("action: remote\nfail-on: <% task().result and $.nope %>"))
    found.finish("t", 1)
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert "at 'fail-on' of task 't'" in found.info


def test_an_error_in_publish_on_error_is_not_handled_by_on_error() -> None:
    found = run(text_with("action: remote\npublish-on-error: {x: <% $.nope %>}"))
    found.fail("t")
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert "at 'publish-on-error.x' of task 't'" in found.info


def test_an_error_at_the_end_of_a_delay_names_no_action() -> None:
    found = run(text_with("action: remote\nwait-after: 3\non-success: [{handler: <% $.nope %>}]"))
    found.finish("t")
    found.world.advance(3)
    assert found.state == "ERROR"
    assert found.info.startswith("Failed to complete task [error=Can not evaluate")
    assert found.info.endswith(", wf=w, task=t]")


def test_an_error_in_a_jinja_expression_is_placed_too() -> None:
    found = run(text_with('action: remote\npublish: {x: "{{ _.nope }}"}'))
    found.finish("t")
    line, _ = found.world.line("{{ _.nope }}")
    assert "Can not evaluate Jinja expression [expression=_.nope" in found.info
    assert f"at 'publish.x' of task 't', line {line}, column " in found.info


def test_a_broken_expression_in_task_defaults_is_placed_there() -> None:
    found = run("""
        w:
          task-defaults:
            wait-before: <% $.nope %>
          tasks:
            t: {action: std.noop}
    """)
    line, column = found.world.line(BROKEN)
    assert found.state == "ERROR"
    assert f"line {line}, column {column}" in found.info


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("action: nothing.here", "Failed to find action [action_name=nothing.here]"),
        ("action: std.ecko output=1", "did you mean 'std.echo'?"),
        ("action: <% 1 + 1 %>", "The action name must be a text, got 2 at 'action' of task 't'"),
        ("workflow: <% null %>", "The workflow name must be a text, got None at 'workflow' of task 't'"),
        ("action: std.echo", "Invalid input [name=std.echo, class=maestrale.actions.std.basic.echo, missing"),
        ("action: remote.strict may=1", "class=x.Strict, missing=['must']]"),
        ("action: remote.strict must=1 other=2", "class=x.Strict, unexpected=['other']]"),
        (
            "action: std.noop\ninput: <% [1] %>",
            "Wrong dynamic input for task: t. A map is expected, got list at 'input' of task 't'",
        ),
        ("action: std.noop\nwith-items: i in <% null %>", "Wrong input format for: {'i': None}."),
        ("action: std.noop\nwith-items: i in <% 5 %>", "Iterable type is expected for each value"),
        (
            "action: std.noop\nwith-items: ['i in <% [1] %>', 'j in [1, 2]']",
            "Wrong input format for: {i: 1, j: 2}. All arrays must have the same length.",
        ),
        ("action: std.noop\nwait-before: <% 'soon' %>", "Invalid data type in WaitBeforePolicy"),
        ("action: std.noop\nwait-after: <% -1 %>", "Invalid data type in WaitAfterPolicy"),
        ("action: std.noop\ntimeout: <% true %>", "Invalid data type in TimeoutPolicy"),
        ("action: std.noop\ntimeout: <% null %>", "Invalid data type in TimeoutPolicy"),
        ("action: std.noop\nretry: {count: <% 1.5 %>, delay: 0}", "Invalid data type in RetryPolicy"),
        ("action: std.noop\nretry: {count: 1, delay: <% '1' %>}", "Invalid data type in RetryPolicy"),
        (
            "action: std.noop\ntimeout: <% 2 * 1000000000 %>",
            "timeout must be at most 1000000000 at 'timeout'",
        ),
        ("action: std.noop\npause-before: <% 1 %>", "Invalid data type in PauseBeforePolicy"),
        (
            "action: std.noop\nwith-items: i in [1]\nconcurrency: <% 'x' %>",
            "Invalid data type in ConcurrencyPolicy: concurrency must be an integer >= 0, got 'x'",
        ),
    ],
)
def test_what_cannot_be_started_fails_task_and_workflow_at_once(body: str, message: str) -> None:
    found = run(text_with(body))
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert found.info.startswith("Failed to run task [error=")
    assert message in found.info
    assert found.actions("t") == []
    assert found.result("t") == []


def test_a_forced_failure_leaves_other_running_tasks_as_they_are() -> None:
    found = run("""
        w:
          tasks:
            slow: {action: remote, on-success: never, publish: {x: 1}}
            bad: {action: std.echo output=<% $.nope %>}
            never: {action: std.noop}
    """)
    assert found.states == {"slow": "RUNNING", "bad": "ERROR"}
    assert found.state == "ERROR"
    info = found.info
    found.finish("slow", 1)
    assert found.states == {"slow": "SUCCESS", "bad": "ERROR"}
    assert found.published("slow") == {"x": 1}
    assert (found.state, found.info) == ("ERROR", info)


def test_tasks_whose_turn_has_not_come_do_not_start_after_a_forced_failure() -> None:
    found = run("""
        w:
          tasks:
            bad: {action: std.echo output=<% $.nope %>}
            next: {action: remote}
    """)
    assert found.actions("next") == []
    assert not found.execution.ready


def test_a_forced_failure_can_be_repaired_by_a_rerun_with_another_environment() -> None:
    found = run("""
        w:
          output: {r: <% $.r %>}
          tasks:
            t: {action: std.echo output=<% env().fixed %>, publish: {r: <% task().result %>}, on-success: u}
            u: {action: std.noop}
    """)
    assert found.state == "ERROR"
    found.rerun("t", environment={"fixed": "yes"})
    assert (found.state, found.output) == ("SUCCESS", {"r": "yes"})
    assert found.states == {"t": "SUCCESS", "u": "SUCCESS"}


def test_what_waited_for_its_turn_goes_on_when_a_forced_failure_is_repaired() -> None:
    found = run("""
        w:
          tasks:
            again: {action: std.fail, retry: {count: 1, delay: 0}, on-error: noop}
            broken: {action: std.echo output=<% env().fixed %>}
    """)
    assert found.state == "ERROR"
    found.rerun("broken", environment={"fixed": 1})
    assert found.states == {"again": "ERROR", "broken": "SUCCESS"}
    assert found.state == "SUCCESS"
    assert len(found.actions("again")) == 2


def test_a_delay_that_was_over_goes_on_when_a_forced_failure_is_repaired() -> None:
    found = run("""
        w:
          tasks:
            b: {wait-before: 5, action: std.echo output=<% env().fixed %>}
            a: {wait-before: 5, action: remote}
    """)
    found.world.advance(5)
    assert found.state == "ERROR"
    found.rerun("b", environment={"fixed": 1})
    found.world.advance(5)
    assert found.states == {"a": "RUNNING", "b": "SUCCESS"}
    found.finish("a")
    assert found.state == "SUCCESS"


def test_an_item_that_cannot_be_started_fails_the_workflow_and_ignores_the_others() -> None:
    found = run("""
        w:
          tasks:
            t:
              with-items: i in [1, 2, 0, 3]
              action: remote n=<% 6 / $.i %>
    """)
    assert (found.state, found.states) == ("ERROR", {"t": "ERROR"})
    assert [action.item_index for action in found.open_actions("t")] == [0, 1]
    found.finish("t", 1)
    assert found.task("t").state == "ERROR"
    line, column = found.world.line("remote n=")
    assert "(column 3 of the expression)" in found.info
    assert f" at 'action.n' of task 't', line {line}, column {column}, item 2," in found.info


def test_a_parent_handles_the_forced_failure_of_its_sub_workflow() -> None:
    found = World("""
        w:
          tasks:
            t: {workflow: sub, on-error: h}
            h: {action: std.noop}
        sub:
          tasks:
            s: {action: unknown.action}
    """).start()
    assert (found.state, found.states) == ("SUCCESS", {"t": "ERROR", "h": "SUCCESS"})
    assert (found.task("t").state_info or "").startswith("Failed to run task [error=Failed to find action")
