"""Whatever stands around, inside or behind an expression comes out as it went in."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from maestrale.expressions.scanner import has_jinja, yaql_spans
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import compile_value, contains_expression, evaluate

PIECES = st.sampled_from(
    ["<%", "%>", "{{", "}}", "{%", "%}", "{#", "#}", "'", '"', "`", "\\", "\n", " ", "a", "$", "%"]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES)
@settings(max_examples=100, deadline=None)
def test_stored_values_come_out_unchanged(value: Any) -> None:
    for text in ("<% $.v %>", "{{ _.v }}"):
        assert evaluate(text, Scope([{"v": value}])) is value


@given(
    before=TEXTS, value=st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2), after=TEXTS
)
@settings(max_examples=100, deadline=None)
def test_text_around_an_expression_stays(before: str, value: Any, after: str) -> None:
    assume(before or after)
    text = f"{before}<% $.v %>{after}"
    assume(not has_jinja(text))
    assume([text[span.start : span.end] for span in yaql_spans(text)] == ["<% $.v %>"])
    assert evaluate(text, Scope([{"v": value}])) == f"{before}{value}{after}"


@given(text=TEXTS)
@settings(max_examples=150, deadline=None)
def test_quoted_text_may_hold_anything(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    expression = f"<% '{quoted}' %>"
    assume(not has_jinja(expression))
    assert evaluate(expression, Scope()) == text
    assert evaluate(f"{{{{ {text!r} }}}}", Scope()) == text


@given(text=TEXTS)
@settings(max_examples=300, deadline=None)
def test_every_text_is_either_constant_or_holds_an_expression(text: str) -> None:
    compiled = compile_value(text)
    assert compiled.is_constant is not contains_expression(text)
    if compiled.is_constant:
        assert compiled.evaluate(Scope()) is text
    for span in yaql_spans(text):
        assert text[span.start : span.start + 2] == "<%"
        assert text[span.end - 2 : span.end] == "%>"
