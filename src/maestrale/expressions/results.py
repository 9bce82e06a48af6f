"""What leaves an evaluation: JSON-like values, or text."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, Final

from maestrale.expressions.guards import counted
from maestrale.expressions.problems import NotJson
from maestrale.expressions.views import CURRENT, Evaluation, is_set, is_view
from maestrale.model.values import Json, Secret

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_MOMENTS: Final = (datetime.date, datetime.time, datetime.timedelta)
_KEY_TEXTS: Final = {None: "null", True: "true", False: "false"}


def to_json(value: Any, evaluation: Evaluation) -> Json:
    """The value of an expression as it is stored.

    Stored data that comes out unchanged is returned itself, with the secrets in it still closed.
    Iterators, ranges, views, tuples and sets become lists (sets in sorted order, so that the same
    evaluation always has the same result), times become text, map keys become text as JSON has them.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if is_view(value):
        return value.stored
    if kind is list or kind is tuple:
        return _list(value, evaluation)
    if kind is Secret:
        return value
    if isinstance(value, Mapping):
        return {
            key if type(key) is str else _key(key): (
                item if type(item) in _PLAIN else to_json(item, evaluation)
            )
            for key, item in value.items()
        }
    if isinstance(value, _MOMENTS):
        return moment_text(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, bytes):
        return value.decode()
    return _list(_items(value, evaluation), evaluation)


def _list(items: Iterable[Any], evaluation: Evaluation) -> list[Json]:
    return [item if type(item) in _PLAIN else to_json(item, evaluation) for item in items]


def cleared(value: Any, evaluation: Evaluation) -> Json:
    """The value as plain data of its own, secrets opened: what a function gets to work on."""
    return evaluation.clear(to_json(value, evaluation))


def to_text(value: Any, evaluation: Evaluation) -> str:
    """The value of a YAQL expression inside a text: Python's `str` of the converted result."""
    return str(_shown(value, evaluation))


def json_default(value: Any) -> Json:
    """`default` of `json.dumps` for what the current evaluation may hand to it."""
    return cleared(value, CURRENT.get())


def moment_text(value: datetime.date | datetime.time | datetime.timedelta) -> str:
    """`2026-05-17T10:23:11.000000` for times in UTC, with the offset for others; ISO form for dates."""
    if isinstance(value, datetime.datetime):
        return (value if value.utcoffset() else value.replace(tzinfo=None)).isoformat(timespec="microseconds")
    return str(value)


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, bool):
        return _KEY_TEXTS[key]
    if isinstance(key, int | float):
        return repr(key)
    if isinstance(key, _MOMENTS):
        return moment_text(key)
    raise TypeError(f"a key of a map must be text, not {type(key).__name__}")


def _items(value: Any, evaluation: Evaluation) -> Iterable[Any]:
    if is_set(value):
        return _sorted(value)
    if not isinstance(value, Iterable) or isinstance(value, type):
        raise NotJson(value)
    if isinstance(value, Iterator):
        return limited(value, evaluation.options.limit_iterators)
    return value


def limited(items: Iterator[Any], limit: int) -> list[Any]:
    """All items of an iterator; `ValueError` if they are more than `limit` (-1: any number)."""
    if limit < 0:
        return list(counted(items))
    taken = list(itertools.islice(counted(items), limit + 1))
    if len(taken) > limit:
        raise ValueError(f"the result has more than {limit} items (limit_iterators)")
    return taken


def _sorted(items: Iterable[Any]) -> list[Any]:
    collected = list(items)
    try:
        return sorted(collected)
    except TypeError:
        return sorted(collected, key=lambda item: (type(item).__name__, repr(item)))


class _ShownSet(list[Any]):
    """A set in a text: as Python writes it, but in sorted order."""

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}" if self else "set()"


def _shown(value: Any, evaluation: Evaluation) -> Any:
    if type(value) in _PLAIN or isinstance(value, _MOMENTS):
        return value
    if is_view(value):
        return evaluation.clear(value.stored)
    if isinstance(value, Mapping):
        return {_shown_key(key): _shown(item, evaluation) for key, item in value.items()}
    if isinstance(value, str | int | float | bytes):
        return to_json(value, evaluation)
    shown = [_shown(item, evaluation) for item in _items(value, evaluation)]
    shape: Callable[[list[Any]], Any] = list
    if isinstance(value, tuple) and not evaluation.options.convert_tuples_to_lists:
        shape = tuple
    elif isinstance(value, Set) and not evaluation.options.convert_sets_to_lists:
        shape = _ShownSet
    return shape(shown)


def _shown_key(key: Any) -> Any:
    return key if type(key) in _PLAIN or isinstance(key, _MOMENTS) else _key(key)
