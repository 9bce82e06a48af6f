"""Commands for workflow definitions."""

from __future__ import annotations

from typing import Final

from maestrale.cli.commands import Column, ListRow, Section
from maestrale.cli.commands_definitions import Helps, definition_rows
from maestrale.cli.output import folded

COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("namespace", "Namespace"),
    Column("project_id", "Project ID"),
    Column("tags", "Tags", lambda workflow: folded(workflow.get("tags"))),
    Column("input", "Input", cut=True),
    Column("scope", "Scope"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)

SECTION: Final = Section(
    "Workflows",
    (
        ListRow(
            name="workflow-list",
            words="workflow list",
            help="List workflows.",
            columns=COLUMNS,
            of_projects=True,
            call=lambda client, listing: client.workflows.list(**listing),
        ),
        *definition_rows(
            "workflow",
            "workflow",
            COLUMNS,
            Helps(
                get="Show a workflow.",
                get_definition="Print the text of a workflow.",
                create="Upload new workflows, all those in a file.",
                update="Replace workflows by those in a file.",
                delete="Delete workflows.",
                validate="Check the text of workflows without storing it.",
            ),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
