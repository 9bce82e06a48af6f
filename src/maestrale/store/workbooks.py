"""Workbooks: one text whose workflows and actions are stored as definitions of their own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from maestrale.model.listing import Row
from maestrale.model.values import Microseconds
from maestrale.store.catalogue import (
    Draft,
    create_definitions,
    save_members,
    update_definitions,
)
from maestrale.store.selection import Viewer


class BookDraft(msgspec.Struct, frozen=True):
    """A workbook to be stored with its members, which go by their full names, `book.member`."""

    book: Draft
    workflows: Sequence[Draft] = ()
    actions: Sequence[Draft] = ()


class Ids(msgspec.Struct, frozen=True):
    """Fresh ids, as many as a `BookDraft` may need."""

    book: str
    workflows: Sequence[str] = ()
    actions: Sequence[str] = ()


def create_workbook(
    connection: Connection,
    draft: BookDraft,
    ids: Ids,
    *,
    project_id: str,
    namespace: str,
    scope: str,
    now: Microseconds,
) -> Row:
    """Store a new workbook with its members. Conflict if the project has one of this name."""
    (row,) = create_definitions(
        connection,
        "workbook",
        [ids.book],
        [draft.book],
        project_id=project_id,
        namespace=namespace,
        scope=scope,
        now=now,
    )
    _save_members(connection, draft, ids, row, now)
    return row


def update_workbook(
    connection: Connection,
    viewer: Viewer,
    draft: BookDraft,
    ids: Ids,
    *,
    namespace: str,
    scope: str,
    now: Microseconds,
) -> Row:
    """Replace a workbook and its members; members that its new text does not have stay as they are.

    NotFound for an unknown one, Forbidden for one of another project.
    """
    (row,) = update_definitions(
        connection, viewer, "workbook", [draft.book], namespace=namespace, scope=scope, now=now
    )
    _save_members(connection, draft, ids, row, now)
    return row


def _save_members(connection: Connection, draft: BookDraft, ids: Ids, book: Row, now: Microseconds) -> None:
    """Members live in the project, the namespace and the scope of their workbook."""
    place = {name: book[name] for name in ("project_id", "namespace", "scope")}
    save_members(connection, "workflow", ids.workflows, draft.workflows, now=now, **place)
    save_members(connection, "action", ids.actions, draft.actions, now=now, **place)
