"""Where a Jinja expression failed: the template engine tells lines only, so names show the column."""

from __future__ import annotations

import re
from typing import Final

from jinja2 import Environment, TemplateSyntaxError

from maestrale.model.errors import Place

UNKNOWN: Final = re.compile(r"No (filter|test) named '([^']+)'")
_OPERATOR: Final = re.compile(r"operand type\(s\) for (\S+):|^'(<=?|>=?)' not supported")
_CONCATENATION: Final = re.compile(r"^can(?:not| only) concatenate ")
CHARACTER_PLACE: Final = re.compile(r"(?<=^unexpected char ...) at (\d+)$")
"""At the end of a message about a character that is none of the language."""

_UNEXPECTED: Final = re.compile(r"got '(.+)'$|^unexpected '(.+?)'")
_ENDS: Final[dict[str, tuple[str, ...]]] = {
    "end of print statement": ("variable_end",),
    "end of statement block": ("block_end",),
}
_WORDS: Final[tuple[str, ...]] = ("name", "operator", "integer", "string")
_TAGS: Final = ("{{", "{%", "{#")

Token = tuple[int, str, str]
"""Line, kind and text, as the lexer gives them."""


class NamedCause(str):
    """A cause that is the lack of a name."""

    name: str

    def __new__(cls, text: str, name: object) -> NamedCause:
        self = super().__new__(cls, text)
        self.name = str(name)
        return self


def place_of(environment: Environment, text: str, line: int | None, error: BaseException) -> Place | None:
    """Where the cause of an error stands in a text or in a single expression, in this line if one is known.

    Only the line if the word that is to blame is not known, or occurs more than once; None without a line.
    """
    unsure = None if line is None else Place(text, line, None)
    word, kinds = _culprit(error)
    if not word:
        return unsure
    is_text = any(tag in text for tag in _TAGS)
    found = _offsets_of(environment, text, is_text, word, kinds, line)
    return Place.at(text, found[0]) if len(found) == 1 else unsure


def grammar_offset(environment: Environment, text: str, error: TemplateSyntaxError) -> int | None:
    """The character, from 0, of a text that the parser did not expect; None if it is not known."""
    message = error.message or ""
    if found := CHARACTER_PLACE.search(message):
        return int(found[1])
    if found := _UNEXPECTED.search(message):
        word = found[1] or found[2]
        kinds = _ENDS.get(word, _WORDS)
        places = _offsets_of(environment, text, True, None if word in _ENDS else word, kinds, error.lineno)
    else:
        name, kinds = _culprit(error)
        places = _offsets_of(environment, text, True, name, kinds, error.lineno) if name else []
    return places[0] if len(places) == 1 else None


def _culprit(error: BaseException) -> tuple[str, tuple[str, ...]]:
    """The word, and the kinds of tokens that it may be."""
    cause = error.args[0] if error.args else ""
    if isinstance(cause, NamedCause):
        return cause.name, ("name", "string")
    text = str(error)
    if isinstance(error, TemplateSyntaxError) and (named := UNKNOWN.search(text)):
        return named[2], ("name",)
    if operator := _OPERATOR.search(text):
        return operator[1] or operator[2], ("operator",)
    return ("+" if _CONCATENATION.match(text) else ""), ("operator",)


def _offsets_of(
    environment: Environment,
    text: str,
    is_text: bool,
    word: str | None,
    kinds: tuple[str, ...],
    line: int | None,
) -> list[int]:
    """Where tokens of these kinds stand, in this line if one is given, with this text if one is given."""
    whole = text if is_text else f"{{{{{text}}}}}"
    try:
        tokens: list[Token] = list(environment.lex(whole))
    except TemplateSyntaxError:
        return []
    if not whole.startswith("".join(value for _, _, value in tokens)):
        return []  # the lexer leaves something out, so that nobody can know
    found = []
    offset = 0 if is_text else -2
    for number, kind, value in tokens:
        if kind in kinds and line in (None, number) and word in (None, value, value.strip("'\"")):
            found.append(offset)
        offset += len(value)
    return found
