"""Filters of lists as SQL: what fits which kind of field, and what it means."""

from __future__ import annotations

import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import and_, func, literal, not_, or_
from sqlalchemy.sql import ColumnElement

from maestrale.model.errors import BadRequest
from maestrale.model.listing import Filter, Operator
from maestrale.model.values import Microseconds
from maestrale.store.selection import Condition, Field, Kind, is_uuid
from maestrale.store.statements import contains

SECOND: Final = 1_000_000
GREATEST_NUMBER: Final = 2**63 - 1
TRUE_WORDS: Final = frozenset({"true", "1", "t", "y", "yes", "on"})
FALSE_WORDS: Final = frozenset({"false", "0", "f", "n", "no", "off", ""})
MOST_VALUES: Final = 200
LONGEST_PATTERN: Final = 10_000
"""Databases bound the depth of an expression and the bytes of a pattern."""
UNFIT: Final[dict[Kind, tuple[Operator, ...]]] = {
    "flag": ("lt", "lte", "gt", "gte", "has"),
    "document": ("lt", "lte", "gt", "gte"),
    "tags": ("lt", "lte", "gt", "gte"),
    "time": ("has",),
    "number": ("has",),
}
"""Operators that make no sense for a kind of field."""


def condition(field: Field, filter_: Filter) -> Condition:
    """One filter as SQL."""
    check_operator(field.kind, filter_)
    if field.kind == "time":
        return _time_condition(field, filter_)
    if field.kind == "tags":
        return _tags_condition(field, filter_)
    column, operator = field.column, filter_.operator
    if operator == "has":
        return _like(column, filter_)
    if operator in ("in", "nin"):
        values = [value_of(field.kind, filter_, text) for text in listed(filter_)]
        return column.in_(values) if operator == "in" else _negated(field, column.in_(values))
    # As a literal of the column's type: a bare True or False cannot be compared by size.
    value = literal(value_of(field.kind, filter_, filter_.value), column.type)
    if operator == "neq":
        return _negated(field, column == value)
    if operator == "eq" and field.indexed is not None:
        return and_(field.indexed == value, column == value)
    comparisons: dict[str, Condition] = {
        "eq": column == value,
        "lt": column < value,
        "lte": column <= value,
        "gt": column > value,
        "gte": column >= value,
    }
    return comparisons[operator]


def _negated(field: Field, positive: Condition) -> Condition:
    """What has no value is not equal to any value either."""
    return or_(field.column.is_(None), not_(positive)) if field.nullable else not_(positive)


def _like(column: ColumnElement[Any], filter_: Filter) -> Condition:
    if len(filter_.value) > LONGEST_PATTERN:
        raise _unfit(filter_, f"a pattern has at most {LONGEST_PATTERN} characters")
    return contains(column, filter_.value)


def listed(filter_: Filter) -> list[str]:
    """The values that a filter names. BadRequest for too many."""
    texts = filter_.value.split(",")
    if len(texts) > MOST_VALUES:
        raise _unfit(filter_, f"at most {MOST_VALUES} values can be compared, not {len(texts)}")
    return texts


def check_operator(kind: Kind, filter_: Filter) -> None:
    """BadRequest for an operator that makes no sense for this kind of field."""
    if filter_.operator in UNFIT.get(kind, ()):
        raise _unfit(filter_, f"'{filter_.operator}' does not compare this field")


def value_of(kind: Kind, filter_: Filter, text: str) -> Any:
    """What a field of this kind is compared with (times: the start of the second). BadRequest if unfit."""
    if kind == "time":
        return _time(filter_, text)
    if kind == "uuid" and not is_uuid(text):
        raise _unfit(filter_, f"'{text}' is not a UUID")
    if kind == "flag":
        if text.lower() in TRUE_WORDS | FALSE_WORDS:
            return text.lower() in TRUE_WORDS
        raise _unfit(filter_, f"'{text}' is neither true nor false")
    if kind == "number":
        return _number(filter_, text)
    if kind == "document":
        try:
            return msgspec.json.encode(msgspec.json.decode(text)).decode()
        except (msgspec.DecodeError, RecursionError):
            raise _unfit(filter_, f"'{text}' is not JSON") from None
    return text


def _unfit(filter_: Filter, why: str) -> BadRequest:
    return BadRequest(f"Invalid value for argument {filter_.name}: {why}")


def _number(filter_: Filter, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise _unfit(filter_, f"'{text}' is not a whole number") from None
    if abs(number) > GREATEST_NUMBER:
        raise _unfit(filter_, f"'{text}' is too large")
    return number


def _time_condition(field: Field, filter_: Filter) -> Condition:
    """Times are compared as the API shows them: by whole seconds."""
    column, operator = field.column, filter_.operator
    if operator in ("in", "nin"):
        starts = [_time(filter_, text) for text in listed(filter_)]
        within = or_(*(and_(column >= start, column < start + SECOND) for start in starts))
        return within if operator == "in" else _negated(field, within)
    start = _time(filter_, filter_.value)
    within = and_(column >= start, column < start + SECOND)
    comparisons: dict[str, Condition] = {
        "eq": within,
        "neq": _negated(field, within),
        "lt": column < start,
        "lte": column < start + SECOND,
        "gt": column >= start + SECOND,
        "gte": column >= start,
    }
    return comparisons[operator]


def _time(filter_: Filter, text: str) -> Microseconds:
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise _unfit(filter_, f"'{text}' is not a time such as 2026-11-23 20:09:36") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * SECOND


def _tags_condition(field: Field, filter_: Filter) -> Condition:
    operator = filter_.operator
    if operator == "has":
        return _like(field.column, filter_)
    given = [_has_tag(field.column, tag.strip()) for tag in listed(filter_)]
    conditions: dict[str, Condition] = {
        "eq": and_(*given),
        "neq": not_(and_(*given)),
        "in": or_(*given),
        "nin": not_(or_(*given)),
    }
    return conditions[operator]


def _has_tag(column: ColumnElement[Any], tag: str) -> Condition:
    # LIKE would ignore case on SQLite; `replace` is exact everywhere. The commas make it find whole tags.
    tags = literal(",").concat(func.substr(column, 2, func.length(column) - 2)).concat(",")
    return func.replace(tags, f",{msgspec.json.encode(tag).decode()},", "") != tags
