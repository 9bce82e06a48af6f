"""Writers of tables, JSON, YAML, CSV, plain values and shell variables.

The forms are those of the OpenStack command line tools, to the byte, because scripts read them.
"""

from __future__ import annotations

import datetime
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple, TextIO

Cell = str | int | float | bool | None
Cells = Sequence[Cell]

NONE: Final = "<none>"
CUT_AT: Final = 25
YOUNG: Final = datetime.timedelta(seconds=2)
"""Nobody needs the duration of what has just begun."""

LIST_FORMATS: Final = ("table", "json", "yaml", "csv", "value")
SHOW_FORMATS: Final = ("table", "json", "yaml", "shell", "value")
QUOTES: Final[dict[str, Literal[0, 1, 2, 3]]] = {"all": 1, "minimal": 0, "nonnumeric": 2, "none": 3}
"""Words for the quoting modes of the csv module."""


_SHELL_NAME: Final = str.maketrans(" :-", "___")
_SHELL_VALUE: Final = str.maketrans({character: f"\\{character}" for character in '"\\$`'})
"""All that a shell would not take literally between double quotes: the output may be given to `eval`."""

_INVISIBLE: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n"
}
"""Control characters in a cell must not steer the terminal."""


class Style(NamedTuple):
    """What a person asked of the output."""

    output_format: str = "table"
    columns: tuple[str, ...] = ()
    noindent: bool = False
    quote: str = "nonnumeric"
    prefix: str = ""
    max_width: int = 0
    fit_width: bool = False
    print_empty: bool = False
    sort_columns: tuple[str, ...] = ()
    descending: bool = False


class UnknownColumn(ValueError):
    """None of the columns asked for exists."""


def cut(text: str | None) -> str | None:
    """The beginning of a long text."""
    return f"{text[:CUT_AT]}..." if text and len(text) > CUT_AT else text


def folded(words: Sequence[str] | None) -> str:
    """The words of a list on short lines, `<none>` if there are none."""
    return textwrap.fill(", ".join(words or ()), CUT_AT) or NONE


def duration(begin: str | None, end: str | None, running: bool) -> str:
    """The time between two timestamps of the API, and up to now (`...` at the end) while `running`.

    What stands still without a second timestamp was never changed and took no time.
    """
    started = _moment(begin)
    if started is None:
        return ""
    if not running:
        return str((_moment(end) or started) - started)
    elapsed = datetime.datetime.now(datetime.UTC) - started
    return "..." if elapsed < YOUNG else f"{datetime.timedelta(seconds=int(elapsed.total_seconds()))}..."


def _moment(timestamp: str | None) -> datetime.datetime | None:
    """A timestamp of the API, which is in UTC and says so or not."""
    try:
        moment = datetime.datetime.fromisoformat(timestamp or "")
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return moment.replace(microsecond=0)


def json_text(value: Any) -> str:
    """JSON text of the API indented for reading; other text as it is."""
    try:
        return json.dumps(json.loads(value), indent=4) + "\n"
    except (TypeError, ValueError):
        return str(value) if value else "\n"


def write_list(headings: Sequence[str], rows: Sequence[Cells], style: Style, out: TextIO) -> None:
    """Write many objects, one per row."""
    rows = _sorted(headings, rows, style)
    places = _places(headings, style.columns)
    headings = [headings[place] for place in places]
    rows = [[row[place] for place in places] for row in rows]
    if style.output_format == "json":
        _write_json([dict(zip(headings, row, strict=True)) for row in rows], style, out)
    elif style.output_format == "yaml":
        _write_yaml([dict(zip(headings, row, strict=True)) for row in rows], out)
    elif style.output_format == "csv":
        _write_csv(headings, rows, style, out)
    elif style.output_format == "value":
        out.writelines(" ".join(map(str, row)) + "\n" for row in rows)
    elif rows or style.print_empty:
        right = [type(cell) in (int, float) for cell in rows[0]] if rows else []
        out.write(_table(headings, rows, right, 8, style))


def write_one(headings: Sequence[str], cells: Cells, style: Style, out: TextIO) -> None:
    """Write one object, one row per field."""
    places = _places(headings, style.columns)
    pairs = [(headings[place], cells[place]) for place in places]
    if style.output_format == "json":
        _write_json(dict(pairs), style, out)
    elif style.output_format == "yaml":
        for heading, cell in pairs:
            _write_yaml({heading: cell}, out)
    elif style.output_format == "shell":
        for heading, cell in pairs:
            name = heading.lower().translate(_SHELL_NAME)
            out.write(f'{style.prefix}{name}="{str(cell).translate(_SHELL_VALUE)}"\n')
    elif style.output_format == "value":
        out.writelines(f"{cell}\n" for _, cell in pairs)
    else:
        out.write(_table(("Field", "Value"), pairs, [], 16, style))


def _places(headings: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Which columns to show, in their own order; all if none are `wanted`."""
    asked = {_simple(column) for column in wanted}
    places = [place for place, heading in enumerate(headings) if not asked or _simple(heading) in asked]
    if not places:
        raise UnknownColumn(f"No column is named {' or '.join(wanted)}. Columns are: {', '.join(headings)}.")
    return places


def _sorted(headings: Sequence[str], rows: Sequence[Cells], style: Style) -> Sequence[Cells]:
    names = [_simple(heading) for heading in headings]
    for column in reversed(style.sort_columns):
        if _simple(column) in names:
            place = names.index(_simple(column))
            rows = sorted(rows, key=lambda row: _rank(row[place]), reverse=style.descending)
    return rows


def _rank(cell: Cell) -> tuple[bool, bool, Any]:
    """An order for cells of any type: numbers, texts, and what is missing last."""
    return cell is None, isinstance(cell, str), cell


def _simple(heading: str) -> str:
    return heading.lower().strip().replace(" ", "_")


def _write_json(document: Any, style: Style, out: TextIO) -> None:
    out.write(json.dumps(document, indent=None if style.noindent else 2) + "\n")


def _write_yaml(document: Any, out: TextIO) -> None:
    import yaml

    yaml.safe_dump(document, out, default_flow_style=False)


def _write_csv(headings: Sequence[str], rows: Sequence[Cells], style: Style, out: TextIO) -> None:
    import csv

    writer = csv.writer(out, quoting=QUOTES[style.quote], lineterminator=os.linesep, escapechar="\\")
    writer.writerow(headings)
    writer.writerows(rows)


def _table(
    headings: Sequence[str], rows: Sequence[Cells], right: Sequence[bool], narrowest: int, style: Style
) -> str:
    """An ASCII table; `right` marks right-aligned columns, no column is made narrower than `narrowest`."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(headings, *texts, strict=True)]
    total = _terminal_width(style)
    if total and sum(widths) + 3 * len(widths) + 1 > total:
        fitted = _fit(widths, total, narrowest)
        widths = [
            max(_width(heading), min(width, limit))
            for heading, width, limit in zip(headings, widths, fitted, strict=True)
        ]
    rule = "+" + "".join("-" * (width + 2) + "+" for width in widths)
    lines = [rule, *_row(headings, widths, right), rule]
    for row in texts:
        lines += _row(row, widths, right)
    return "\n".join((*lines, rule, ""))


def _row(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """The lines of one row, as many as its highest cell has."""
    columns = [_lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, columns))):
        line = "|"
        for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
            text = column[number] if number < len(column) else ""
            gap = " " * (width - _width(text))
            line += f" {gap}{text} |" if right and right[place] else f" {text}{gap} |"
        lines.append(line)
    return lines


def _text(cell: Cell) -> str:
    text = str(cell).replace("\r\n", "\n").replace("\r", " ").expandtabs()
    return text.translate(_INVISIBLE)


def _width(text: str) -> int:
    """The columns that the widest line of `text` takes on a terminal."""
    if text.isascii():
        return max(map(len, text.split("\n")))
    from rich.cells import cell_len

    return max(map(cell_len, text.split("\n")))


def _lines(text: str, width: int) -> list[str]:
    """The lines of `text`, none wider than `width`."""
    lines: list[str] = []
    for line in text.split("\n"):
        if _width(line) <= width:
            lines.append(line)
        elif _width(line) == len(line):
            parts = (part.rstrip() for part in textwrap.wrap(line, width))
            lines += [part for part in parts if part] or [""]
        else:
            lines += _wrap_wide(line, width)
    return lines


def _wrap_wide(line: str, width: int) -> list[str]:
    """Wrap a line in which characters may take two columns or none."""
    from rich.console import Console
    from rich.text import Text

    return [part.plain.rstrip() for part in Text(line).wrap(Console(width=width), width)]


def _terminal_width(style: Style) -> int:
    """The columns that a table may take, 0 for any number."""
    if style.max_width > 0:
        return style.max_width
    if style.fit_width or sys.stdout.isatty():
        try:
            return os.get_terminal_size().columns
        except OSError:
            return 0
    return 0


def _fit(widths: Sequence[int], total: int, narrowest: int) -> list[int]:
    """Widths that make a table `total` wide: columns above the average share what the others leave."""
    room = max(0, total - 1 - 3 * len(widths))
    average = room // len(widths)
    wide = [place for place, width in enumerate(widths) if width > average]
    rest = room - sum(width for width in widths if width <= average)
    share = rest // len(wide)
    fitted = list(widths)
    for place in wide[:-1]:
        fitted[place] = max(narrowest, share)
        rest -= share
    fitted[wide[-1]] = max(narrowest, rest)
    return fitted


def size_text(size: int) -> str:
    """A number of bytes, for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"
