"""Commands with parameters in one text: `std.echo output="x"`, `fail(msg="x")`, `count=3 delay=1`."""

from __future__ import annotations

import bisect
import json
import math
import re
from typing import Final, NoReturn

import msgspec

from maestrale.model.values import Json

CLOSINGS: Final = {"<%": "%>", "{{": "}}", "{%": "%}"}
"""The delimiters of expressions: what opens one, and what closes it."""

TYPOGRAPHIC_DOUBLE: Final = "“”„‟«»"
TYPOGRAPHIC_SINGLE: Final = "‘’‚‛‹›"
_TYPOGRAPHIC: Final = TYPOGRAPHIC_DOUBLE + TYPOGRAPHIC_SINGLE

_MOST_WARNINGS: Final = 20

_NAME_START: Final = re.compile(r"[\w.]")
_NAME_PART: Final = re.compile(r"[^=(\s\"<{]*+")
_NAME_STOPS: Final = '=("'
_KEY: Final = re.compile(r"(?<![-\w])([-\w]++)=")
_LITERAL: Final = re.compile(r"(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?=[\s,)]|\Z)")
_STRONG_END: Final = re.compile(r"\s*\Z|\s+[-\w]+=|\s*[,)]")
_BLANK: Final = re.compile(r"\s")


class InlineWarning(msgspec.Struct, frozen=True):
    """A finding at character `offset` of the command; `text` is the piece it is about."""

    message: str
    offset: int
    text: str


class Command(msgspec.Struct, frozen=True):
    """A name (may hold expressions) and its parameters (values may hold expressions)."""

    name: str
    parameters: dict[str, Json] = {}
    warnings: tuple[InlineWarning, ...] = ()


def parse_command(text: str) -> Command | None:
    """Split a command; None if it does not start with a name. A text without blanks is all name."""
    if not _BLANK.search(text):
        return Command(text)
    expressions = _Expressions(text)
    end = _name_end(text, expressions)
    if end == 0:
        return None
    scanner = _Scanner(text, end, expressions)
    return Command(text[:end], scanner.parameters(), tuple(scanner.warnings))


def parse_call(text: str) -> Command:
    """Split a command in call form without blanks, `pause(msg="hold")`."""
    end = text.index("(")
    scanner = _Scanner(text, end, _Expressions(text))
    return Command(text[:end], scanner.parameters(), tuple(scanner.warnings))


def parse_parameters(text: str) -> Command:
    """Read parameters that follow no name, `count=3 delay=1`; the name of the result is empty."""
    scanner = _Scanner(text, 0, _Expressions(text))
    return Command("", scanner.parameters(), tuple(scanner.warnings))


def expression_end(text: str, start: int) -> int:
    """Where the expression that opens at `start` ends; -1 if none opens there or it is not closed."""
    return _Expressions(text).end(start)


class _Expressions:
    """Finds the ends of the expressions in one text.

    A delimiter inside a text of the expression does not close it, nor do braces inside a Jinja literal.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._last: dict[str, int] = {}
        self._is_regular = True

    def end(self, start: int) -> int:
        """Where the expression that opens at `start` ends; -1 if none opens there or it is not closed."""
        opening = self._text[start : start + 2]
        closing = CLOSINGS.get(opening)
        if closing is None:
            return -1
        if opening not in self._last:
            self._last[opening] = self._text.rfind(closing)
        if self._last[opening] < start + 2:
            return -1
        end = self._real_end(start + 2, opening, closing) if self._is_regular else -1
        if end < 0:
            # One unbalanced expression is enough to go by the first delimiter from here on: looking
            # through the whole text again for every further one would take a quadratic time.
            self._is_regular = False
            end = self._text.find(closing, start + 2)
        return end + 2

    def _real_end(self, index: int, opening: str, closing: str) -> int:
        text = self._text
        quote = ""
        depth = 0
        while index < len(text):
            found = text[index]
            if quote:
                if found == "\\":
                    index += 1
                elif found == quote:
                    quote = ""
            elif depth == 0 and text.startswith(closing, index):
                return index
            elif found in "\"'":
                quote = found
            elif opening == "{{" and found in "{[(":
                depth += 1
            elif opening == "{{" and found in "}])":
                depth = max(0, depth - 1)
            index += 1
        return -1


def _name_end(text: str, expressions: _Expressions) -> int:
    """Where the name at the start of a command ends; 0 if there is none."""
    end = expressions.end(0)
    if end > 0 and not text.startswith("{%"):
        return end
    index = max(end, 0)
    if index == 0 and not _NAME_START.match(text):
        return 0
    while (part := _NAME_PART.match(text, index)) and (index := part.end()) < len(text):
        if text[index] in _NAME_STOPS or text[index].isspace():
            break
        end = expressions.end(index)
        index = end if end > 0 else index + 1
    return index


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


_JSON: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def parse_json(text: str) -> Json:
    """Read JSON as its standard has it, without NaN and infinities (ValueError if it is none)."""
    return _JSON.decode(text)


class _Scanner:
    """Reads the parameters of one command from left to right."""

    def __init__(self, text: str, start: int, expressions: _Expressions) -> None:
        self.warnings: list[InlineWarning] = []
        self._text = text
        self._position = start
        self._is_call = text[start : start + 1] == "("
        self._last_bracket = text.rfind("]")
        self._expressions = expressions
        self._quote_ends: dict[str, tuple[list[int], list[int]]] = {}

    def parameters(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        while key := _KEY.search(self._text, self._position):
            self._note_ignored(key.start())
            name, start = key.group(1), key.end()
            self._position = start
            if start == len(self._text) or self._text[start].isspace():
                self._warn(f"the parameter {name!r} has no value and is left out", key.start(), name)
                continue
            if name in found:
                self._warn(f"the parameter {name!r} is given twice; the later one counts", key.start(), name)
            is_read, value = self._value(name)
            if is_read:
                found[name] = value
        self._note_ignored(len(self._text))
        return found

    def _warn(self, message: str, offset: int, text: str) -> None:
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(InlineWarning(message, offset, text))

    def _note_ignored(self, end: int) -> None:
        skipped = self._text[self._position : end]
        if skipped in ("", " "):
            return
        ignored = skipped.strip(" \t\r\n,()" if self._is_call else " \t\r\n,")
        if ignored:
            offset = self._position + skipped.index(ignored)
            self._warn(
                f"{_short(ignored)} is ignored: write key=value without blanks around `=`, and a value "
                "that has blanks in it, or text around an expression, in quotes",
                offset,
                ignored,
            )

    def _value(self, name: str) -> tuple[bool, Json]:
        """Whether the value at the current position could be read, and the value."""
        text, start = self._text, self._position
        first = text[start]
        if first in _TYPOGRAPHIC or first in "\"'":
            return True, self._quoted()
        end = -1 if text.startswith("{%", start) else self._expressions.end(start)
        if end > 0:
            self._position = end
            return True, text[start:end]
        if first == "[" and self._last_bracket > start:
            return True, self._list()
        if first == "{" and not text.startswith(("{{", "{%"), start):
            return self._map(name)
        literal = _LITERAL.match(text, start)
        if literal:
            self._position = literal.end()
            return True, _number(literal.group())
        return True, self._word()

    def _list(self) -> Json:
        text, start = self._text, self._position
        try:
            value, end = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = self._last_bracket + 1
            self._position = end
            return text[start:end]
        self._position = end
        return value

    def _map(self, name: str) -> tuple[bool, Json]:
        text, start = self._text, self._position
        advice = "give maps in `input:`"
        try:
            value, end = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = text.find("}", start) + 1 or len(text)
            self._position = end
            piece = text[start:end]
            self._warn(
                f"the parameter {name!r} is left out: {_short(piece)} is no JSON; {advice}", start, piece
            )
            return False, None
        self._position = end
        piece = text[start:end]
        self._warn(f"{_short(piece)} is read as JSON; {advice}", start, piece)
        return True, value

    def _word(self) -> str:
        """Everything up to the next blank; blanks inside an expression do not count."""
        text, start = self._text, self._position
        index = start
        while index < len(text) and not text[index].isspace():
            if self._is_call and text[index] in ",)":
                break
            end = self._expressions.end(index)
            index = end if end > 0 else index + 1
        self._position = index
        word = text[start:index]
        self._warn(f"{_short(word)} is taken as a text: put it into quotes", start, word)
        return word

    def _quoted(self) -> str:
        text, start = self._text, self._position
        opening = text[start]
        is_double = opening == '"' or opening in TYPOGRAPHIC_DOUBLE
        straight = '"' if is_double else "'"
        typographic = TYPOGRAPHIC_DOUBLE if is_double else TYPOGRAPHIC_SINGLE
        if opening == straight:
            end, unescaped = self._straight_end(start, straight, typographic)
        else:
            self._warn_typographic(start)
            end, unescaped = self._typographic_end(start, straight, typographic), True
        if end < 0:
            self._warn(f"the quote {opening} is not closed; everything after it is taken", start, opening)
            self._position = len(text)
            return text[start + 1 :].rstrip()
        if text[end] != straight:
            self._warn_typographic(end)
        value = text[start + 1 : end]
        if unescaped:
            value = value.replace("\\" + straight, straight)
        self._position = end + 1
        while self._position < len(text) and text[self._position] in _TYPOGRAPHIC:
            self._warn_typographic(self._position)
            self._position += 1
        return value

    def _straight_end(self, start: int, straight: str, typographic: str) -> tuple[int, bool]:
        """The end of a text in straight quotes, and whether escaped quotes in it count as such.

        A quote that nothing sensible follows gives way to a typographic one before it, and then to the
        first quote at all (so that a text may end in a backslash).
        """
        text = self._text
        closing = text.find(straight, start + 1)
        first = closing
        while closing >= 0 and text[closing - 1] == "\\":
            closing = text.find(straight, closing + 1)
        if closing >= 0 and _is_end(text, closing + 1):
            return closing, True
        better = _next(self._ends(typographic)[0], start)
        if better >= 0 and (closing < 0 or better < closing):
            return better, True
        return first, False

    def _typographic_end(self, start: int, straight: str, typographic: str) -> int:
        """The first quote before a further parameter or the end; else before a blank; else the last."""
        strong, weak = self._ends(typographic + straight)
        end = _next(strong, start)
        if end < 0:
            end = _next(weak, start)
        if end < 0:
            end = max(self._text.rfind(quote) for quote in typographic + straight)
        return end if end > start else -1

    def _ends(self, quotes: str) -> tuple[list[int], list[int]]:
        """Where one of the quotes may end a value: for sure, and possibly."""
        found = self._quote_ends.get(quotes)
        if found is None:
            text = self._text
            places = [
                index
                for index, letter in enumerate(text)
                if letter in quotes and not (letter in "\"'" and text[index - 1] == "\\")
            ]
            strong = [index for index in places if _STRONG_END.match(text, index + 1)]
            weak = [index for index in places if _is_end(text, index + 1)]
            found = self._quote_ends[quotes] = (strong, weak)
        return found

    def _warn_typographic(self, offset: int) -> None:
        quote = self._text[offset]
        straight = '"' if quote in TYPOGRAPHIC_DOUBLE else "'"
        self._warn(f"the typographic quote {quote} is taken as a quote: write {straight}", offset, quote)


def _next(places: list[int], start: int) -> int:
    index = bisect.bisect_right(places, start)
    return places[index] if index < len(places) else -1


def _is_end(text: str, index: int) -> bool:
    return index >= len(text) or text[index].isspace() or text[index] in ",)" or text[index] in _TYPOGRAPHIC


def _number(text: str) -> Json:
    """A JSON literal; what JSON does not take (`007`, a number beyond all bounds) stays text."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _short(text: str) -> str:
    return f"`{text}`" if len(text) <= 40 else f"`{text[:40]}…`"
