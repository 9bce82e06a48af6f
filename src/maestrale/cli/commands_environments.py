"""Commands for environments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import Column, DeleteRow, Given, ListRow, Section, ShowRow, if_given
from maestrale.cli.commands_arguments import NAME, NAMES, fields_file

if TYPE_CHECKING:
    from maestrale.cli.commands import Fields


def _variables(environment: Fields, indent: int | None = 4) -> str:
    return json.dumps(json.loads(environment["variables"]), indent=indent)


def _attributes(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """What a file holds as it is sent; it is the server that says what is wrong with it."""
    sent: dict[str, Any] = json.loads(json.dumps(fields))
    return {"name": "", **sent}


COLUMNS: Final = (
    Column("name", "Name"),
    Column("description", "Description", if_given("description")),
    Column("variables", "Variables", _variables, listed=False),
    Column("scope", "Scope"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at", if_given("updated_at")),
)
EXPORTED: Final = (
    Column("name", "name"),
    Column("description", "description"),
    Column("scope", "scope"),
    Column("variables", "variables", lambda environment: _variables(environment, None)),
)
"""What a file for `environment-create` holds."""

FILE: Final = click.Argument(("fields",), type=fields_file, metavar="ENVIRONMENT_FILE")


@dataclass(kw_only=True, eq=False, repr=False)
class _GetRow(ShowRow):
    """Prints an environment, also in a form that can be read again."""

    def shown(self, given: Given) -> tuple[Column, ...]:
        return EXPORTED if given["export"] else self.columns


SECTION: Final = Section(
    "Environments",
    (
        ListRow(
            name="environment-list",
            words="workflow env list",
            help="List environments.",
            columns=COLUMNS,
            call=lambda client, listing: client.environments.list(**listing),
        ),
        _GetRow(
            name="environment-get",
            words="workflow env show",
            help="Show an environment.",
            arguments=(
                NAME,
                click.Option(
                    ("--export",), is_flag=True, help="With -f json or yaml: a file for environment-create."
                ),
            ),
            columns=COLUMNS,
            call=lambda client, identifier, export: client.environments.get(identifier),  # noqa: ARG005
        ),
        ShowRow(
            name="environment-create",
            words="workflow env create",
            help="Store an environment. The file is JSON or YAML with name, variables, description, scope.",
            arguments=(FILE,),
            columns=COLUMNS,
            call=lambda client, fields: client.environments.create(**_attributes(fields)),
            hints={409: "To change what is stored: mistral environment-update {fields.path}"},
        ),
        ShowRow(
            name="environment-update",
            words="workflow env update",
            help="Change an environment. Given variables replace all; what the file does not name stays.",
            arguments=(FILE,),
            columns=COLUMNS,
            call=lambda client, fields: client.environments.update(**_attributes(fields)),
            hints={404: "To store it as a new one: mistral environment-create {fields.path}"},
        ),
        DeleteRow(
            name="environment-delete",
            words="workflow env delete",
            help="Delete environments.",
            arguments=(NAMES,),
            kind="environment",
            call=lambda client, name: client.environments.delete(name),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
