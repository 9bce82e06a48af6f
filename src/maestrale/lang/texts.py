"""The definition text that is stored for each member of an uploaded text."""

from __future__ import annotations

from typing import Any, Final

import yaml

from maestrale.lang.spec import Path
from maestrale.lang.yaml import Document, load
from maestrale.model.values import Json

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDTH: Final = 1_000_000


def dump(data: Json) -> str:
    """YAML in block style with the order of the keys kept and no line folded."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=_WIDTH
    )
    return text


def cut_out(document: Document, path: Path) -> str:
    """The lines of the member at `path` (its last key and what belongs to it), moved to the left.

    What does not stand in lines of its own (flow style) is written anew.
    """
    key = path[-1]
    value = document.data
    for part in path:
        value = value[part]
    expected = {key: value}
    if isinstance(value, dict):
        text = _lines_of(document, path)
        if text and load(text).data == expected:
            return text
    return dump(expected)


def _lines_of(document: Document, path: Path) -> str:
    start, end = document.member_span(path)
    text = document.text
    line_start = text.rfind("\n", 0, start) + 1
    indent = start - line_start
    if text[line_start:start].strip(" "):
        return ""
    lines = [
        line[indent:] if not line[:indent].strip(" ") else line.lstrip(" ")
        for line in text[line_start:end].rstrip(" ").splitlines(keepends=True)
    ]
    while lines and (not lines[-1].strip() or lines[-1].startswith("#")):
        lines.pop()
    last = "".join(lines)
    return last if last.endswith("\n") else last + "\n"
