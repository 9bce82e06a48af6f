"""`$.a.b` is read at once where that is certainly what an evaluation gives; nobody can tell."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from maestrale.expressions import template
from maestrale.expressions.surroundings import LazyMap, Scope
from maestrale.expressions.template import compile_value
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret

KEYS: Final = st.sampled_from(["a", "b", "c"])
PLAIN: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.just("x" * 300),
)
VALUES: Final = st.recursive(
    st.one_of(PLAIN, PLAIN.map(Secret)),
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, max_size=3),
        st.lists(inner, max_size=3),
        st.lists(inner, min_size=1, max_size=1).map(lambda one: one * 300),
        st.dictionaries(KEYS, inner, max_size=3).map(lambda found: LazyMap({**found}, {})),
        inner.map(Secret),
    ),
    max_leaves=12,
)
LAYERS: Final = st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3)


def outcome(text: str, scope: Scope) -> Any:
    try:
        value = compile_value(text).evaluate(scope)
    except EvaluationError as error:
        return "error", error.message
    return type(value), repr(value), isinstance(value, Secret) and repr(value.reveal())


def evaluated(text: str, scope: Scope) -> Any:
    """The same by an evaluation."""
    found: Any = compile_value(text)
    path, found._path = found._path, None
    assert path is not None
    try:
        return outcome(text, scope)
    finally:
        found._path = path


@example(path=["a"], layers=[{"a": [Secret("x"), "y"]}])
@example(path=["a", "b"], layers=[{"a": {"b": [[Secret("x")]]}}])
@given(path=st.lists(KEYS, min_size=1, max_size=3), layers=LAYERS)
@settings(max_examples=300, deadline=None)
def test_a_path_is_what_an_evaluation_gives(path: list[str], layers: list[dict[str, Any]]) -> None:
    text = f"<% $.{'.'.join(path)} %>"
    scope = Scope(layers)
    assert compile_value(text) is template._languages.compile_text(text)
    assert outcome(text, scope) == evaluated(text, scope)


def test_what_stands_there_is_not_copied() -> None:
    data = {"a": {"b": [1, 2]}}
    assert compile_value("<% $.a.b %>").evaluate(Scope([data])) is data["a"]["b"]
