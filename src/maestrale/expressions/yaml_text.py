"""YAML inside expressions: read without anchors, written in block style."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from maestrale.model.values import Json

_BRACKET: Final = re.compile(r"[\[\]{}]")
_STEPS_PER_CHARACTER: Final = 8


class _PlainAnchorLoader(yaml.SafeLoader):
    """YAML 1.1 in which `&x` and `*x` are ordinary text, so that no document can blow itself up.

    `@` may begin a text, too.
    """

    def fetch_alias(self) -> None:
        self.fetch_plain()

    def fetch_anchor(self) -> None:
        self.fetch_plain()

    def check_plain(self) -> bool:
        return bool(super().check_plain()) or self.peek() == "@"


class _BlockDumper(yaml.SafeDumper):
    """Writes shared data as often as it occurs: anchors would not be read back."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def steps_of(text: str) -> int:
    """Steps that parsing costs; in nested brackets every token is looked at once for each level."""
    depth = deepest = brackets = 0
    for bracket in _BRACKET.finditer(text):
        brackets += 1
        depth += 1 if bracket[0] in "[{" else -1
        deepest = max(depth, deepest)
    return len(text) * _STEPS_PER_CHARACTER + deepest * brackets


def parse_yaml(text: str) -> Json:
    """The value of one YAML document (dates come as date objects).

    Raises `ValueError` that says where the text is no YAML; it does not quote the text.
    """
    try:
        return yaml.load(text, Loader=_PlainAnchorLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ValueError(f"yaml_parse(): {error.problem or error.context}{place}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"yaml_parse(): {str(error).splitlines()[0]}") from None


def dump_yaml(data: Json) -> str:
    """Block-style YAML text with sorted keys."""
    return yaml.dump(data, Dumper=_BlockDumper, default_flow_style=False)
