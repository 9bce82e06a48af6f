"""Every rule of the language by a text that breaks it and one that keeps it, and what errors tell."""

from __future__ import annotations

import pytest
from lang_cases import ACCEPTED, MEANING, SHAPE

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import describe, parse_actions, parse_workbook, parse_workflows
from maestrale.lang.spec import Problem


def problems_of(kind: str, text: str) -> list[Problem]:
    if kind == "workbook":
        return parse_workbook(text, check_syntax).problems
    if kind == "action":
        return parse_actions(text, check_syntax).problems
    return parse_workflows(text, check_syntax).problems


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
def test_what_keeps_the_rules_is_accepted(kind: str, text: str) -> None:
    assert [describe(problem) for problem in problems_of(kind, text) if problem.is_error] == []


@pytest.mark.parametrize(("kind", "text"), [*SHAPE, *MEANING])
def test_what_breaks_a_rule_is_refused_with_its_place_and_what_to_do(kind: str, text: str) -> None:
    found = [problem for problem in problems_of(kind, text) if problem.is_error]
    assert found
    lines = text.split("\n")
    for problem in found:
        assert 1 <= problem.line <= len(lines), describe(problem)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, describe(problem)
        assert problem.hint or problem.kind == "grammar", describe(problem)
        is_absent = "is a required property" in problem.message or "defines no" in problem.message
        assert problem.text or is_absent or "''" in problem.message, describe(problem)
