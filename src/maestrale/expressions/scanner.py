"""Where expressions stand in a text; knows the delimiters and nothing of what is between them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_YAQL_BODY: Final = re.compile(
    r"""(?: [^'"`%] | %(?!>)
      | '(?:[^'\\]|\\.)*+' | "(?:[^"\\]|\\.)*+" | `(?:[^`\\]|\\.)*+`
    )*+ %>""",
    re.VERBOSE,
)
"""The rest of an expression up to its end; an end inside a quoted string is none."""

_JINJA_STEP: Final = re.compile(
    r"""(?P<end>\}\}|%\}) | '(?:[^'\\\n]|\\[^\n])*+' | "(?:[^"\\\n]|\\[^\n])*+" | (?P<quote>['"]) | .""",
    re.VERBOSE | re.DOTALL,
)
_JINJA_ENDS: Final = {"{{": "}}", "{%": "%}"}


class Span(NamedTuple):
    """One `<% ... %>` of a text: `text[start:end]` with the delimiters."""

    start: int
    end: int


def has_yaql(text: str) -> bool:
    """Whether `<%` is followed by `%>` somewhere in the text."""
    start = text.find("<%")
    return start >= 0 and text.find("%>", start + 2) >= 0


def yaql_spans(text: str) -> list[Span]:
    """All `<% ... %>` of a text from left to right.

    If the quotes inside do not match, an expression ends at the next `%>`, and its parser complains.
    """
    spans: list[Span] = []
    start = text.find("<%")
    while start >= 0:
        body = _YAQL_BODY.match(text, start + 2)
        if body is None and text.find("%>", start + 2) < 0:
            break
        end = body.end() if body else text.index("%>", start + 2) + 2
        spans.append(Span(start, end))
        start = text.find("<%", end)
    return spans


def has_jinja(text: str) -> bool:
    """Whether the text holds a complete `{{ }}` or `{% %}`.

    They may span lines, but a quoted string in them must not: such a text has always been passed on
    as it is, and there are workflows that hand templates to other programs.
    """
    if "{{" not in text and "{%" not in text:
        return False
    return any(_closes_in(line) for line in text.split("\n")) or _closes_over_lines(text)


def _closes_in(line: str) -> bool:
    for opening, closing in _JINJA_ENDS.items():
        start = line.find(opening)
        if start >= 0 and line.find(closing, start + 2) >= 0:
            return True
    return False


def _closes_over_lines(text: str) -> bool:
    starts = [start for opening in _JINJA_ENDS if (start := text.find(opening)) >= 0]
    wanted = _JINJA_ENDS[text[min(starts) : min(starts) + 2]]
    for step in _JINJA_STEP.finditer(text, min(starts) + 2):
        if step["end"] == wanted:
            return True
        if step["quote"]:
            return False
    return False
