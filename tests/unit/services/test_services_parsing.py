"""What a text is taken for, and what is refused of ad-hoc actions that lead back to themselves."""

from __future__ import annotations

import pytest

from maestrale.lang.problems import describe
from maestrale.services.parsing import check_text, kind_of, parse_supported_actions, parse_supported_workbook


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("w: {tasks: {t: {action: std.noop}}}", "workflow"),
        ("w: {description: no tasks yet}", "workflow"),
        ("workflows: {tasks: {t: {action: std.noop}}}", "workflow"),
        ("name: {tasks: {t: {action: std.noop}}}", "workflow"),
        ("name: w\nw: {tasks: {t: {action: std.noop}}}", "workflow"),
        ("mixed: {base: std.noop}\nw: {tasks: {t: {action: std.noop}}}", "workflow"),
        ("[1]", "workflow"),
        ("", "workflow"),
        ("a: [", "workflow"),
        ("a: {base: std.noop}", "action"),
        ("a: {base-input: {x: 1}}", "action"),
        ("actions: {base: std.noop}", "action"),
        ("a: {input: [x]}\nb: {base: std.noop}", "action"),
        ("name: b", "workbook"),
        ("name: b\nworkflows: {w: {tasks: {t: {action: std.noop}}}}", "workbook"),
        ("workflows: {w: {tasks: {t: {action: std.noop}}}}", "workbook"),
        ("actions: {a: {base: std.noop}}", "workbook"),
        ("workflows:", "workbook"),
    ],
)
def test_the_kind_of_a_text(text: str, kind: str) -> None:
    assert kind_of(text) == kind
    assert check_text(text).kind == kind


def test_names_of_what_was_checked() -> None:
    book = "version: '2.0'\nname: b\nactions: {a: {base: std.noop}}\nworkflows: {w: {tasks: {t: {}}}}\n"
    assert check_text(book).names == ["b", "b.w", "b.a"]
    assert check_text("version: '2.0'\nx: {base: std.noop}\ny: {base: x}\n").names == ["x", "y"]
    assert check_text("version: '2.0'\n- 1").names == []


def test_a_cycle_is_shown_once_at_its_first_action() -> None:
    text = (
        "version: '2.0'\na:\n  base: b\nb:\n  base: a x=1\nleads_there:\n  base: a\nfine: {base: std.noop}\n"
    )
    errors = [describe(problem) for problem in parse_supported_actions(text).errors]
    assert [error.split(" (")[0] for error in errors] == [
        "line 3, column 9: action 'a', base: Found a cycle in an ad-hoc action chain: a -> b -> a",
    ]


def test_every_cycle_is_found() -> None:
    text = "version: '2.0'\n" + "".join(
        f"{a}: {{base: {b}}}\n" for a, b in ("xa", "ab", "ba", "cc", "dx", "ec")
    )
    errors = [problem.message.rpartition(": ")[2] for problem in parse_supported_actions(text).errors]
    assert errors == ["a -> b -> a", "c -> c"]


def test_a_long_cycle_is_shown_in_part() -> None:
    count = 3000
    text = "version: '2.0'\n" + "".join(f"a{n}: {{base: a{(n + 1) % count}}}\n" for n in range(count))
    (problem,) = parse_supported_actions(text).errors
    assert "a0 -> a1 -> a2 -> a3 -> … -> a2998 -> a2999 -> a0" in problem.message


@pytest.mark.parametrize(
    ("base", "is_cycle"),
    [("a", True), ("book.a", True), ("b", True), ("book.b", True), ("c", False), ("std.noop", False)],
)
def test_short_names_in_a_workbook_mean_its_members(base: str, is_cycle: bool) -> None:
    text = f"version: '2.0'\nname: book\nactions:\n  a: {{base: {base}}}\n  b: {{base: a}}\n"
    errors = parse_supported_workbook(text).errors
    assert bool(errors) is is_cycle
    assert all("cycle" in error.message for error in errors)


def test_what_has_no_effect_is_pointed_out_in_members_too() -> None:
    text = "version: '2.0'\nname: b\nworkflows:\n  w:\n    tasks:\n      t: {target: x}\n"
    (problem,) = parse_supported_workbook(text).problems
    assert (problem.line, problem.path) == (6, ("workflows", "w", "tasks", "t", "target"))
    assert not problem.is_error
    assert "has no effect" in problem.message
