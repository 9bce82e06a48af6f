"""Expressions tried on data alone: masks, remarks, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from maestrale.model.errors import BadRequest, EvaluationError, ExpressionGrammarError
from maestrale.model.values import Secret
from maestrale.services import evaluations
from maestrale.services.evaluations import LONGEST, Question, check, evaluate_on_data

NOON = 1_800_014_400_000_000
"""2027-01-15 12:00:00 UTC."""


def result_of(expression: str, data: Any) -> Any:
    return evaluate_on_data(Question(expression, data), NOON).result


def test_secrets_are_masked() -> None:
    data = {"password": Secret("s3cret"), "rows": [{"key": Secret("s3cret"), "name": "a"}]}
    assert result_of("<% $ %>", data) == {"password": "***", "rows": [{"key": "***", "name": "a"}]}
    assert result_of("pw=<% $.password %>", data) == "***"
    assert result_of("<% $.rows.name %>", data) == ["a"]
    with pytest.raises(EvaluationError) as caught:
        result_of("<% int($.password) %>", data)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("expression", "data", "result"),
    [
        ("<% now().format('%H:%M') %>", {}, "12:00"),
        ("{{ _ }}", "text", "text"),
        ("<% $ %>", False, False),
        ("<% $.len() %>", {}, 0),
        ("{{ env() }}", {"__env": {"a": 1}}, {}),
        ("<% $__env.a %>", {"__env": {"a": 1}}, 1),
    ],
)
def test_what_data_stands_for(expression: str, data: Any, result: Any) -> None:
    assert result_of(expression, data) == result


def test_uuids_differ() -> None:
    assert result_of("<% uuid() %>", {}) != result_of("<% uuid() %>", {})


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("$.a", "write <% $.a %>"),
        (" _.a", "write {{ _.a }}"),
        ("a", "write <% $.name %> or {{ _.name }}"),
        ("<% $.a", "<% is not closed by %>"),
        ("{{ _.a }", "{{ is not closed by }}"),
        ("{% if _.a", "{% is not closed by %}"),
    ],
)
def test_plain_text_gets_a_remark(text: str, remark: str) -> None:
    evaluated = evaluate_on_data(Question(text, {}), NOON)
    assert evaluated.result == text
    assert evaluated.warnings == [f"This is plain text without an expression: {remark}"]
    assert evaluate_on_data(Question("<% 1 %>"), NOON).warnings == []


def test_what_is_refused_whatever_the_data() -> None:
    check(Question("<% 1 %>" + " " * (LONGEST - 7)))
    with pytest.raises(BadRequest, match="longer than"):
        check(Question("<% 1 %>" + " " * LONGEST))
    with pytest.raises(ExpressionGrammarError) as caught:
        check(Question("a\nb <% 1 + %>"))
    assert caught.value.place is not None
    assert caught.value.place[1:] == (2, 9)
    with pytest.raises(BadRequest, match="must be an object"):
        check(Question("<% 1 %>", [1], "t"))
    check(Question("<% 1 %>", {}, "t"))


def test_a_result_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluations, "LARGEST", 20)
    assert result_of("<% $ %>", "x" * 18) == "x" * 18
    with pytest.raises(BadRequest, match="larger than 20 bytes"):
        result_of("<% $ %>", "x" * 19)
