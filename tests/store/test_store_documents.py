"""Documents: what goes into a text column comes out again, large values are stored once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maestrale.engine.events import ActionFinished, AnyEvent, Started, StopRequested
from maestrale.model.errors import BadRequest
from maestrale.model.values import Json, Secret
from maestrale.store import documents
from maestrale.store.documents import (
    LARGE,
    Values,
    decode,
    dump,
    encode,
    encode_optional,
    expand,
    references,
)
from maestrale.store.rows import load_event

keys = st.text(max_size=6) | st.sampled_from(["$value", "$secret", "$$secret", "$$value", "a"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.text(alphabet=["\0", '"', "\\", "$", "v", "é", "\U0001f600"], max_size=8)
    | st.sampled_from(["$value", '"$value"', "$secret", "x" * (LARGE + 1)])
)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4) | inner.map(Secret),
    max_leaves=12,
)


def round_trip(value: Json) -> Json:
    stored = Values()
    return decode(encode(value, stored), stored.__getitem__)


@settings(max_examples=300, deadline=None)
@given(values)
@example({"$value": "0" * 64})
@example({"$secret": 1})
@example({"a": {"$secret": 1}})
@example({"a": {"$$secret": Secret({"$secret": 1})}})
@example({"a": [{"$value": "x"}, Secret("s")]})
@example({"big": "x" * LARGE, "same": "x" * LARGE})
@example([Secret([Secret(1), {"$secret": 2}])])
def test_what_goes_in_comes_out(value: Json) -> None:
    assert same(round_trip(value), value)


def same(left: Json, right: Json) -> bool:
    """Equality that tells 1 from 1.0 and True, and looks into secrets."""
    if isinstance(left, Secret) and isinstance(right, Secret):
        return same(left.reveal(), right.reveal())
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@settings(max_examples=100, deadline=None)
@given(plain)
def test_people_see_the_same_document(value: Json) -> None:
    stored = Values()
    text = encode(value, stored)

    assert msgspec.json.decode(expand(text, stored.__getitem__)) == value


@settings(max_examples=200, deadline=None)
@given(values)
@example({"$secret": 1})
@example(Secret("s"))
def test_events_keep_their_values(value: Json) -> None:
    events: list[AnyEvent] = [
        ActionFinished("id", "SUCCESS", value),
        Started("wf", "hash", input={"x": value}, params={"env": {"y": value}}),
    ]
    for event in events:
        again = load_event(dump(event))
        assert type(again) is type(event)
        fields = type(event).__struct_fields__
        assert all(same(getattr(again, name), getattr(event, name)) for name in fields)


def test_a_large_value_is_stored_by_reference_once() -> None:
    stored = Values()
    large = {"text": "x" * LARGE}

    first = encode({"a": large, "small": 1}, stored)
    second = encode({"b": large}, stored)
    third = encode(large, stored)

    assert len(first) < 200
    assert len(second) < 200
    assert references(first) == references(second) != []
    assert len(stored) == 2  # `large` as an entry, and its text as an entry of the third
    assert decode(first, stored.__getitem__) == {"a": large, "small": 1}
    assert decode(third, stored.__getitem__) == large


@settings(max_examples=300, deadline=None)
@given(values)
@example("x" * (LARGE + 1))
@example({"$value": "0" * 64})
def test_what_is_stored_does_not_depend_on_what_was_stored_before(value: Json) -> None:
    stored = Values()
    for document in (value, {"a": value}, {"b": value, "c": [value]}, [value], value):
        alone = Values()
        assert encode(document, stored) == encode(document, alone)
        assert alone.items() <= stored.items()


def test_a_large_value_is_read_once_however_often_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    dumped: list[Json] = []

    def counting(value: Json) -> bytes:
        dumped.append(value)
        return dump(value)

    monkeypatch.setattr(documents, "dump", counting)
    stored, large = Values(), ["x" * LARGE]
    texts = {encode({"name": large}, stored) for _ in range(50)} | {encode(large, stored) for _ in range(50)}

    assert len(texts) == 2
    assert dumped == [{"name": large}, large]


def test_a_small_document_is_its_own_text() -> None:
    stored = Values()

    assert encode({"a": [1, "é", None]}, stored) == '{"a":[1,"é",null]}'
    assert stored == {}


def test_null_columns() -> None:
    stored = Values()
    assert encode_optional(None, Values()) is None
    assert decode(None, stored.__getitem__) is None
    assert references(None) == []
    assert expand(None, stored.__getitem__) == "{}"
    assert round_trip(None) is None


def test_secrets_are_not_in_the_text_for_people() -> None:
    stored = Values()
    text = encode({"user": "me", "password": Secret("hush"), "in": [Secret("hush")]}, stored)

    assert "hush" not in text
    shown = expand(text, stored.__getitem__)
    assert msgspec.json.decode(shown) == {"user": "me", "password": "***", "in": ["***"]}


def deep() -> Json:
    value: Json = 1
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "\ud800",
        {"key": "a\udfff"},
        {"\ud800": 1},
        [float("nan")],
        {"x": float("inf")},
        -float("inf"),
        Secret(float("nan")),
        object(),
        {"x": {1, object()}},
        10**5000,
    ],
    ids=["surrogate", "nested", "key", "nan", "infinity", "minus", "secret", "object", "set", "number"],
)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest, match="cannot be stored"):
        encode(value, Values())
    with pytest.raises(BadRequest, match="cannot be stored"):
        dump(ActionFinished("id", "SUCCESS", value))


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(BadRequest, match="cannot be stored"):
        encode(deep(), Values())


def test_a_message_with_half_a_character_is_refused() -> None:
    with pytest.raises(BadRequest, match="surrogates not allowed"):
        dump(StopRequested("ERROR", "\ud800"))
