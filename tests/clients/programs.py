"""The programs `mistral` and `openstack`, asked with the words of `mistral` commands."""

from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path
from typing import Any

import yaml
from original import Original

from processes.command import Ran

LISTING = ("table", "json", "yaml", "csv", "value")
SHOWING = ("table", "json", "yaml", "shell", "value")
Row = dict[str, Any]


class Program:
    """One of the programs, for one service. `options` come before each command."""

    def __init__(self, original: Original, name: str, *options: str, **environment: str) -> None:
        self.name = name
        self.original = original
        self.options = options
        self.environment = environment
        places = {place: command for command, place in original.ask(do="commands", program=name).items()}
        self._words = {
            command: places[place].split(" ")
            for command, place in original.ask(do="commands", program="mistral").items()
            if place in places
        }

    def has(self, command: str) -> bool:
        """Whether it knows this command of `mistral`, under whatever name."""
        return command in self._words

    def words(self, command: str, *words: str) -> list[str]:
        """The arguments to start the program with."""
        self.original.asked.add(command)
        return [*self.options, *self._words[command], *words]

    def __call__(self, command: str, *words: str, code: int = 0) -> Ran:
        """Run a command, which must end with this code."""
        ran = self.original.run(self.name, self.words(command, *words), self.environment)
        assert ran.code == code, ran
        return ran

    def out(self, command: str, *words: str) -> str:
        """What a command that must succeed prints."""
        return self(command, *words).out

    def row(self, command: str, *words: str) -> Row:
        """The object that a command shows."""
        found = json.loads(self.out(command, *words, "-f", "json"))
        assert isinstance(found, dict)
        return found

    def rows(self, command: str, *words: str) -> list[Row]:
        """The objects that a command lists; it shows nothing as one object of empty texts."""
        found = json.loads(self.out(command, *words, "-f", "json"))
        assert isinstance(found, list)
        return [] if len(found) == 1 and not any(found[0].values()) else found

    def show_everywhere(self, command: str, *words: str) -> Row:
        """What a command shows of an object, after holding all formats against each other."""
        texts = {form: self.out(command, *words, "-f", form) for form in SHOWING}
        row: Row = json.loads(texts["json"])
        assert yaml.safe_load(texts["yaml"]) == row
        values = "\n".join(str(value) for value in row.values())
        assert texts["value"] == f"{values}\n"
        for name, value in row.items():
            quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
            assert f'{name.lower().replace(" ", "_")}="{quoted}"' in texts["shell"]
        assert _table(texts["table"]) == [
            [name if number == 0 else "", line]
            for name, value in [("Field", "Value"), *row.items()]
            for number, line in enumerate(_lines(value))
        ]
        return row

    def list_everywhere(self, command: str, *words: str) -> list[Row]:
        """What a command lists, after holding all formats against each other."""
        texts = {form: self.out(command, *words, "-f", form) for form in LISTING}
        rows: list[Row] = json.loads(texts["json"])
        assert yaml.safe_load(texts["yaml"]) == rows
        cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
        assert list(csv.reader(io.StringIO(texts["csv"]))) == [list(rows[0]), *cells]
        assert texts["value"].splitlines() == [" ".join(str(value) for value in row.values()) for row in rows]
        assert _table(texts["table"]) == [
            list(rows[0]),
            *([str(value).strip() for value in row.values()] for row in rows),
        ]
        return rows


def claimed() -> set[str]:
    """All methods and commands that tests say they ask for; each of them proves it."""
    modules = [importlib.import_module(path.stem) for path in Path(__file__).parent.glob("test_*.py")]
    tests = [value for module in modules for value in vars(module).values() if callable(value)]
    marks = [mark for test in tests for mark in getattr(test, "pytestmark", []) if mark.name == "asks"]
    return {name for mark in marks for name in mark.args}


def _lines(value: Any) -> list[str]:
    return [line.strip() for line in str(value).split("\n")]


def _table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
