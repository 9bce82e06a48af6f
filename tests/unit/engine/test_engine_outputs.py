"""The end of a workflow execution: final context, output, output-on-error."""

from __future__ import annotations

import pytest
from harness import run


def test_without_output_the_result_is_what_the_ends_have_published() -> None:
    found = run("""
        w:
          input: [{i: 1}]
          vars: {v: 2}
          tasks:
            t1:
              publish: {p: 3}
              on-success: {publish: {branch: {b: 3.5}, global: {g: 4}}, next: t2}
            t2: {publish: {q: 5}}
    """)
    assert found.output == {"b": 3.5, "p": 3, "q": 5}
    assert found.workflow.globals == {"g": 4}
    assert found.workflow.finished_at is not None


@pytest.mark.covers("dsl.workflow.output", "expr.recursive")
def test_expressions_at_any_depth_of_output_are_evaluated() -> None:
    found = run("""
        w:
          output:
            plain: text
            number: 7
            list: [<% $.a %>, {inner: ["{{ _.a }}", {deeper: <% $.a + 1 %>}]}]
            text: a is <% $.a %> and twice <% $.a * 2 %>
          tasks:
            t1: {publish: {a: 4}}
    """)
    assert found.output == {
        "plain": "text",
        "number": 7,
        "list": [4, {"inner": [4, {"deeper": 5}]}],
        "text": "a is 4 and twice 8",
    }


def test_null_values_are_an_output() -> None:
    found = run("""
        w:
          output: {x: null}
          tasks:
            t1: {publish: {a: 4}}
    """)
    assert found.output == {"x": None}


@pytest.mark.covers("dsl.workflow.output.missing_var")
def test_an_error_in_output_turns_success_into_error() -> None:
    found = run("""
        w:
          output: {x: <% $.a.no_such_function() %>}
          tasks:
            t1: {publish: {a: 1}}
    """)
    line, column = found.world.line("<% $.a.no")
    assert found.state == "ERROR"
    assert found.info.startswith(f"Failed to check and complete [wf_ex_id={found.id}, wf_name=w]: ")
    assert "$.a.no_such_function()" in found.info
    assert f"at 'output.x' of workflow 'w', line {line}, column {column}" in found.info
    assert "\n" not in found.info
    assert found.output == {"result": found.info, "a": 1}
    assert found.states == {"t1": "SUCCESS"}


@pytest.mark.covers("eng.error_output")
def test_without_output_on_error_the_output_is_the_reason() -> None:
    found = run("""
        w:
          output: {x: 1}
          tasks:
            t1: {action: std.fail}
    """)
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: t1")
    assert found.output == {"result": found.info}


@pytest.mark.covers("dsl.workflow.output_on_error")
def test_output_on_error_stands_beside_the_result() -> None:
    found = run(
        """
        w:
          input: [id]
          output: {ok: yes}
          output-on-error: {failed: <% $.id %>, seen: {code: <% $.code %>}}
          tasks:
            t1:
              action: std.fail
              input: {error_data: {code: 9}}
              publish-on-error: {code: <% task().result.code %>}
        """,
        input={"id": "job-1"},
    )
    assert found.output == {"result": found.info, "failed": "job-1", "seen": {"code": 9}}


def test_output_on_error_may_replace_the_result() -> None:
    found = run("""
        w:
          output-on-error: {result: mine}
          tasks:
            t1: {action: std.fail}
    """)
    assert found.output == {"result": "mine"}


def test_an_error_in_output_on_error_keeps_both_causes() -> None:
    found = run("""
        w:
          output-on-error: {x: <% $.nope %>}
          tasks:
            t1: {publish: {a: 1}, on-success: 'fail(msg="first")'}
    """)
    assert found.state == "ERROR"
    assert found.info.startswith("Failed to evaluate expression in output-on-error!")
    assert "$.nope" in found.info
    assert "Cause: 'first'" in found.info
    assert found.output == {"result": found.info}


def test_an_error_in_output_still_evaluates_output_on_error() -> None:
    found = run("""
        w:
          output: {x: <% $.nope %>}
          output-on-error: {y: <% $.a %>}
          tasks:
            t1: {publish: {a: 1}}
    """)
    assert found.output == {"result": found.info, "y": 1}


def test_the_final_context_is_merged_from_the_ends_of_all_branches() -> None:
    found = run("""
        w:
          tasks:
            top: {publish: {cfg: {base: 1}, only: t}, on-success: [a, b]}
            a: {publish: {cfg: {from_a: true, base: 2}}}
            b: {action: std.fail, publish-on-error: {cfg: {from_b: true}}, on-error: noop}
    """)
    assert found.output == {"cfg": {"from_a": True, "base": 2, "from_b": True}, "only": "t"}


@pytest.mark.covers("eng.context.versioning")
def test_the_more_often_published_value_wins_whoever_ends_last() -> None:
    text = """
        w:
          tasks:
            top: {publish: {v: 0}, on-success: [changes, keeps]}
            changes: {action: remote, publish: {v: changed}}
            keeps: {action: remote}
    """
    for order in (("changes", "keeps"), ("keeps", "changes")):
        found = run(text)
        for name in order:
            found.world.advance(1)
            found.finish(name)
        assert found.output == {"v": "changed"}


def test_of_equally_often_published_values_the_later_end_wins() -> None:
    text = """
        w:
          tasks:
            a: {action: remote, publish: {v: a}}
            b: {action: remote, publish: {v: b}}
    """
    for first, last in (("a", "b"), ("b", "a")):
        found = run(text)
        found.finish(first)
        found.world.advance(1)
        found.finish(last)
        assert found.output == {"v": last}


def test_at_the_same_instant_the_later_in_the_definition_wins() -> None:
    text = """
        w:
          tasks:
            a: {action: remote, publish: {v: a}}
            b: {action: remote, publish: {v: b}}
    """
    for first, last in (("a", "b"), ("b", "a")):
        found = run(text)
        found.finish(first)
        found.finish(last)
        assert found.output == {"v": "b"}


def test_the_output_may_ask_for_tasks_in_both_languages() -> None:
    found = run("""
        w:
          output: {j: "{{ task('t').result }}", y: <% task(t).result %>, none: <% task() %>}
          tasks:
            t: {action: std.echo output="r"}
    """)
    assert found.output == {"j": "r", "y": "r", "none": None}
