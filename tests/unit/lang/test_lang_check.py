"""What would go wrong when a workflow runs."""

from __future__ import annotations

import pytest
from lang_texts import errors, warnings, workflow


@pytest.mark.parametrize(
    "tasks",
    [
        "{a: {on-success: b}, b: {on-success: a}}",
        "{a: {on-success: a}}",
        "{a: {on-skip: b}, b: {on-complete: {a: <% false %>}}}",
    ],
)
@pytest.mark.covers("dsl.start_required")
def test_a_direct_workflow_needs_a_start(tasks: str) -> None:
    (found,) = errors(f"tasks: {tasks}\n")
    assert found.startswith("line 3, column 3: workflow 'w': Failed to find start tasks in direct workflow")


def test_defaults_count_for_the_start() -> None:
    (found,) = errors("task-defaults: {on-success: [a, b]}\ntasks: {a: {action: x}, b: {action: x}}\n")
    assert "Failed to find start tasks" in found


def test_an_unknown_default_target_is_noted_once() -> None:
    (found,) = errors("task-defaults: {on-error: ghost}\ntasks: {a: {action: x}, b: {action: x}}\n")
    assert found.startswith("line 3, column 29: ")
    assert "Task 'ghost' not found." in found


def test_a_loop_that_nothing_leads_to_is_a_warning() -> None:
    found = warnings("tasks: {s: {action: x}, a: {on-success: b}, b: {on-success: a}}\n")
    assert [("the task will never run" in text, text.split(":")[0]) for text in found] == [
        (True, "line 3, column 27"),
        (True, "line 3, column 47"),
    ]


@pytest.mark.parametrize(
    ("join", "inbound", "words"),
    [
        ("all", "", "'join: all' on a task that no task leads to"),
        ("one", "", "'join: 1' needs as many tasks that lead here, and there are 0: none (remove the join)"),
        ("3", "a b", "there are 2: a, b (lower it to 2)"),
    ],
)
@pytest.mark.covers("dsl.join.validation")
def test_joins_need_inbound_tasks(join: str, inbound: str, words: str) -> None:
    tasks = "".join(
        f"  {name}: {{on-success: [j], on-error: [{{j: <% 1 %>}}]}}\n" for name in inbound.split()
    )
    (found,) = errors(f"tasks:\n  s: {{action: x}}\n{tasks}  j: {{join: {join}}}\n")
    assert words in found
    assert "join" in found


def test_join_values() -> None:
    body = "tasks:\n  a: {on-success: [x, y, z]}\n  x: {join: all}\n  y: {join: one}\n  z: {join: 1.0}\n"
    assert [task.join for task in workflow(body).tasks.values()] == [None, "all", 1, 1]


def test_a_task_that_requires_itself_is_a_warning() -> None:
    body = "type: reverse\ntasks:\n  a: {requires: [a, b]}\n  b: {action: std.noop}\n"
    (found,) = warnings(body)
    assert found == (
        "line 5, column 9: task 'a': a task cannot require itself: this is ignored (remove the name)"
    )
    assert workflow(body).tasks["a"].requires == ("b",)


def test_join_zero_means_none() -> None:
    body = "tasks: {a: {on-success: j}, j: {join: 0}}\n"
    assert workflow(body).tasks["j"].join is None
    (found,) = warnings(body)
    assert "0 means no join" in found


@pytest.mark.parametrize(
    ("length", "join", "is_legal"),
    [(255, "", True), (256, "", False), (208, "join: all", True), (209, "join: all", False)],
)
def test_length_of_task_names(length: int, join: str, is_legal: bool) -> None:
    name = "n" * length
    body = f"description: x{', ' + join if join else ''}"
    found = errors(f"tasks:\n  a: {{on-success: {name}}}\n  ? {name}\n  : {{{body}}}\n")
    assert [f"is {length} characters long" in text for text in found] == ([] if is_legal else [True])


def test_task_names_with_dash_dot_blank_and_digits() -> None:
    spec = workflow(
        "tasks: {with-dash: {on-success: with.dot}, with.dot: {on-success: '42'},"
        " '42': {action: x}, a b: {action: x}}\n"
    )
    assert list(spec.tasks) == ["with-dash", "with.dot", "42", "a b"]
