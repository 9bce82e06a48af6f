"""Where the commands stand that ask a server. A start loads the one module that has the command it is for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from maestrale.cli.commands import Row, Section

MODULES: Final = {
    "workflow": "workflows",
    "workbook": "workbooks",
    "execution": "executions",
    "task": "tasks",
    "run": "actions",
    "action": "actions",
    "environment": "environments",
    "cron": "triggers",
    "event": "triggers",
    "member": "members",
    "code": "code_sources",
    "dynamic": "code_sources",
    "why": "why",
    "service": "maintenance",
    "maintenance": "maintenance",
}
"""The module `commands_*` by the first word of a command, in the order of the help."""


@cache
def sections() -> tuple[Section, ...]:
    """All of them, as the help shows them."""
    return tuple(section for name in dict.fromkeys(MODULES.values()) for section in _sections(name))


@cache
def rows() -> dict[str, Row]:
    """All commands by their names."""
    return {row.name: row for section in sections() for row in section.rows}


def find(name: str) -> Row | None:
    """The command of that name."""
    module = MODULES.get(name.partition("-")[0])
    found = (row for section in _sections(module) for row in section.rows) if module else ()
    return next((row for row in found if row.name == name), None)


def spelled(words: Sequence[str]) -> tuple[str, int] | None:
    """The command that `words` begin with in the words of the `openstack` client, and how many it takes."""
    names = {row.words: row.name for row in rows().values() if row.words}
    for count in range(min(len(words), 5), 1, -1):
        spelling = " ".join(words[:count])
        if spelling in names:
            return names[spelling], count
    return None


def _sections(module: str) -> tuple[Section, ...]:
    found: tuple[Section, ...] = import_module(f"maestrale.cli.commands_{module}").SECTIONS
    return found
