"""Commands for the service itself."""

from __future__ import annotations

import json
from typing import Final

import click

from maestrale.cli.commands import Column, Section, ShowRow, TableRow, TextRow

COLUMNS: Final = (Column("status", "Status"),)
PROCESS_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("type", "Type"),
    Column("address", "Address"),
)

SECTION: Final = Section(
    "The service itself",
    (
        TableRow(
            name="service-list",
            help="List the processes that share the work, once for each of their roles.",
            columns=PROCESS_COLUMNS,
            call=lambda client: client.services(),
        ),
        TextRow(
            name="service-info",
            help="Print what the operator says about the service.",
            call=lambda client: json.dumps(client.info(), indent=4) + "\n",
        ),
        ShowRow(
            name="maintenance-get",
            help="Say whether the service runs (RUNNING), comes to rest (PAUSING) or rests (PAUSED).",
            columns=COLUMNS,
            call=lambda client: client.maintenance.get(),
        ),
        ShowRow(
            name="maintenance-update",
            help="Begin maintenance (PAUSED): all executions are held, changes refused. RUNNING ends it.",
            arguments=(
                click.Argument(("status",), type=click.Choice(("PAUSED", "RUNNING"), case_sensitive=False)),
            ),
            columns=COLUMNS,
            call=lambda client, status: client.maintenance.update(status),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
