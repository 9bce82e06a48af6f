"""From a place in a text value back to its place in the YAML source."""

from __future__ import annotations

from typing import Final

_ESCAPE_WIDTHS: Final = {"x": 4, "u": 6, "U": 10}


def index_of(source: str, start: int, value: str, offset: int) -> int:
    """The index in `source` of `value[offset]`, for a scalar written at `start` in any style."""
    index = start
    style = source[index : index + 1]
    if style in ("|", ">"):
        index = source.find("\n", index) + 1
    elif style in ('"', "'"):
        index += 1
    for count, wanted in enumerate(value[: offset + 1]):
        while True:
            found = source[index : index + 1]
            width = 1
            if found == "\\" and style == '"':
                escaped = source[index + 1 : index + 2]
                if escaped not in "\r\n":
                    width = _ESCAPE_WIDTHS.get(escaped, 2)
                    break
            elif found == wanted:
                width = 2 if found == "'" == style else 1
                break
            elif wanted in " \n" and found.isspace():
                break
            elif not found.isspace():
                return start
            index += 1
        if count == offset:
            return index
        index += width
    return index
