"""Direct workflows: which tasks start, which follow, and how the workflow ends by it."""

from __future__ import annotations

import pytest
from harness import World, run

from maestrale.model.errors import InvalidInput


def test_every_task_that_nothing_leads_to_starts_in_definition_order() -> None:
    found = run("""
        w:
          tasks:
            c: {on-success: d}
            a: {action: remote}
            d: {action: remote}
            b: {action: std.noop}
    """)
    assert found.names == ["c", "a", "b", "d"]
    assert found.states == {"c": "SUCCESS", "a": "RUNNING", "b": "SUCCESS", "d": "RUNNING"}
    assert found.state == "RUNNING"


def test_a_task_that_only_a_guarded_transition_leads_to_does_not_start() -> None:
    found = run("""
        w:
          tasks:
            a:
              on-success:
                b: <% false %>
            b: {action: std.noop}
    """)
    assert found.names == ["a"]
    assert found.state == "SUCCESS"


@pytest.mark.covers("dsl.task.noop_default")
def test_a_task_without_action_is_a_noop_with_null_result() -> None:
    found = run("""
        w:
          output: {got: <% task(t1).result %>, fixed: done}
          tasks:
            t1: {description: nothing to do}
    """)
    assert found.output == {"got": None, "fixed": "done"}
    assert found.result("t1") is None
    assert [action.name for action in found.actions("t1")] == ["std.noop"]


def test_variables_travel_along_a_chain() -> None:
    found = run(
        """
        w:
          input: [who]
          output: {greeting: <% $.greeting %>, length: <% $.length %>}
          tasks:
            build:
              action: std.echo output="Hello, <% $.who %>!"
              publish: {greeting: <% task().result %>}
              on-success: measure
            measure:
              action: std.echo output=<% $.greeting.len() %>
              publish: {length: <% task().result %>}
        """,
        input={"who": "Ada"},
    )
    assert found.output == {"greeting": "Hello, Ada!", "length": 11}
    assert found.task("measure").triggered_by == [{"task_id": found.task("build").id, "event": "on-success"}]
    assert found.task("build").next_tasks == [["measure", "on-success"]]


@pytest.mark.covers("dsl.task.on.condition", "dsl.task.on.condition_jinja")
def test_guards_are_taken_by_their_truth_in_both_languages() -> None:
    found = run("""
        w:
          tasks:
            t1:
              publish: {zero: 0, empty: '', nothing: null, none: [], some: [0], text: 'False'}
              on-success:
                - g_zero: <% $.zero %>
                - g_empty: "{{ _.empty }}"
                - g_null: <% $.nothing %>
                - g_none: <% $.none %>
                - g_some: <% $.some %>
                - g_text: <% $.text %>
                - g_jinja: "{{ 1 == 1 and not _.zero }}"
                - g_jinja_false: "{{ false }}"
            g_zero: {action: std.noop}
            g_empty: {action: std.noop}
            g_null: {action: std.noop}
            g_none: {action: std.noop}
            g_some: {action: std.noop}
            g_text: {action: std.noop}
            g_jinja: {action: std.noop}
            g_jinja_false: {action: std.noop}
    """)
    assert found.names == ["t1", "g_some", "g_text", "g_jinja"]


def test_a_guard_sees_what_the_task_has_published() -> None:
    found = run("""
        w:
          tasks:
            t1:
              action: std.echo output=3
              publish: {n: <% task().result %>}
              on-success:
                - t2: <% $.n = 3 and task().state = SUCCESS %>
            t2: {action: std.noop}
    """)
    assert found.names == ["t1", "t2"]


@pytest.mark.parametrize(
    ("action", "followers"),
    [
        ("std.noop", ["success", "complete"]),
        ("std.fail", ["error", "complete"]),
    ],
)
def test_the_clauses_of_the_final_state_fire_before_on_complete(action: str, followers: list[str]) -> None:
    found = run(f"""
        w:
          tasks:
            t:
              action: {action}
              on-complete: complete
              on-skip: skip
              on-success: success
              on-error: error
            success: {{action: std.noop}}
            error: {{action: std.noop}}
            complete: {{action: std.noop}}
            skip: {{action: std.noop}}
    """)
    assert found.names == ["t", *followers]
    assert found.state == "SUCCESS"


def test_each_trigger_of_a_plain_task_makes_its_own_execution() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {who: a}, on-success: t, on-complete: t}
            b: {publish: {who: b}, on-success: [t, {t: <% true %>}]}
            t:
              action: std.echo output=<% $.who %>
    """)
    assert [found.names.count(name) for name in ("a", "b", "t")] == [1, 1, 4]
    assert sorted(found.inbound_of(task)["who"] for task in found.tasks("t")) == ["a", "a", "b", "b"]


@pytest.mark.covers("eng.context.branches", "dsl.task.publish.advanced.branch")
def test_parallel_branches_have_variables_of_their_own() -> None:
    found = run("""
        w:
          output: {left: <% $.left_saw %>, right: <% $.right_saw %>}
          tasks:
            left: {publish: {color: red}, on-success: left_reader}
            right: {publish: {color: blue}, on-success: right_reader}
            left_reader:
              action: std.echo output=<% $.color %>
              publish: {left_saw: <% task().result %>}
            right_reader:
              action: std.echo output=<% $.color %>
              publish: {right_saw: <% task().result %>}
    """)
    assert found.output == {"left": "red", "right": "blue"}


LOOP = """
    w:
      input: [limit]
      output: {n: <% $.n %>}
      tasks:
        init: {publish: {n: 0}, on-success: add}
        add:
          action: std.echo output=<% $.n + 1 %>
          publish: {n: <% task().result %>}
          on-success: check
        check:
          on-success:
            - add: <% $.n < $.limit %>
"""


@pytest.mark.covers("dsl.loop")
def test_a_loop_makes_a_new_execution_for_every_pass() -> None:
    found = run(LOOP, input={"limit": 3})
    assert found.output == {"n": 3}
    assert found.names == ["init", "add", "check", "add", "check", "add", "check"]
    assert [task.published for task in found.tasks("add")] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_task_may_lead_to_itself() -> None:
    found = run("""
        w:
          output: {n: <% $.n %>}
          tasks:
            start: {publish: {n: 1}, on-success: double}
            double:
              publish: {n: <% $.n * 2 %>}
              on-success:
                - double: <% $.n < 20 %>
    """)
    assert found.output == {"n": 32}
    assert found.names.count("double") == 5


def test_a_name_means_the_latest_execution_in_a_loop() -> None:
    found = run(
        LOOP.replace("n: <% $.n %>}", "n: <% task(add).result %>}", 1),
        input={"limit": 4},
    )
    assert found.output == {"n": 4}


# -- errors


@pytest.mark.covers("dsl.task.on_error")
def test_an_error_that_on_error_follows_is_handled() -> None:
    found = run("""
        w:
          output: {how: <% $.how %>}
          tasks:
            risky: {action: std.fail, on-success: never, on-error: rescue}
            rescue: {action: std.echo output="rescued", publish: {how: <% task().result %>}}
            never: {action: std.noop}
    """)
    assert (found.state, found.output, found.info) == ("SUCCESS", {"how": "rescued"}, "")
    assert found.states == {"risky": "ERROR", "rescue": "SUCCESS"}
    assert found.task("risky").error_handled
    assert "Fail action expected exception." in (found.task("risky").state_info or "")


@pytest.mark.covers("dsl.task.on_complete")
def test_on_complete_follows_an_error_but_does_not_handle_it() -> None:
    found = run("""
        w:
          tasks:
            risky: {action: std.fail, on-complete: cleanup}
            cleanup: {publish: {done: true}}
    """)
    assert found.state == "ERROR"
    assert found.states == {"risky": "ERROR", "cleanup": "SUCCESS"}
    assert found.info.splitlines()[0] == "Failure caused by error in tasks: risky"
    assert found.output == {"result": found.info, "done": True}


def test_an_error_is_unhandled_if_no_guard_of_on_error_holds() -> None:
    found = run("""
        w:
          input: [{code: 7}]
          tasks:
            risky:
              action: std.fail
              on-error: [{a: <% $.code = 1 %>}, {b: <% $.code = 2 %>}]
            a: {action: std.noop}
            b: {action: std.noop}
    """)
    assert found.state == "ERROR"
    assert found.names == ["risky"]
    assert "Failure caused by error in tasks: risky" in found.info


def test_an_unhandled_error_lets_the_other_branches_finish() -> None:
    found = run("""
        w:
          tasks:
            bad: {action: std.fail}
            slow: {action: remote, on-success: after}
            after: {publish: {x: still ran}}
    """)
    assert found.state == "RUNNING"
    found.finish("slow")
    assert found.state == "ERROR"
    assert found.output == {"result": found.info, "x": "still ran"}


def test_the_reason_of_a_failure_lists_tasks_by_name_with_what_their_children_said() -> None:
    found = run("""
        w:
          tasks:
            zeta: {action: std.fail error_data="last"}
            alpha: {action: remote}
            fine: {action: std.noop}
    """)
    found.fail("alpha", {"code": 5})
    alpha, zeta = found.task("alpha"), found.task("zeta")
    assert found.info == (
        "Failure caused by error in tasks: alpha, zeta\n"
        f"\n  alpha [task_ex_id={alpha.id}] -> {{'code': 5}}\n"
        f"    [action_ex_id={found.actions('alpha')[0].id}, idx=0]: {{'code': 5}}\n"
        f"\n  zeta [task_ex_id={zeta.id}] -> last\n"
        f"    [action_ex_id={found.actions('zeta')[0].id}, idx=0]: last\n"
    )


@pytest.mark.covers("dsl.workflow.task_defaults.on_error")
def test_default_clauses_apply_one_by_one_and_not_to_their_own_target() -> None:
    found = run("""
        w:
          task-defaults: {on-error: [handler]}
          tasks:
            t1: {action: std.fail}
            t2: {action: std.fail, on-error: own}
            t3: {action: std.fail, on-success: own}
            handler: {action: std.noop}
            own: {action: std.noop}
    """)
    assert found.state == "SUCCESS"
    assert found.names.count("handler") == 2
    assert found.names.count("own") == 1


def test_a_cancelled_task_leads_nowhere_and_cancels_the_workflow_at_the_end() -> None:
    found = run("""
        w:
          tasks:
            b: {action: remote, on-error: h, on-complete: h, on-success: h}
            a: {action: remote, on-complete: h}
            c: {action: remote, on-success: d}
            d: {action: std.noop}
            h: {action: std.noop}
    """)
    found.finish("b", state="CANCELLED")
    found.finish("a", state="CANCELLED")
    assert found.state == "RUNNING"
    found.finish("c")
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: a, b")
    assert found.output == {"result": "Cancelled tasks: a, b"}
    assert found.states == {"a": "CANCELLED", "b": "CANCELLED", "c": "SUCCESS", "d": "SUCCESS"}


# -- input, vars


@pytest.mark.covers("dsl.workflow.input.required", "dsl.workflow.input.unexpected")
def test_wrong_names_in_the_input_refuse_the_start() -> None:
    world = World("""
        w:
          input: [needed, {more: 1}]
          tasks: {t: {action: std.noop}}
    """)
    with pytest.raises(InvalidInput) as refusal:
        world.start(input={"surplus": 2})
    assert str(refusal.value) == (
        "Invalid input [name=w, class=DirectWorkflowSpec, missing=['needed'], unexpected=['surplus']]"
    )
    assert world.executions == {}


@pytest.mark.covers("dsl.workflow.input.default", "dsl.workflow.input.default_expr")
def test_defaults_fill_the_input_as_they_are_and_a_given_null_stays() -> None:
    found = run(
        """
        w:
          input: [name, port: 8080, nothing: null, given: fallback, raw: "<% $.name %>"]
          output:
            all: [<% $.name %>, <% $.port %>, <% $.nothing %>, <% $.given %>, <% $.raw %>]
          tasks: {t1: {action: std.noop}}
        """,
        input={"name": "n1", "given": None},
    )
    assert found.output == {"all": ["n1", 8080, None, None, "<% $.name %>"]}
    assert found.workflow.input == {
        "name": "n1",
        "given": None,
        "port": 8080,
        "nothing": None,
        "raw": "<% $.name %>",
    }
