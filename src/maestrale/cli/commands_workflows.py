"""Commands for workflow definitions."""

from __future__ import annotations

from typing import Final

from maestrale.cli.commands import (
    Column,
    DeleteRow,
    ListRow,
    Section,
    ShowRow,
    TableRow,
    TextRow,
    ValidateRow,
)
from maestrale.cli.commands_arguments import (
    NAME_OR_ID,
    NAMES_OR_IDS,
    NAMESPACE,
    PUBLIC,
    UPDATE_BY_ID,
    definition,
)
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
            call=lambda client, listing: client.workflows.list(**listing),
        ),
        ShowRow(
            name="workflow-get",
            words="workflow show",
            help="Show a workflow.",
            arguments=(NAME_OR_ID, NAMESPACE),
            columns=COLUMNS,
            call=lambda client, identifier, namespace: client.workflows.get(identifier, namespace),
        ),
        TextRow(
            name="workflow-get-definition",
            words="workflow definition show",
            help="Print the text of a workflow.",
            arguments=(NAME_OR_ID, NAMESPACE),
            call=lambda client, identifier, namespace: (
                client.workflows.get(identifier, namespace).get("definition") or "\n"
            ),
        ),
        TableRow(
            name="workflow-create",
            words="workflow create",
            help="Upload new workflows, all those in a file.",
            arguments=(definition("workflow"), NAMESPACE, PUBLIC),
            columns=COLUMNS,
            call=lambda client, definition, namespace, public: client.workflows.create(
                definition, namespace, public
            ),
            hints={409: "To replace what is stored: mistral workflow-update {definition.path}"},
        ),
        TableRow(
            name="workflow-update",
            words="workflow update",
            help="Replace workflows by those in a file.",
            arguments=(definition("workflow"), UPDATE_BY_ID, NAMESPACE, PUBLIC),
            columns=COLUMNS,
            call=lambda client, definition, identifier, namespace, public: client.workflows.update(
                definition, namespace, public, identifier
            ),
            hints={404: "To upload it as a new one: mistral workflow-create {definition.path}"},
        ),
        DeleteRow(
            name="workflow-delete",
            words="workflow delete",
            help="Delete workflows.",
            arguments=(NAMES_OR_IDS, NAMESPACE),
            kind="workflow",
            call=lambda client, identifier, namespace: client.workflows.delete(identifier, namespace),
        ),
        ValidateRow(
            name="workflow-validate",
            words="workflow validate",
            help="Check the text of workflows without storing it.",
            arguments=(definition("workflow"),),
            call=lambda client, definition: client.workflows.validate(definition),
        ),
    ),
)
