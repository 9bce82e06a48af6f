"""Commands for workbooks."""

from __future__ import annotations

from typing import Final

from maestrale.cli.commands import Column, DeleteRow, ListRow, Section, ShowRow, TextRow, ValidateRow
from maestrale.cli.commands_arguments import NAME, NAMES, NAMESPACE, PUBLIC, definition
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
        ShowRow(
            name="workbook-get",
            words="workbook show",
            help="Show a workbook.",
            arguments=(NAME, NAMESPACE),
            columns=COLUMNS,
            call=lambda client, name, namespace: client.workbooks.get(name, namespace),
        ),
        TextRow(
            name="workbook-get-definition",
            words="workbook definition show",
            help="Print the text of a workbook.",
            arguments=(NAME, NAMESPACE),
            call=lambda client, name, namespace: (
                client.workbooks.get(name, namespace).get("definition") or "\n"
            ),
        ),
        ShowRow(
            name="workbook-create",
            words="workbook create",
            help="Upload a new workbook. Its workflows and actions are stored as WORKBOOK.NAME.",
            arguments=(definition("workbook"), NAMESPACE, PUBLIC),
            columns=COLUMNS,
            call=lambda client, definition, namespace, public: client.workbooks.create(
                definition, namespace, public
            ),
            hints={409: "To replace what is stored: mistral workbook-update {definition.path}"},
        ),
        ShowRow(
            name="workbook-update",
            words="workbook update",
            help="Replace a workbook with its workflows and actions.",
            arguments=(definition("workbook"), NAMESPACE, PUBLIC),
            columns=COLUMNS,
            call=lambda client, definition, namespace, public: client.workbooks.update(
                definition, namespace, public
            ),
            hints={404: "To upload it as a new one: mistral workbook-create {definition.path}"},
        ),
        DeleteRow(
            name="workbook-delete",
            words="workbook delete",
            help="Delete workbooks. Their workflows and actions stay.",
            arguments=(NAMES, NAMESPACE),
            kind="workbook",
            call=lambda client, name, namespace: client.workbooks.delete(name, namespace),
        ),
        ValidateRow(
            name="workbook-validate",
            words="workbook validate",
            help="Check the text of a workbook without storing it.",
            arguments=(definition("workbook"),),
            call=lambda client, definition: client.workbooks.validate(definition),
        ),
    ),
)
