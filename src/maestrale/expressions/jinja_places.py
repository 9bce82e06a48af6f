"""Where a Jinja expression failed: the template engine tells lines only, so names show the column."""

from __future__ import annotations

import re
from typing import Final

from jinja2 import Environment, TemplateSyntaxError, filters

from maestrale.model.errors import Place

UNKNOWN: Final = re.compile(r"No (filter|test) named '([^']+)'")
Words = tuple[str, ...]

_CULPRITS: Final[list[tuple[re.Pattern[str], Words, Words]]] = [
    (re.compile(pattern), words, kinds)
    for pattern, words, kinds in (
        (r"^No (?:filter|test) named '([^']+)'", (), ("name",)),
        (r"operand type\(s\) for (\S+):", (), ("operator",)),
        (r"bad operand type for unary (.):", (), ("operator",)),
        (r"^'([<>]=?)' not supported", (), ("operator",)),
        (r"^can(?:not| only) concatenate ", ("+",), ("operator",)),
        (r"(?:division|modulo) by zero", ("/", "//", "%"), ("operator",)),
        (r"has no len\(\)", ("length", "count"), ("name",)),
        (r"^argument of type .* is not", ("in",), ("name",)),
        (r"^(?:sync_)?(?:do_|test_)?(\w+)\(\)[: ]", (), ("name",)),
    )
]
"""What a message is about: the words given here, or the one that it names; and the kinds of their tokens."""

_FUNCTION: Final = re.compile(r"(?:sync_)?do_(\w+)")

CHARACTER_PLACE: Final = re.compile(r"(?<=^unexpected char ...) at (\d+)$")
"""At the end of a message about a character that is none of the language."""

_UNEXPECTED: Final = re.compile(r"got '(.+)'$|^unexpected '(.+?)'")
_ENDS: Final[dict[str, Words]] = {
    "end of print statement": ("variable_end",),
    "end of statement block": ("block_end",),
}
_WORDS: Final[Words] = ("name", "operator", "integer", "string")
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
    words, kinds = _culprit(error)
    if not words:
        return unsure
    is_text = any(tag in text for tag in _TAGS)
    found = _offsets_of(environment, text, is_text, words, kinds, line)
    return Place.at(text, found[0]) if len(found) == 1 else unsure


def grammar_offset(environment: Environment, text: str, error: TemplateSyntaxError) -> int | None:
    """The character, from 0, of a text that the parser did not expect; None if it is not known."""
    message = error.message or ""
    if found := CHARACTER_PLACE.search(message):
        return int(found[1])
    if found := _UNEXPECTED.search(message):
        word = found[1] or found[2]
        kinds = _ENDS.get(word, _WORDS)
        places = _offsets_of(environment, text, True, () if word in _ENDS else (word,), kinds, error.lineno)
    else:
        words, kinds = _culprit(error)
        places = _offsets_of(environment, text, True, words, kinds, error.lineno) if words else []
    return places[0] if len(places) == 1 else None


def _culprit(error: BaseException) -> tuple[Words, Words]:
    """The words of which one is to blame, and the kinds of tokens that it may be."""
    cause = error.args[0] if error.args else ""
    if isinstance(cause, NamedCause):
        return (cause.name,), ("name", "string", "integer")
    if inside := _filter_of(error):
        return inside, ("name",)
    text = str(error)
    for pattern, words, kinds in _CULPRITS:
        if found := pattern.search(text):
            return (words or (found[1],)), kinds
    return (), ()


def _filter_of(error: BaseException) -> Words:
    """The name of the engine's own filter that raised the error, if one did."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filters.__file__ and (named := _FUNCTION.match(code.co_name)):
            return (named[1],)
        trace = trace.tb_next
    return ()


def _offsets_of(
    environment: Environment,
    text: str,
    is_text: bool,
    words: Words,
    kinds: Words,
    line: int | None,
) -> list[int]:
    """Where tokens of these kinds stand, in this line if one is given, and only these words if some are."""
    whole = text if is_text else f"{{{{ {text} }}}}"
    try:
        tokens: list[Token] = list(environment.lex(whole))
    except TemplateSyntaxError:
        return []
    if not whole.startswith("".join(value for _, _, value in tokens)):
        return []  # the lexer leaves something out, so that nobody can know
    found = []
    offset = 0 if is_text else -3
    for number, kind, value in tokens:
        if kind in kinds and line in (None, number) and (not words or value.strip("'\"") in words):
            found.append(offset)
        offset += len(value)
    return found
