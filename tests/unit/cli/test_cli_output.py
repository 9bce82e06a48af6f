"""Writers of tables and other forms, apart from the commands."""

from __future__ import annotations

import datetime
import io
import subprocess

import pytest

from maestrale.cli.output import Style, cut, duration, json_text, write_list, write_one


def one(style: Style, **cells: str | int | None) -> str:
    out = io.StringIO()
    write_one(list(cells), list(cells.values()), style, out)
    return out.getvalue()


def many(style: Style, *rows: list[str | int | None]) -> str:
    out = io.StringIO()
    write_list([f"H{place}" for place in range(len(rows[0]))], rows, style, out)
    return out.getvalue()


def ago(seconds: float) -> str:
    moment = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def test_numbers_stand_on_the_right() -> None:
    assert many(Style(), [1, "a", True], [100, "b", None]) == (
        "+-----+----+------+\n"
        "|  H0 | H1 | H2   |\n"
        "+-----+----+------+\n"
        "|   1 | a  | True |\n"
        "| 100 | b  | None |\n"
        "+-----+----+------+\n"
    )


def test_wide_characters_keep_the_frame_straight() -> None:
    assert one(Style(), a="日本語", b="é") == (
        "+-------+--------+\n"
        "| Field | Value  |\n"
        "+-------+--------+\n"
        "| a     | 日本語 |\n"
        "| b     | é      |\n"
        "+-------+--------+\n"
    )
    narrow = one(Style(max_width=30), a="日本語 " * 10)
    assert narrow.count("| 日本語 日本語      |\n") == 5


def test_a_cell_does_not_steer_the_terminal() -> None:
    assert r"\x1b[2J\x07" in one(Style(), a="\x1b[2J\x07")


def test_shell_variables_survive_eval() -> None:
    value = 'a "b" $(touch x) `touch y` \\ $HOME !'
    text = one(Style("shell", prefix="my_"), **{"State info": value})
    assert text.startswith('my_state_info="')
    shown = subprocess.run(
        ["sh", "-c", f'{text}printf %s "$my_state_info"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == value


def test_rows_are_sorted_with_the_missing_last() -> None:
    rows: list[list[str | int | None]] = [["b", 2], [None, 1], ["a", 2], ["c", None]]
    assert many(Style("value", sort_columns=("h0",)), *rows) == "a 2\nb 2\nc None\nNone 1\n"
    assert many(Style("value", sort_columns=("H1", "H0")), *rows) == "None 1\na 2\nb 2\nc None\n"
    assert many(Style("value", sort_columns=("no such",)), *rows) == "b 2\nNone 1\na 2\nc None\n"


@pytest.mark.parametrize(
    ("begin", "end", "running", "text"),
    [
        ("2026-11-23 20:09:36", "2026-11-23 20:09:38", False, "0:00:02"),
        ("2026-11-23 20:09:36", "2026-11-25 21:09:38", False, "2 days, 1:00:02"),
        ("2026-11-23T20:09:36.9", "2026-11-23T20:09:38.1Z", False, "0:00:02"),
        ("2026-11-23 20:09:36", None, False, "0:00:00"),
        (None, None, True, ""),
        ("no time", None, True, ""),
    ],
)
def test_durations(begin: str | None, end: str | None, running: bool, text: str) -> None:
    assert duration(begin, end, running) == text


def test_durations_of_what_runs() -> None:
    assert duration(ago(0), None, True) == "..."
    assert duration(ago(-100), None, True) == "..."
    assert duration(ago(3700), ago(3600), True)[:6] == "1:01:4"
    assert duration(ago(3700), None, True).endswith("...")


def test_texts_are_cut_and_json_is_indented() -> None:
    assert (cut("x" * 25), cut("x" * 26), cut(None)) == ("x" * 25, "x" * 25 + "...", None)
    assert json_text('{"b": "ü", "a": []}') == '{\n    "b": "\\u00fc",\n    "a": []\n}\n'
    assert json_text(None) == "\n"
