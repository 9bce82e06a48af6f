"""Every command of the original client is here, with its arguments, options and columns."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

import click
import pytest

from maestrale.cli import catalogue
from maestrale.cli.commands import ListRow, Row, ShowRow, TableRow, ValidateRow
from maestrale.cli.connection import global_options
from maestrale.cli.main import TREE
from maestrale.cli.output import LIST_FORMATS, SHOW_FORMATS

LISTS: Final = ("--marker", "--limit", "--sort_keys", "--sort_dirs", "--filter")
OUTPUT: Final = (
    "-f",
    "--format",
    "-c",
    "--column",
    "--noindent",
    "--max-width",
    "--fit-width",
    "--print-empty",
)
OF_LISTS: Final = (*OUTPUT, "--quote", "--sort-column", "--sort-ascending", "--sort-descending")
HERE: Final = Path(__file__).parent


class Command(NamedTuple):
    """One line of the table."""

    name: str
    words: str
    arguments: list[str]
    options: list[str]
    kind: str
    columns: list[str]


def _read() -> list[Command]:
    text = (HERE / "mistral_commands.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [
        Command(name, words, arguments.split(), options.split(), kind, [c for c in columns.split(", ") if c])
        for name, words, arguments, options, kind, columns in cells
    ]


ROWS: Final = catalogue.rows()
COMMANDS: Final = _read()
ON_ROWS: Final = [command for command in COMMANDS if command.name in ROWS]


def test_all_are_here() -> None:
    context = click.Context(TREE)
    assert len(COMMANDS) == 74
    assert [command.name for command in COMMANDS if TREE.get_command(context, command.name) is None] == []
    assert {command.name for command in COMMANDS} - {command.name for command in ON_ROWS} == {
        "bash-completion"
    }


@pytest.mark.parametrize("command", ON_ROWS, ids=lambda command: command.name)
def test_a_command_is_as_it_was(command: Command) -> None:
    row = ROWS[command.name]
    if command.words:
        assert row.words == command.words
    made = TREE.get_command(click.Context(TREE), command.name)
    assert made is not None
    options = {
        flag for p in made.params if isinstance(p, click.Option) for flag in (*p.opts, *p.secondary_opts)
    }
    assert _wanted_options(command) - options == set()
    positional = [p for p in made.params if isinstance(p, click.Argument)]
    shape = [("+" if p.nargs == -1 else "") + ("" if p.required else "?") for p in positional]
    assert shape == _wanted_shape(command)
    assert _columns(row, command.kind) == command.columns


def _wanted_options(command: Command) -> set[str]:
    wanted = {option for option in command.options if option != "@"}
    wanted |= set(LISTS) if "@" in command.options else set()
    wanted |= set(OF_LISTS) if command.kind == "list" else set()
    return wanted | ({*OUTPUT, "--prefix"} if command.kind == "show" else set())


def _wanted_shape(command: Command) -> list[str]:
    """Those that filters may name can be left out here."""
    by_filter = {"execution-delete": ["+?"], "execution-update": ["?"]}
    shape = [argument[-1] if argument[-1] in "+?" else "" for argument in command.arguments]
    return by_filter.get(command.name, shape)


def _columns(row: Row, kind: str) -> list[str]:
    match row:
        case ListRow() | TableRow():
            assert kind == "list"
            return [column.heading for column in row.columns if column.listed]
        case ShowRow():
            assert kind == "show"
            return [column.heading for column in row.columns]
        case ValidateRow():
            return ["Valid", "Error"]
    assert kind in ("raw", "delete")
    assert row.output_options == ()
    return []


def test_the_formats_are_those_of_the_original() -> None:
    assert set(LIST_FORMATS) == {"table", "json", "yaml", "csv", "value"}
    assert set(SHOW_FORMATS) == {"table", "json", "yaml", "shell", "value"}


def test_no_global_option_is_missing() -> None:
    flags = {flag for option in global_options() for flag in option.opts}
    assert set((HERE / "mistral_options.txt").read_text().split()) - flags == set()


def test_openstack_has_seventy_of_them() -> None:
    """The four others have no name there; all but `bash-completion` have one here."""
    words = [command.words for command in COMMANDS if command.words]
    assert len(words) == len(set(words)) == 70
