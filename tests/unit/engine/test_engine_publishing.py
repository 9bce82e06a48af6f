"""What tasks publish: sources and their precedence, scopes, globals, vars."""

from __future__ import annotations

import pytest
from harness import World, run

from maestrale.model.errors import EvaluationError, InvalidInput


def test_published_values_do_not_see_each_other() -> None:
    found = run("""
        w:
          tasks:
            t0: {publish: {a: old}, on-success: t1}
            t1: {publish: {a: new, b: <% $.a %>}}
    """)
    assert found.published("t1") == {"a": "new", "b": "old"}
    assert found.output == {"a": "new", "b": "old"}


def test_publishing_replaces_a_map_along_a_branch() -> None:
    found = run("""
        w:
          tasks:
            t1: {publish: {m: {a: 1}}, on-success: t2}
            t2: {publish: {m: {b: 2}}}
    """)
    assert found.output == {"m": {"b": 2}}


@pytest.mark.parametrize(
    ("action", "own", "clause"),
    [("std.noop", "publish", "on-success"), ("std.fail", "publish-on-error", "on-error")],
)
def test_the_own_publish_beats_the_clause_of_the_state_which_beats_on_complete(
    action: str, own: str, clause: str
) -> None:
    found = run(f"""
        w:
          tasks:
            t:
              action: {action}
              {own}: {{x: own, m: {{own: 1}}}}
              {clause}:
                publish:
                  branch: {{x: clause, y: clause, m: {{clause: 2, own: 9}}}}
                  global: {{g: clause}}
              on-complete:
                publish:
                  branch: {{x: complete, y: complete, z: complete}}
                  global: {{g: complete, h: complete}}
    """)
    assert found.published("t") == {
        "x": "own",
        "y": "clause",
        "z": "complete",
        "m": {"own": 1, "clause": 2},
    }
    assert found.task("t").published_global == {"g": "clause", "h": "complete"}
    assert found.workflow.globals == {"g": "clause", "h": "complete"}


def test_sources_of_other_states_are_not_evaluated() -> None:
    found = run("""
        w:
          tasks:
            t:
              publish: {ok: 1}
              publish-on-error: {bad: <% $.nope %>}
              publish-on-skip: {skip: <% $.nope %>}
              on-error: {publish: {branch: {bad: <% $.nope %>}}, next: noop}
    """)
    assert (found.state, found.published("t")) == ("SUCCESS", {"ok": 1})


def test_a_clause_that_publishes_only_globally_leaves_the_own_publish_alone() -> None:
    found = run("""
        w:
          output: {seen: <% $.seen %>}
          tasks:
            t1:
              publish: {p: 3}
              on-success: {publish: {global: {g: 4}}, next: t2}
            t2:
              action: std.echo output="<% $.p %>/<% $.g %>"
              publish: {seen: <% task().result %>}
    """)
    assert found.output == {"seen": "3/4"}


def test_branch_variables_hide_globals_which_hide_input() -> None:
    found = run(
        """
        w:
          input: [i, v]
          vars: {v: var}
          tasks:
            t1:
              on-success:
                publish: {branch: {x: branch}, global: {x: global, i: global}}
                next: t2
            t2:
              action: std.echo
              input:
                output: [<% $.x %>, <% global(x) %>, <% $.i %>, <% $.v %>, <% global(v) %>, <% global(no) %>]
        """,
        input={"i": "input", "v": "input"},
    )
    assert found.result("t2") == ["branch", "global", "global", "var", "var", None]
    assert found.output == {"x": "branch"}


@pytest.mark.covers("dsl.task.publish.advanced.global", "expr.fn.global")
def test_a_global_of_one_branch_is_seen_in_another() -> None:
    found = run("""
        w:
          tasks:
            reader: {action: remote, on-success: read}
            writer: {on-success: {publish: {global: {token: abc}}}}
            read: {action: "std.echo output=<% $.token %>", publish: {seen: "{{ global('token') }}"}}
    """)
    found.finish("reader")
    assert found.result("read") == "abc"
    assert found.output == {"seen": "abc"}


def test_globals_merge_maps_and_replace_everything_else() -> None:
    found = run("""
        w:
          vars: {m: {var: 1}}
          tasks:
            t1:
              on-success:
                publish: {global: {m: {a: {x: 1}}, l: [1]}}
                next: t2
            t2: {on-success: {publish: {global: {m: {a: {y: 2}}, l: [2]}}}}
    """)
    assert found.workflow.globals == {"m": {"var": 1, "a": {"x": 1, "y": 2}}, "l": [2]}
    assert found.workflow.variables == {"m": {"var": 1}}


@pytest.mark.covers("dsl.task.publish.advanced.atomic")
def test_atomic_values_see_the_latest_globals() -> None:
    count = "{publish: {atomic: {n: <% global(n) + 1 %>}}}"
    found = run(f"""
        w:
          vars: {{n: 0}}
          output: {{n: <% $.n %>}}
          tasks:
            a: {{on-success: {count}}}
            b: {{on-success: {count}}}
            c: {{on-success: {count}}}
    """)
    assert found.output == {"n": 3}


def test_nothing_is_published_by_a_cancelled_task() -> None:
    found = run("""
        w:
          tasks:
            t:
              action: remote
              publish: {x: 1}
              publish-on-error: {x: 2}
              on-complete: {publish: {branch: {x: 3}, global: {g: 1}}}
    """)
    found.finish("t", state="CANCELLED")
    assert found.task("t").published is None
    assert found.workflow.globals == {}


def test_publish_sees_globals_of_a_clause_only_afterwards() -> None:
    found = run("""
        w:
          tasks:
            t:
              publish: {before: <% global(g) %>}
              on-success: {publish: {global: {g: 1}}, next: [{u: <% global(g) = 1 %>}]}
            u: {action: std.noop}
    """)
    assert found.published("t") == {"before": None}
    assert found.names == ["t", "u"]


# -- vars and environment


def test_vars_see_input_and_environment_but_not_each_other() -> None:
    found = run(
        """
        w:
          input: [n]
          vars:
            double: <% $.n * 2 %>
            region: "{{ env().region }}"
            nested: {list: [<% $.n %>, fixed]}
            other: <% $.get(double) %>
          output: {all: [<% $.double %>, <% $.region %>, <% $.nested %>, <% $.other %>]}
          tasks: {t1: {action: std.noop}}
        """,
        input={"n": 21},
        params={"env": {"region": "eu"}},
    )
    assert found.output == {"all": [42, "eu", {"list": [21, "fixed"]}, None]}


def test_an_error_in_vars_refuses_the_start() -> None:
    world = World("""
        w:
          vars: {good: 1, bad: <% 1 / 0 %>}
          tasks: {t1: {action: std.noop}}
    """)
    with pytest.raises(EvaluationError) as refusal:
        world.start()
    line, column = world.line("<% 1 / 0 %>")
    assert f"at 'vars.bad' of workflow 'w', line {line}, column {column}" in str(refusal.value)
    assert world.executions == {}


ENVIRONMENT = """
    w:
      output: {all: <% env() %>}
      tasks: {t1: {action: std.noop}}
"""


@pytest.mark.covers("eng.env.evaluate")
def test_the_environment_is_evaluated_once_against_itself() -> None:
    env = {
        "name": "bob",
        "hello": "hi <% env().name %>",
        "j": "{{ env().name | upper }}",
        "twice": "<% env().hello %>",
    }
    found = run(ENVIRONMENT, params={"env": env})
    assert found.output == {
        "all": {"name": "bob", "hello": "hi bob", "j": "BOB", "twice": "hi <% env().name %>"}
    }


@pytest.mark.covers("eng.env.evaluate_off")
def test_the_environment_stays_raw_if_the_caller_wants_so() -> None:
    env = {"name": "<% 1 + 1 %>"}
    assert run(ENVIRONMENT, params={"env": env, "evaluate_env": False}).output == {"all": env}


def test_there_is_always_an_environment() -> None:
    found = run(ENVIRONMENT.replace("<% env() %>", "<% env().get(a) %>"))
    assert found.output == {"all": None}
    assert found.workflow.params == {"env": {}, "namespace": ""}


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ([1], r"Unexpected value type for environment \[env=\[1\], type=list\]"),
        ({"a": "<% $.x %>"}, "The environment cannot be evaluated.*at 'params.env.a'"),
    ],
)
def test_a_wrong_environment_refuses_the_start(env: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        run(ENVIRONMENT, params={"env": env})
