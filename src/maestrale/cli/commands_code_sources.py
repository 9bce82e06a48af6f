"""Commands for code sources and dynamic actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import Column, DeleteRow, ListRow, Section, ShowRow, TextRow
from maestrale.cli.commands_arguments import (
    NAME,
    NAME_OR_ID,
    NAMES_OR_IDS,
    NAMESPACE,
    PUBLIC,
    definition_file,
)

if TYPE_CHECKING:
    from maestrale.client.results import DynamicAction
    from maestrale.client.sync import Client, Items

SOURCE_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("namespace", "Namespace"),
    Column("project_id", "Project ID"),
    Column("scope", "Scope"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)
ACTION_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("class_name", "Class"),
    Column("code_source_id", "Code source ID"),
    Column("code_source_name", "Code source name"),
    Column("project_id", "Project ID"),
    Column("scope", "Scope"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)
CONTENT: Final = click.Argument(("content",), type=definition_file, metavar="PYTHON_FILE")


def _list_actions(client: Client, listing: dict[str, Any], namespace: str) -> Items[DynamicAction]:
    if namespace:
        listing["filters"]["namespace"] = namespace
    return client.dynamic_actions.list(**listing)


CODE_SOURCES: Final = Section(
    "Code sources",
    (
        ListRow(
            name="code-source-list",
            words="code source list",
            help="List code sources.",
            columns=SOURCE_COLUMNS,
            call=lambda client, listing: client.code_sources.list(**listing),
        ),
        ShowRow(
            name="code-source-get",
            words="code source show",
            help="Show a code source.",
            arguments=(NAME_OR_ID, NAMESPACE),
            columns=SOURCE_COLUMNS,
            call=lambda client, identifier, namespace: client.code_sources.get(identifier, namespace),
        ),
        TextRow(
            name="code-source-get-content",
            words="code source content show",
            help="Print the text of a code source.",
            arguments=(NAME_OR_ID, NAMESPACE),
            call=lambda client, identifier, namespace: client.code_sources.get(identifier, namespace).content,
        ),
        ShowRow(
            name="code-source-create",
            words="code source create",
            help="Upload a Python file whose classes dynamic actions can run.",
            arguments=(NAME, CONTENT, NAMESPACE, PUBLIC),
            columns=SOURCE_COLUMNS,
            call=lambda client, identifier, content, namespace, public: client.code_sources.create(
                identifier, content, namespace, public=public
            ),
            hints={409: "To change what is stored: mistral code-source-update {identifier} {content.path}"},
        ),
        ShowRow(
            name="code-source-update",
            words="code source update",
            help="Replace the text of a code source; its actions run the new one from then on.",
            arguments=(NAME_OR_ID, CONTENT, NAMESPACE, PUBLIC),
            columns=SOURCE_COLUMNS,
            call=lambda client, identifier, content, namespace, public: client.code_sources.update(
                identifier, content, namespace, public=public
            ),
            hints={404: "To store it as a new one: mistral code-source-create {identifier} {content.path}"},
        ),
        DeleteRow(
            name="code-source-delete",
            words="code source delete",
            help="Delete code sources, and the dynamic actions that are built on them.",
            arguments=(NAMES_OR_IDS, NAMESPACE),
            kind="code source",
            named="{kind} '{identifier}'",
            call=lambda client, identifier, namespace: client.code_sources.delete(identifier, namespace),
        ),
    ),
)
DYNAMIC_ACTIONS: Final = Section(
    "Dynamic actions",
    (
        ListRow(
            name="dynamic-action-list",
            words="dynamic action list",
            help="List dynamic actions.",
            arguments=(NAMESPACE,),
            columns=ACTION_COLUMNS,
            call=_list_actions,
        ),
        ShowRow(
            name="dynamic-action-get",
            words="dynamic action show",
            help="Show a dynamic action.",
            arguments=(NAME_OR_ID, NAMESPACE),
            columns=ACTION_COLUMNS,
            call=lambda client, identifier, namespace: client.dynamic_actions.get(identifier, namespace),
        ),
        ShowRow(
            name="dynamic-action-create",
            words="dynamic action create",
            help="Make a class of a code source an action.",
            arguments=(
                NAME,
                click.Argument(("class_name",), metavar="CLASS"),
                click.Argument(("code_source",), metavar="CODE_SOURCE"),
                NAMESPACE,
                PUBLIC,
            ),
            columns=ACTION_COLUMNS,
            call=lambda client, identifier, class_name, code_source, namespace, public: (
                client.dynamic_actions.create(identifier, class_name, code_source, namespace, public=public)
            ),
            hints={409: "To change what is stored: mistral dynamic-action-update {identifier}"},
        ),
        ShowRow(
            name="dynamic-action-update",
            words="dynamic action update",
            help="Change a dynamic action; what is not given stays.",
            arguments=(
                NAME_OR_ID,
                click.Option(("--class-name",), default="", help="Class that it runs from now on."),
                click.Option(("--code-source",), default="", help="Name or ID of the class's code source."),
                NAMESPACE,
                PUBLIC,
            ),
            columns=ACTION_COLUMNS,
            call=lambda client, identifier, class_name, code_source, namespace, public: (
                client.dynamic_actions.update(identifier, class_name, code_source, namespace, public=public)
            ),
        ),
        DeleteRow(
            name="dynamic-action-delete",
            words="dynamic action delete",
            help="Delete dynamic actions; their code sources stay.",
            arguments=(NAMES_OR_IDS, NAMESPACE),
            kind="dynamic action",
            named="{kind}(s) {identifier}",
            call=lambda client, identifier, namespace: client.dynamic_actions.delete(identifier, namespace),
        ),
    ),
)
SECTIONS: Final = (CODE_SOURCES, DYNAMIC_ACTIONS)
