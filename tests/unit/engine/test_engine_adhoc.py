"""Ad-hoc actions in a workflow: what they run, what they see, how their results are transformed."""

from __future__ import annotations

from typing import Any

import pytest
from harness import START, Run, World, run

from maestrale.engine.adhoc import transformed
from maestrale.engine.effects import RunAction
from maestrale.engine.execution import Transformation
from maestrale.engine.identity import Identity
from maestrale.engine.lookups import Outside
from maestrale.engine.needs import FindAction
from maestrale.model import states

ACTIONS = """
    greet:
      input: [name, {mark: '!'}]
      base: std.echo
      base-input: {output: "Hi <% $.name %><% $.mark %>"}
      output: {text: <% $ %>, size: <% $.len() %>}
    remote.wrapped:
      input: [x]
      base: remote
      base-input: {a: <% $.x %>}
      output: [<% $ %>]
    loud:
      input: [who]
      base: greet name=<% $.who %>
      base-input: {mark: '!!'}
      output: "<% $.text %> (<% $.size %>)"
"""


def one(action: str, actions: str = ACTIONS, *, more: str = "description: x", **start: Any) -> Run:
    return run(
        f"""
        w:
          input: [{{n: 5}}]
          output: {{r: <% $.get(r) %>}}
          tasks:
            t:
              action: {action}
              publish: {{r: <% task().result %>}}
              publish-on-error: {{r: <% task().result %>}}
              {more}
              on-error: noop
        """,
        actions=actions,
        **start,
    )


def test_the_input_is_prepared_and_the_result_transformed() -> None:
    found = one("greet name='Ann'")
    assert found.output == {"r": {"text": "Hi Ann!", "size": 7}}
    (action,) = found.actions("t")
    assert (action.name, action.input) == ("greet", {"name": "Ann", "mark": "!"})
    assert (action.state, action.output) == ("SUCCESS", {"text": "Hi Ann!", "size": 7})


def test_a_chain_prepares_from_the_outside_and_transforms_from_the_inside() -> None:
    found = one("loud who='Bo'")
    assert found.output == {"r": "Hi Bo!! (7)"}
    assert found.actions("t")[0].input == {"who": "Bo"}


def test_parameters_beside_the_base_win_and_maps_are_merged() -> None:
    actions = """
        a:
          base: std.echo output=<% dict(x => 1) %>
          base-input: {output: {x: 2, y: 3}}
    """
    assert one("a", actions).output == {"r": {"x": 1, "y": 3}}


def test_a_base_that_an_executor_runs_delivers_a_transformed_result() -> None:
    found = one("remote.wrapped x=<% $.n %>")
    (action,) = found.open_actions("t")
    assert (action.name, action.input) == ("remote.wrapped", {"x": 5})
    assert (action.real_name, action.real_input) == ("remote", {"a": 5})
    assert [effect for _, effect in found.world.effects] == [RunAction(action.id)]
    found.world.restart()
    found.finish("t", "done")
    assert found.output == {"r": ["done"]}
    found.world.check_replay_and_reload()


def test_a_result_that_is_told_by_a_user_is_transformed_too() -> None:
    actions = """
        a: {base: remote.outside, output: "<% $ %>!"}
    """
    found = one("a", actions)
    assert found.open_actions("t")[0].waits_outside
    found.finish("t", "yes", by_user=True)
    assert found.output == {"r": "yes!"}


@pytest.mark.parametrize("state", [states.ERROR, states.CANCELLED])
def test_only_success_is_transformed(state: str) -> None:
    found = one("remote.wrapped x=1")
    found.finish("t", "broken", state)
    assert found.actions("t")[0].output == "broken"


def test_an_error_of_a_quick_base_stays_as_it_is() -> None:
    actions = """
        a: {base: std.fail error_data="no", output: {wrapped: <% $ %>}}
    """
    found = one("a", actions)
    assert (found.task("t").state, found.output) == ("ERROR", {"r": "no"})


def test_an_output_that_is_null_keeps_the_result() -> None:
    actions = """
        a: {base: std.echo output=4, output: null}
    """
    assert one("a", actions).output == {"r": 4}


def test_a_null_result_is_transformed() -> None:
    actions = """
        a: {base: std.noop, output: {was: <% $ %>}}
    """
    assert one("a", actions).output == {"r": {"was": None}}


def test_both_languages_work() -> None:
    actions = """
        a:
          input: [x]
          base: std.echo output="{{ _.x + 1 }}"
          output: {twice: "{{ _ * 2 }}"}
    """
    assert one("a x=1", actions).output == {"r": {"twice": 4}}


def test_a_base_input_sees_branch_variables_items_globals_and_the_environment_but_no_workflow_input() -> None:
    found = run(
        """
        w:
          input: [{wi: 1}]
          vars: {v: vv}
          output: {r: <% $.r %>}
          tasks:
            t0: {publish: {b: bb}, on-success: t}
            t:
              with-items: i in [1, 2]
              action: a x=<% $.i * 10 %>
              publish: {r: <% task().result %>}
        """,
        actions="""
        a:
          input: [{x: 0}]
          base: std.echo
          base-input:
            output: "<% $.x %> <% $.i %> <% $.b %> <% $.v %> <% env().e %> <% task().name %> <% $.get(wi) %>"
        """,
        params={"env": {"e": "ee"}},
    )
    assert found.output == {"r": ["10 1 bb vv ee t None", "20 2 bb vv ee t None"]}


def test_its_own_input_hides_everything_else() -> None:
    found = run(
        """
        w:
          vars: {x: var}
          output: {r: <% task(t).result %>}
          tasks:
            t: {action: a x=mine}
        """.replace("x=mine", "x='mine'"),
        actions="a: {input: [x], base: std.echo output=<% $.x %>}",
    )
    assert found.output == {"r": "mine"}


def test_defaults_of_the_environment_go_by_the_name_of_the_ad_hoc_action() -> None:
    env = {"__actions": {"greet": {"name": "Env", "mark": "?"}, "std.echo": {"delay": 5}}}
    assert one("greet name='Ann'", params={"env": env}).output == {"r": {"text": "Hi Ann?", "size": 7}}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("greet", "missing=['name']"),
        ("greet name=1 other=2", "unexpected=['other']"),
    ],
)
def test_wrong_input_is_a_forced_failure_as_for_any_action(call: str, words: str) -> None:
    found = one(call)
    assert found.state == "ERROR"
    assert f"Invalid input [name=greet, class=AdHocAction, {words}]" in found.info
    assert found.info.startswith("Failed to run task [error=")


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        ("a: {base: nothing.here}", "Failed to find base action [action_name=nothing.here namespace=]"),
        ("a: {base: b}\nb: {base: a}", "Found a cycle in an ad-hoc action chain [action_name=a, dupl"),
        ("a: {base: a}", "Found a cycle in an ad-hoc action chain"),
        ("a: {base: remote.strict}", "Failed to instantiate an action [action_name=a]: Invalid input"),
    ],
)
def test_a_base_that_cannot_run_is_an_error_of_the_task(actions: str, words: str) -> None:
    found = one("a", actions)
    assert (found.state, found.task("t").state) == ("SUCCESS", "ERROR")
    assert words in (found.task("t").state_info or "")
    assert found.actions("t") == []


def test_an_error_in_a_base_input_is_an_error_of_the_task_and_says_where() -> None:
    actions = """
        a:
          input: [x]
          base: std.echo
          base-input:
            output: <% $.x.nothing %>
    """
    found = one("a x=1", actions)
    assert (found.state, found.task("t").state) == ("SUCCESS", "ERROR")
    info = found.task("t").state_info or ""
    assert "Failed to instantiate an action [action_name=a]" in info
    assert "at 'base-input.output' of action 'a', line 6, column 13" in info


@pytest.mark.parametrize("base", ["std.echo output=1", "remote"])
def test_an_error_in_an_output_fails_the_action_and_ends_the_workflow(base: str) -> None:
    actions = f"""
        a:
          base: {base}
          output:
            r: <% $.nothing.at.all %>
    """
    found = one("a", actions)
    if base == "remote":
        found.finish("t", 1)
    assert (found.state, found.task("t").state) == ("ERROR", "ERROR")
    assert found.info.startswith("Failed to handle action completion [error=")
    assert "at 'output.r' of action 'a', line 5, column 8" in found.info
    (action,) = found.actions("t")
    assert (action.state, action.accepted) == ("ERROR", True)
    assert str(action.output).startswith("Failed to complete action [error=")


def test_a_transformed_result_may_be_too_large() -> None:
    world = World(
        "w: {tasks: {t: {action: a}}}",
        field_size_kb=1,
        actions="a: {base: remote, output: <% range(1000).toList() %>}",
    )
    found = world.start()
    found.finish("t", 1)
    assert "Field size limit exceeded [class=ActionExecution, field=output" in found.info


def test_the_name_may_be_an_expression() -> None:
    assert one("<% 'gre' + 'et' %> name='Ann'").output == {"r": {"text": "Hi Ann!", "size": 7}}


def test_an_ad_hoc_action_hides_the_action_of_its_name() -> None:
    actions = """
        std.noop: {base: std.echo output="other"}
    """
    assert one("std.noop", actions).output == {"r": "other"}


def test_an_action_that_cannot_be_meant_otherwise_is_not_asked_for() -> None:
    found = one("std.echo output=1", workbook="book")
    assert found.world.answered == []


def test_a_member_of_the_own_workbook_comes_first() -> None:
    actions = """
        a: {base: std.echo output="plain"}
        book.a: {base: b}
        b: {base: std.echo output="plain"}
        book.b: {base: std.echo output="member"}
    """
    assert one("a", actions).output == {"r": "plain"}
    found = one("a", actions, workbook="book")
    assert found.output == {"r": "member"}
    assert found.world.answered == [FindAction("a", "", "", "book")]
    assert one("book.a", actions).output == {"r": "member"}


def test_the_nature_of_the_real_action_counts() -> None:
    actions = """
        a: {base: remote.repeatable}
        b: {base: remote}
    """
    assert one("a", actions).actions("t")[0].repeatable
    assert not one("b", actions).actions("t")[0].repeatable
    assert one("b", actions, more="safe-rerun: true").actions("t")[0].repeatable


def test_a_retry_runs_it_again() -> None:
    found = one("remote.wrapped x=1", more="retry: {count: 1, delay: 0}")
    found.fail("t")
    found.finish("t", 2)
    assert found.output == {"r": [2]}
    assert len(found.actions("t")) == 2


def test_an_unknown_name_is_still_unknown() -> None:
    found = one("nothing.here")
    assert "Failed to find action [action_name=nothing.here]" in found.info
    assert found.world.answered == [FindAction("nothing.here", "", "")]


def test_an_action_without_a_dispatch_may_be_the_base() -> None:
    found = one("a", "a: {base: std.async_noop, output: <% $ * 2 %>}")
    assert found.world.effects == []
    found.finish("t", 4, by_user=True)
    assert found.output == {"r": 8}


def test_an_output_may_ask_for_the_rest_of_the_world() -> None:
    found = one("a", 'a: {base: remote, output: <% tasks("other").len() %>}')
    found.finish("t", 1)
    assert found.output == {"r": 0}


def test_outside_of_workflows_functions_find_nothing() -> None:
    outside = Outside(Identity("seed", 0, START), START)
    output = """
        [task(), task(x), tasks(), tasks(x), execution(), executions(), env(), global(x), $]
    """.strip()
    steps = [
        Transformation("a", f"<% {output} %>"),
        Transformation("b", {"got": "<% $ %>", "id": "<% uuid() %>"}),
    ]
    found = transformed(steps, 5, outside, None)
    assert found["got"] == [None, None, [], [], None, [], {}, None, 5]
    assert found["id"] == Identity("seed", 0, START).uuid()
    assert 0 <= transformed([Transformation("a", "<% random() %>")], None, outside, None) < 1
    assert transformed([Transformation("a", "<% now() %>")], None, outside, None)
