"""One YAML document as plain data, with the place of every key and value.

Scalars follow YAML 1.1, except that dates stay text (the data is JSON). Anchors, aliases and merge keys
are not resolved: `&x`, `*x` and `<<` are ordinary text, and `@` may start a plain text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

import yaml

from maestrale.lang.offsets import index_of
from maestrale.lang.spec import Path, Position, Problem
from maestrale.model.values import Json

MAX_DEPTH: Final = 100

_TAG: Final = "tag:yaml.org,2002:"
_CONSTRUCTOR: Final = yaml.constructor.SafeConstructor()
_LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_HINTS: Final = (
    ("invalid Unicode character", "write the character itself instead of the escape code"),
    ("mapping values are not allowed", "put a text that holds a colon and a blank into quotes"),
    ("cannot start any token", "put the text into quotes; indent with blanks, not with tabs"),
    ("quoted scalar", "a quote that was opened is not closed"),
    ("flow sequence", "a `[` that was opened is not closed, or a comma is missing"),
    ("flow mapping", 'a `{` that was opened is not closed; put `{{ … }}` into quotes: "{{ … }}"'),
    ("block mapping", "compare the indentation of this line with the lines above"),
    ("could not find expected ':'", "compare the indentation of this line with the lines above"),
)


class _Mark(Protocol):
    line: int
    column: int
    index: int


class _RelaxedLoader(yaml.SafeLoader):
    """The pure loader, told to read `&`, `*` and `@` at the start of a text as part of it."""

    def fetch_anchor(self) -> None:
        self.fetch_plain()

    def fetch_alias(self) -> None:
        self.fetch_plain()

    def check_plain(self) -> bool:
        return self.peek() == "@" or bool(super().check_plain())


_FastLoader: Any = getattr(yaml, "CSafeLoader", None)


class _Special(Exception):
    """The text uses anchors or aliases, which the fast loader would resolve."""


class _Unreadable(Exception):
    def __init__(self, message: str, mark: _Mark, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mark = mark
        self.hint = hint


class Document:
    """The data of one text and where each part of it stands.

    `data`: JSON data with text keys. `odd_keys`: paths of keys that YAML did not read as text (`on`, `1`),
    with what it read; in `data` they stand as they were written. `problems`: what the text itself shows
    (syntax errors, keys given twice); with a syntax error `data` is empty.
    """

    __slots__ = ("_ends", "_key_starts", "_starts", "data", "odd_keys", "problems", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data: Json = {}
        self.odd_keys: dict[Path, Json] = {}
        self.problems: list[Problem] = []
        self._starts: dict[Path, _Mark] = {}
        self._key_starts: dict[Path, _Mark] = {}
        self._ends: dict[Path, int] = {}

    @property
    def is_readable(self) -> bool:
        """Whether there is data at all (False after a syntax error)."""
        return not any(problem.kind == "syntax" for problem in self.problems)

    def has(self, path: Path) -> bool:
        """Whether something stands at `path`."""
        return path in self._starts

    def position(self, path: Path) -> Position:
        """Where the value at `path` starts; for an absent one, where the nearest thing around it starts."""
        return self._find(self._starts, path)

    def key_position(self, path: Path) -> Position:
        """Where the key (in a list: the entry) at `path` starts."""
        return self._find(self._key_starts if path in self._key_starts else self._starts, path)

    @staticmethod
    def _find(marks: dict[Path, _Mark], path: Path) -> Position:
        while path and path not in marks:
            path = path[:-1]
        mark = marks.get(path)
        return Position(1, 1) if mark is None else Position(mark.line + 1, mark.column + 1)

    def positions(self, depth: int) -> dict[Path, dict[Path, Position]]:
        """Positions of all values, grouped by the first `depth` keys and relative to them."""
        groups: dict[Path, dict[Path, Position]] = {}
        for path, mark in self._starts.items():
            if len(path) >= depth:
                prefix = path[:depth]
                group = groups.get(prefix)
                if group is None:
                    group = groups[prefix] = {}
                group[path[depth:]] = Position(mark.line + 1, mark.column + 1)
        return groups

    def member_span(self, path: Path) -> tuple[int, int]:
        """Character offsets from the key at `path` (one or two keys long) to the end of its map."""
        return self._key_starts[path].index, self._ends[path]

    def locate(self, path: Path, value: str, offset: int) -> Position:
        """Where character `offset` of the text `value` at `path` stands; its start if that is unclear."""
        mark = self._starts.get(path)
        if mark is None:
            return self.position(path)
        index = index_of(self.text, mark.index, value, offset)
        line, start = mark.line, mark.index - mark.column
        for match in _LINE_BREAK.finditer(self.text, mark.index, index):
            line, start = line + 1, match.end()
        return Position(line + 1, index - start + 1)


def load(text: str) -> Document:
    """Read the one YAML document in `text`; an empty text is an empty map."""
    document = Document(text.removeprefix("\ufeff"))
    text = document.text
    bad = _UNPRINTABLE.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - text.rfind("\n", 0, bad.start())
        message = f"the character U+{ord(bad.group()):04X} is not allowed in YAML"
        document.problems.append(Problem(message, line, column, bad.group(), "remove it", kind="syntax"))
        return document
    if _FastLoader is not None:
        try:
            return _read(document, _FastLoader)
        except _Special:
            pass
        except yaml.YAMLError as error:
            if "@" not in text and "&" not in text and "*" not in text:
                document.problems.append(_syntax_problem(error, text))
                return document
        document = Document(text)
    try:
        return _read(document, _RelaxedLoader)
    except yaml.YAMLError as error:
        document.problems.append(_syntax_problem(error, text))
        return document


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    message = " ".join(str(error).split())
    line = column = 1
    if isinstance(error, yaml.MarkedYAMLError):
        message = ": ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        if mark is not None:
            line, column = mark.line + 1, mark.column + 1
        if error.context_mark is not None and error.context_mark.line + 1 != line:
            message += f" (begun in line {error.context_mark.line + 1})"
    hint = next((hint for words, hint in _HINTS if words in message), "correct the YAML of this line")
    return Problem(message, line, column, _line(text, line), hint, kind="syntax")


def _line(text: str, number: int) -> str:
    """The line of that number as far as it shows something, else the last one before that does."""
    lines = (line.strip() for line in reversed(text.splitlines()[:number]))
    return _short(next((line for line in lines if line), ""))


def _read(document: Document, loader_class: Any) -> Document:
    loader = loader_class(document.text)
    next_event = loader.get_event if loader_class is _FastLoader else _without_surrogates(loader.get_event)
    try:
        _Reader(document, next_event).read()
    except _Unreadable as error:
        mark = error.mark
        document.data = {}
        document.problems = [
            Problem(
                error.message,
                mark.line + 1,
                mark.column + 1,
                _line(document.text, mark.line + 1),
                error.hint,
                kind="syntax",
            )
        ]
    finally:
        loader.dispose()
    return document


def _without_surrogates(next_event: Callable[[], Any]) -> Callable[[], Any]:
    """Refuse half characters (`"\\ud800"`) as the fast loader does: no database stores them."""

    def checked() -> Any:
        event = next_event()
        kind = type(event)
        if kind is yaml.ScalarEvent and _SURROGATE.search(event.value):
            raise _Unreadable("found invalid Unicode character escape code", event.start_mark, _HINTS[0][1])
        return event

    return checked


class _Reader:
    """Builds the data of a document from the loader's events."""

    __slots__ = ("_document", "_ends", "_key_starts", "_next", "_read_before", "_starts")

    def __init__(self, document: Document, next_event: Callable[[], Any]) -> None:
        self._document = document
        self._next = next_event
        self._read_before: dict[str, Json] = {}
        self._starts = document._starts
        self._key_starts = document._key_starts
        self._ends = document._ends

    def read(self) -> None:
        self._next()
        event = self._next()
        kind = type(event)
        if kind is yaml.StreamEndEvent:
            return
        document = self._document
        data = self._value(self._next(), ())
        document.data = {} if data is None else data
        self._next()
        event = self._next()
        kind = type(event)
        if kind is not yaml.StreamEndEvent:
            raise _Unreadable(
                "expected a single document but found another one",
                event.start_mark,
                "send each document by itself; several workflows may stand in one",
            )
        if document.problems:
            self._forget_replaced()

    def _forget_replaced(self) -> None:
        """Drop the places of values that a later key of the same name has replaced."""
        document = self._document
        kept: set[Path] = set()
        _collect_paths(document.data, (), kept)
        for places in (self._starts, self._key_starts, document.odd_keys):
            for path in [path for path in places if path not in kept]:
                del places[path]

    def _value(self, event: Any, path: Path) -> Json:
        self._starts[path] = event.start_mark
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.anchor is not None:
                raise _Special
            if event.tag is not None:
                return self._tagged(event)
            return event.value if event.style else self._plain(event)
        if kind is yaml.AliasEvent or event.anchor is not None:
            raise _Special
        if len(path) >= MAX_DEPTH:
            raise _Unreadable(
                f"nested deeper than {MAX_DEPTH} levels", event.start_mark, "take the value apart"
            )
        is_map = kind is yaml.MappingStartEvent
        if event.tag not in (None, "!", _TAG + ("map" if is_map else "seq")):
            raise _Unreadable(f"the tag {event.tag!r} is not supported here", event.start_mark, "remove it")
        if is_map:
            return self._map(path)
        result: list[Json] = []
        next_event, end = self._next, yaml.SequenceEndEvent
        while type(event := next_event()) is not end:
            result.append(self._value(event, (*path, len(result))))
        return result

    def _map(self, path: Path) -> dict[str, Json]:
        result: dict[str, Json] = {}
        next_event, end = self._next, yaml.MappingEndEvent
        while (kind := type(event := next_event())) is not end:
            if kind is not yaml.ScalarEvent or event.anchor is not None:
                self._refuse_key(event)
            key: str = event.value
            child = (*path, key)
            if not event.style or event.tag is not None:
                read = self._plain(event) if event.tag is None else self._tagged(event)
                if read is not key and read != key:
                    self._document.odd_keys[child] = read
            if key in result:
                self._note_twice(child, event.start_mark)
            self._key_starts[child] = event.start_mark
            result[key] = self._value(next_event(), child)
        if len(path) <= 2:
            self._ends[path] = event.end_mark.index
        return result

    def _refuse_key(self, event: Any) -> None:
        kind = type(event)
        if kind is yaml.AliasEvent or event.anchor is not None:
            raise _Special
        braces = self._document.text[event.start_mark.index - 1 : event.start_mark.index + 1] == "{{"
        raise _Unreadable(
            "a key must be a text, not a list or a map",
            event.start_mark,
            'put the expression into quotes: "{{ … }}"' if braces else "write a text, or put it into quotes",
        )

    def _note_twice(self, path: Path, mark: _Mark) -> None:
        key = str(path[-1])
        self._document.problems.append(
            Problem(
                f"the key {key!r} stands twice in one map; the later one counts",
                mark.line + 1,
                mark.column + 1,
                key,
                f"the first stands in line {self._key_starts[path].line + 1}",
                path,
                is_error=False,
            )
        )

    def _plain(self, event: Any) -> Json:
        """What YAML reads a text without quotes as; each text is looked at once."""
        value: str = event.value
        resolvers = _IMPLICIT.get(value[:1])
        if resolvers is None:
            return value
        found = self._read_before.get(value, self)
        if found is self:
            tag = next((tag for tag, pattern in resolvers if pattern.match(value)), None)
            found = value if tag is None else self._construct(tag, event)
            self._read_before[value] = found
        return found

    def _tagged(self, event: Any) -> Json:
        tag = event.tag
        if tag in ("!", _TAG + "str", _TAG + "timestamp"):
            return event.value
        if tag not in _CONSTRUCT:
            raise _Unreadable(f"the tag {tag!r} is not supported here", event.start_mark, "remove it")
        return self._construct(tag, event)

    @staticmethod
    def _construct(tag: str, event: Any) -> Json:
        try:
            result = _CONSTRUCT[tag](yaml.ScalarNode(tag, event.value))
        except (ValueError, KeyError):
            kind = tag.removeprefix(_TAG)
            raise _Unreadable(
                f"{_short(event.value)!r} cannot be read as {kind}", event.start_mark, "put it into quotes"
            ) from None
        if isinstance(result, float) and not math.isfinite(result):
            raise _Unreadable(
                f"{_short(event.value)!r} is not a number that JSON can hold",
                event.start_mark,
                "put it into quotes",
            )
        return result


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def _collect_paths(value: Json, path: Path, paths: set[Path]) -> None:
    paths.add(path)
    if isinstance(value, dict):
        for key, item in value.items():
            _collect_paths(item, (*path, key), paths)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect_paths(item, (*path, index), paths)


_CONSTRUCT: Final[dict[str, Callable[[yaml.ScalarNode], Json]]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": _CONSTRUCTOR.construct_yaml_bool,
    _TAG + "int": _CONSTRUCTOR.construct_yaml_int,
    _TAG + "float": _CONSTRUCTOR.construct_yaml_float,
}
_IMPLICIT: Final[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _CONSTRUCT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
