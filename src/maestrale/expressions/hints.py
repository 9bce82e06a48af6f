"""What authors mean who write what no parser takes: habits from the other language, and from Python."""

from __future__ import annotations

import re
from typing import Final

_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`""", re.DOTALL)
_LONGEST: Final = 2000
"""Characters of an expression: looking for quotes takes the square of its length."""

_TAGS: Final = re.compile(r"\{\{|\}\}|\{%|%\}")
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}

_Hints = tuple[tuple[re.Pattern[str], str], ...]

_YAQL: Final[_Hints] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"={2,3}", "values are compared with a single ="),
        (r"&&", "write 'and'"),
        (r"\|\|", "write 'or'"),
        (r"\|", "filters are Jinja's: write value.function()"),
        (r"!", "write 'not'"),
        (r"\?", "write switch(condition => value, true => other)"),
        (r"if\b", "write switch(condition => value, true => other)"),
        (r"is\b", "write = null, or != null"),
        (r"not\s+in\b", "write not (x in list)"),
        (r"for\b", "write list.where(condition).select(value)"),
        (r"%", "write 'mod' for the rest of a division"),
        (r"\*\*", "write pow(base, exponent)"),
        (r"//", "/ of whole numbers is a whole number"),
        (r"@", "texts need quotes"),
        (r"#", "there are no comments in expressions"),
        (r";", "an expression is one value"),
        (r"\{", "texts take no expressions: join them with +, or use str(value)"),
    )
)

_JINJA: Final[_Hints] = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"\$", "$ is YAQL's: variables are read as _.name"),
        (r"=(?!=)", "values are compared with =="),
        (r"&", "write 'and'"),
        (r"\|\|", "write 'or'"),
        (r"!", "write 'not'"),
        (r"\?", "write: value if condition else other"),
        (r"for\b", "write {% for x in list %} ... {% endfor %}, or a filter: list | map(...) | list"),
    )
)

_JINJA_STARTS: Final[_Hints] = (
    (re.compile(r"for\b"), "a loop is written {% for x in list %} ... {% endfor %}"),
    (re.compile(r"if\b"), "write: value if condition else other"),
    (re.compile(r"set\b"), "write {% set name = value %}"),
    (re.compile(r"lambda\b"), "there are no functions to write; use filters such as map and select"),
)

PYTHON_FUNCTIONS: Final = {
    "len": "value | length", "str": "value | string", "int": "value | int", "float": "value | float",
    "list": "value | list", "sorted": "value | sort", "sum": "value | sum", "min": "value | min",
    "max": "value | max", "abs": "value | abs", "round": "value | round", "reversed": "value | reverse",
    "map": "value | map(...)", "filter": "value | select(...)",
}  # fmt: skip
"""What Jinja has as filters."""


def yaql_hint(text: str, offset: int) -> str:
    """What to write instead of what stands in a YAQL expression at this place; empty if nobody knows."""
    if len(text) > _LONGEST:
        return ""
    if offset >= len(text):
        return _unclosed(text) or "something is missing at the end"
    if text[offset] in "'\"`":
        return "" if _QUOTED.match(text, offset) else "a quote is not closed"
    if text[offset] == ":":
        inside = _innermost(text[:offset])
        return "write key => value" if inside == "{" else "a part of a list is list.skip(n).limit(m)"
    before = text[:offset].rstrip()
    if text[offset] in "*/=|&" and before.endswith(text[offset]):  # the parser stops at the second one
        offset = len(before) - 1
        text = text[:offset] + re.sub(r"\s+", "", text[offset : offset + 3]) + text[offset + 3 :]
    if re.search(r"\blambda$", before):
        return "write the value itself, with $ for each element"
    return _first(_YAQL, text, offset)


def jinja_hint(text: str, offset: int | None) -> str:
    """The same for a text with Jinja; without a place only for how it begins and for how it ends."""
    if len(text) > _LONGEST:
        return ""
    if unclosed := _unclosed(_TAGS.sub("  ", text)):
        return unclosed
    start = _first(_JINJA_STARTS, text.removeprefix("{{").lstrip(), 0)
    if offset is None or start:
        return start
    if text[offset : offset + 1] in ("'", '"'):
        return "" if _QUOTED.match(text, offset) else "a quote is not closed"
    return _first(_JINJA, text, offset)


def _first(hints: _Hints, text: str, offset: int) -> str:
    return next((hint for pattern, hint in hints if pattern.match(text, offset)), "")


def _unclosed(text: str) -> str:
    opened = _open(text)
    if not opened:
        return ""
    return f"a '{text[opened[-1]]}' is not closed"


def _innermost(text: str) -> str:
    opened = _open(text)
    return text[opened[-1]] if opened else ""


def _open(text: str) -> list[int]:
    """The places of brackets that are not closed."""
    bare = _QUOTED.sub(lambda found: " " * len(found[0]), text)
    opened: list[int] = []
    for offset, character in enumerate(bare):
        if character in _CLOSING:
            opened.append(offset)
        elif opened and character == _CLOSING[bare[opened[-1]]]:
            opened.pop()
    return opened
