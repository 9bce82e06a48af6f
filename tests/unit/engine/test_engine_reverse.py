"""Reverse workflows: the target and what it requires, each exactly once."""

from __future__ import annotations

import re

import pytest
from harness import Run, World, run

from maestrale.model.errors import InvalidInput, MaestraleError

DIAMOND = """
    w:
      type: reverse
      input: [{x: 0}]
      output: {line: <% $.get(line) %>}
      tasks:
        top: {action: remote, requires: [left, right], publish: {line: "<% $.l %><% $.r %>"}}
        left: {action: remote, requires: [base], publish: {l: <% $.b + 1 %>}}
        right: {action: remote, requires: base, publish: {r: <% $.b + 2 %>}}
        base: {action: remote, publish: {b: <% task().result %>}}
        unrelated: {action: std.fail}
"""


def diamond(target: str = "top") -> Run:
    return run(DIAMOND, params={"task_name": target})


@pytest.mark.covers("dsl.requires")
def test_requirements_run_first_and_each_task_once() -> None:
    found = diamond()
    assert found.states == {"base": "RUNNING"}
    found.finish("base", 10)
    assert found.states == {"base": "SUCCESS", "left": "RUNNING", "right": "RUNNING"}
    assert found.task("base").next_tasks == [["left", "requires"], ["right", "requires"]]
    found.finish("right")
    assert "top" not in found.names
    found.finish("left")
    found.finish("top")
    assert (found.state, found.output) == ("SUCCESS", {"line": "1112"})
    assert sorted(found.names) == ["base", "left", "right", "top"]
    assert [trigger["event"] for trigger in found.task("top").triggered_by] == ["requires", "requires"]


@pytest.mark.covers("dsl.workflow.type.reverse")
def test_only_what_the_target_needs_runs() -> None:
    found = diamond("left")
    found.finish("base", 1)
    found.finish("left")
    assert (found.state, found.names) == ("SUCCESS", ["base", "left"])


def test_a_target_without_requirements() -> None:
    found = diamond("base")
    found.finish("base", 1)
    assert (found.state, found.names) == ("SUCCESS", ["base"])


def test_dependents_of_a_failed_task_never_start() -> None:
    found = diamond()
    found.finish("base", 1)
    found.fail("left")
    assert found.state == "RUNNING"
    found.finish("right")
    assert found.state == "ERROR"
    assert found.info.startswith("Failure caused by error in tasks: left\n")
    assert "top" not in found.names
    assert found.output == {"result": found.info}


def test_a_cancelled_requirement_cancels_the_workflow() -> None:
    found = diamond()
    found.finish("base", state="CANCELLED")
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: base")


def test_the_final_context_is_that_of_the_target() -> None:
    text = DIAMOND.replace("      output: {line: <% $.get(line) %>}\n", "")
    found = run(text, params={"task_name": "left"})
    found.finish("base", 1)
    found.finish("left")
    assert found.output == {"b": 1, "l": 2}
    found = run(text, params={"task_name": "left"})
    found.finish("base", 1)
    found.stop("ERROR", "enough")
    assert found.output == {"result": "enough"}


@pytest.mark.parametrize("params", [{}, {"task_name": "nobody"}, {"task_name": 5}])
def test_a_start_needs_the_name_of_a_task(params: dict[str, object]) -> None:
    world = World(DIAMOND)
    with pytest.raises(InvalidInput, match=r"Invalid task name \[wf_spec=w, task_name=.*params.task_name"):
        world.start(params=params)
    assert world.executions == {}


@pytest.mark.covers("dsl.workflow.task_defaults.requires")
def test_requirements_of_task_defaults_count_but_not_for_the_task_itself() -> None:
    found = run(
        """
        w:
          type: reverse
          task-defaults: {requires: [setup]}
          tasks:
            a: {requires: [b], publish: {a: 1}}
            b: {action: std.noop}
            setup: {action: remote}
        """,
        params={"task_name": "a"},
    )
    assert found.names == ["setup"]
    found.finish("setup")
    assert (found.state, found.names) == ("SUCCESS", ["setup", "b", "a"])


@pytest.mark.parametrize("target", ["a", "below"])
def test_tasks_that_require_each_other_fail_the_execution_and_are_named(target: str) -> None:
    world = World("""
        w:
          type: reverse
          tasks:
            a: {requires: [b]}
            b: {requires: [a]}
            below: {requires: [free, b]}
            free: {action: std.noop}
    """)
    try:
        message = world.start(params={"task_name": target}).info
    except MaestraleError as refusal:
        message = str(refusal)
    assert {"a", "b"} <= set(re.findall(r"\w+", message))
    assert not any(
        other.workflow and other.workflow.state == "SUCCESS" for other in world.executions.values()
    )


def test_a_pause_holds_dependents_back() -> None:
    found = diamond("left")
    found.pause()
    found.finish("base", 1)
    assert found.names == ["base"]
    found.resume()
    found.finish("left")
    assert (found.state, found.output) == ("SUCCESS", {"line": None})


@pytest.mark.covers("eng.rerun.reverse")
def test_a_rerun_goes_on_to_the_target() -> None:
    found = diamond("left")
    found.fail("base")
    assert found.state == "ERROR"
    found.rerun("base")
    found.finish("base", 1)
    found.finish("left")
    assert (found.state, found.names) == ("SUCCESS", ["base", "left"])


def test_a_rerun_after_another_branch_went_on_starts_nothing_twice() -> None:
    found = diamond()
    found.finish("base", 1)
    found.finish("right")
    found.fail("left")
    found.rerun("left")
    found.finish("left")
    found.finish("top")
    assert found.state == "SUCCESS"
    assert sorted(found.names) == ["base", "left", "right", "top"]


def test_policies_apply() -> None:
    found = run(
        """
        w:
          type: reverse
          tasks:
            a: {requires: [b], action: remote}
            b: {action: std.fail, retry: {count: 1, delay: 1}}
        """,
        params={"task_name": "a"},
    )
    found.world.advance(1)
    assert found.state == "ERROR"
    assert len(found.actions("b")) == 2


def test_a_task_required_far_below_is_found() -> None:
    tasks = "\n".join(f"    t{n}: {{requires: [t{n + 1}]}}" for n in range(300))
    found = run(
        f"w:\n  type: reverse\n  tasks:\n{tasks}\n    t300: {{publish: {{deep: 1}}}}\n",
        params={"task_name": "t0"},
        steps=50,
    )
    assert (found.state, found.output) == ("SUCCESS", {"deep": 1})
    assert found.names == [f"t{n}" for n in range(300, -1, -1)]
