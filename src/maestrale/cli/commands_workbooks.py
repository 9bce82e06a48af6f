"""Commands for workbooks."""

from __future__ import annotations

from typing import Final

from maestrale.cli.commands import Column, ListRow, Section
from maestrale.cli.commands_definitions import Helps, definition_rows
from maestrale.cli.output import folded

COLUMNS: Final = (
    Column("name", "Name"),
    Column("namespace", "Namespace"),
    Column("tags", "Tags", lambda workbook: folded(workbook.get("tags"))),
    Column("scope", "Scope"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)

SECTION: Final = Section(
    "Workbooks",
    (
        ListRow(
            name="workbook-list",
            words="workbook list",
            help="List workbooks.",
            columns=COLUMNS,
            call=lambda client, listing: client.workbooks.list(**listing),
        ),
        *definition_rows(
            "workbook",
            "workbook",
            COLUMNS,
            Helps(
                get="Show a workbook.",
                get_definition="Print the text of a workbook.",
                create="Upload a new workbook. Its workflows and actions are stored as WORKBOOK.NAME.",
                update="Replace a workbook with its workflows and actions.",
                delete="Delete workbooks. Their workflows and actions stay.",
                validate="Check the text of a workbook without storing it.",
            ),
            is_single=True,
        ),
    ),
)
SECTIONS: Final = (SECTION,)
