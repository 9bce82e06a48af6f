"""The commands that workflows, actions and workbooks have alike, as all three are uploaded as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from maestrale.cli.commands import Column, DeleteRow, Row, ShowRow, TableRow, TextRow, ValidateRow
from maestrale.cli.commands_arguments import (
    NAME,
    NAME_OR_ID,
    NAMES,
    NAMES_OR_IDS,
    NAMESPACE,
    PUBLIC,
    UPDATE_BY_ID,
    definition,
)

if TYPE_CHECKING:
    from maestrale.client.sync import Client


class Helps(NamedTuple):
    """What the help says of each command."""

    get: str
    get_definition: str
    create: str
    update: str
    delete: str
    validate: str


def definition_rows(
    kind: str, words: str, columns: tuple[Column, ...], helps: Helps, *, is_single: bool = False
) -> tuple[Row, ...]:
    """The commands to show, upload, replace, delete and check definitions of a kind.

    `words` begin their names in the `openstack` client. `is_single`: a text holds only one, which goes by its
    name and has no id.
    """
    one, many = (NAME, NAMES) if is_single else (NAME_OR_ID, NAMES_OR_IDS)
    upload = ShowRow if is_single else TableRow
    text = definition(kind)

    def api(client: Client) -> Any:
        return getattr(client, f"{kind}s")

    return (
        ShowRow(
            name=f"{kind}-get",
            words=f"{words} show",
            help=helps.get,
            arguments=(one, NAMESPACE),
            columns=columns,
            call=lambda client, identifier, namespace: api(client).get(identifier, namespace),
        ),
        TextRow(
            name=f"{kind}-get-definition",
            words=f"{words} definition show",
            help=helps.get_definition,
            arguments=(one, NAMESPACE),
            call=lambda client, identifier, namespace: (
                api(client).get(identifier, namespace).definition or "\n"
            ),
        ),
        upload(
            name=f"{kind}-create",
            words=f"{words} create",
            help=helps.create,
            arguments=(text, NAMESPACE, PUBLIC),
            columns=columns,
            call=lambda client, definition, **options: api(client).create(definition, **options),
            hints={409: f"To replace what is stored: mistral {kind}-update {{definition.path}}"},
        ),
        upload(
            name=f"{kind}-update",
            words=f"{words} update",
            help=helps.update,
            arguments=(text, *(() if is_single else (UPDATE_BY_ID,)), NAMESPACE, PUBLIC),
            columns=columns,
            call=lambda client, definition, **options: api(client).update(definition, **options),
            hints={404: f"To upload it as a new one: mistral {kind}-create {{definition.path}}"},
        ),
        DeleteRow(
            name=f"{kind}-delete",
            words=f"{words} delete",
            help=helps.delete,
            arguments=(many, NAMESPACE),
            kind=kind,
            call=lambda client, identifier, namespace: api(client).delete(identifier, namespace),
        ),
        ValidateRow(
            name=f"{kind}-validate",
            words="" if kind == "action" else f"{words} validate",  # `openstack` has none for actions
            help=helps.validate,
            arguments=(text,),
            call=lambda client, definition: api(client).validate(definition),
        ),
    )
