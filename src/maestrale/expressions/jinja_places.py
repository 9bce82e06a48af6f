"""Where a Jinja expression failed: the template engine tells lines only, so names show the column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from jinja2 import Environment, TemplateSyntaxError

from maestrale.model.errors import Place

_QUOTED_NAME: Final = re.compile(r"(?:filter|test) (?:named )?'([^']+)'")
_OPERATOR: Final = re.compile(r"operand type\(s\) for (\S+):|^'(<=?|>=?)' not supported")
_CONCATENATION: Final = re.compile(r"^can(?:not| only) concatenate ")
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
    found = [
        place
        for place, kind, value in _places(environment, text, is_text)
        if line in (None, place.line) and kind in kinds and value.strip("'\"") == word
    ]
    return found[0] if len(found) == 1 else unsure


def _culprit(error: BaseException) -> tuple[str, Iterable[str]]:
    """The word, and the kinds of tokens that it may be."""
    cause = error.args[0] if error.args else ""
    if isinstance(cause, NamedCause):
        return cause.name, ("name", "string")
    text = str(error)
    if isinstance(error, TemplateSyntaxError) and (named := _QUOTED_NAME.search(text)):
        return named[1], ("name",)
    if operator := _OPERATOR.search(text):
        return operator[1] or operator[2], ("operator",)
    return ("+" if _CONCATENATION.match(text) else ""), ("operator",)


def _places(environment: Environment, text: str, is_text: bool) -> Iterator[tuple[Place, str, str]]:
    """Every token with its place; none if the lexer leaves something out, so that nobody can know."""
    whole = text if is_text else f"{{{{{text}}}}}"
    tokens: list[Token] = list(environment.lex(whole))
    if not whole.startswith("".join(value for _, _, value in tokens)):
        return
    offset = 0 if is_text else -2
    for _, kind, value in tokens:
        yield Place.at(text, offset), kind, value
        offset += len(value)
