"""Commands for the service itself."""

from __future__ import annotations

from typing import Final

import click

from maestrale.cli.commands import Column, Section, ShowRow

COLUMNS: Final = (Column("status", "Status"),)

SECTION: Final = Section(
    "Maintenance",
    (
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
