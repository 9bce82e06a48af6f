"""Event triggers: which workflow a message of which kind is to start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, insert, select, update

from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.model.secrets import kept
from maestrale.model.values import Microseconds
from maestrale.store.catalogue import keep_workflow
from maestrale.store.cron_triggers import STARTED_WITH
from maestrale.store.paging import read_page
from maestrale.store.sealing import columns_of, documents_of
from maestrale.store.selection import (
    Field,
    Resource,
    Viewer,
    check_owner,
    read_first,
)
from maestrale.store.tables import event_triggers

_trigger = event_triggers.c

EVENT_TRIGGERS: Final = Resource(
    collection="event_triggers",
    title="Event trigger",
    source=event_triggers,
    project=_trigger.project_id,
    scope=_trigger.scope,
    fields={
        "id": Field(_trigger.id),
        "name": Field(_trigger.name, nullable=True),
        "workflow_id": Field(_trigger.workflow_id, "uuid"),
        "workflow_input": Field(_trigger.workflow_input, "document"),
        "workflow_params": Field(_trigger.workflow_params, "document"),
        "exchange": Field(_trigger.exchange),
        "topic": Field(_trigger.topic),
        "event": Field(_trigger.event),
        "scope": Field(_trigger.scope),
        "project_id": Field(_trigger.project_id),
        "created_at": Field(_trigger.created_at, "time"),
        "updated_at": Field(_trigger.updated_at, "time", nullable=True),
    },
)


def list_event_triggers(connection: Connection, viewer: Viewer, listing: Listing) -> list[Row]:
    """One page of event triggers."""
    return read_page(connection, EVENT_TRIGGERS, viewer, listing)


def get_event_trigger(
    connection: Connection, viewer: Viewer, identifier: str, fields: Sequence[str] | None = None
) -> Row:
    """One event trigger by id; NotFound if there is none."""
    row = read_first(connection, EVENT_TRIGGERS, viewer, fields, _trigger.id == identifier)
    if row is None:
        raise NotFound(f"Event trigger not found [id={identifier}]")
    return row


def create_event_trigger(connection: Connection, row: Row) -> Row:
    """Store a new event trigger, with `workflow_input` and `workflow_params` as data. Conflict if the project
    has one for the same event and workflow; NotFound if the workflow was deleted just now."""
    keep_workflow(connection, row["workflow_id"])
    _check_new(connection, row)
    started_with = columns_of(connection, {name: row[name] for name in STARTED_WITH})
    connection.execute(insert(event_triggers).values(**(row | started_with)))
    return get_event_trigger(connection, Viewer(row["project_id"]), row["id"])


def update_event_trigger(
    connection: Connection, viewer: Viewer, identifier: str, changes: Mapping[str, Any], now: Microseconds
) -> Row:
    """Change an event trigger; `***` in a new input or in new params stands for the secret that was there.

    NotFound for an unknown one, Forbidden for one of another project, Conflict if there is one for the same
    event and workflow.
    """
    row = _changeable(connection, viewer, identifier)
    changes = {**changes, **_started_with(connection, identifier, changes)}
    if any(row.get(field) != value for field, value in changes.items()):
        changed = row | changes
        keep_workflow(connection, changed["workflow_id"])
        if changed["workflow_id"] != row["workflow_id"]:
            _check_new(connection, changed)
        statement = update(event_triggers).where(_trigger.id == identifier)
        connection.execute(statement.values(updated_at=now, **changes))
    return get_event_trigger(connection, viewer, identifier)


def delete_event_trigger(connection: Connection, viewer: Viewer, identifier: str) -> None:
    """Remove an event trigger. NotFound for an unknown one, Forbidden for one of another project."""
    _changeable(connection, viewer, identifier)
    connection.execute(delete(event_triggers).where(_trigger.id == identifier))


def duplicate(row: Mapping[str, Any]) -> Conflict:
    """The error for a second trigger for the same event and workflow."""
    names = ("exchange", "topic", "event", "workflow_id", "project_id")
    what = ", ".join(f"{name}='{row[name]}'" for name in names)
    return Conflict(f"Duplicate entry for EventTrigger: {what}", "one starts that workflow already")


def _check_new(connection: Connection, row: Row) -> None:
    names = ("exchange", "topic", "event", "workflow_id", "project_id")
    same = select(_trigger.id).where(*(_trigger[name] == row[name] for name in names))
    if connection.execute(same).first() is not None:
        raise duplicate(row)


def _started_with(connection: Connection, identifier: str, changes: Mapping[str, Any]) -> Row:
    """The columns that become new with a changed input or changed params."""
    if not any(name in changes for name in STARTED_WITH):
        return {}
    query = select(*(_trigger[name] for name in STARTED_WITH), _trigger.sealed)
    stored = connection.execute(query.where(_trigger.id == identifier)).mappings().one()
    before = documents_of(connection, dict(stored))
    after = {name: kept(changes.get(name, before[name]), before[name]) for name in STARTED_WITH}
    return columns_of(connection, after) if after != before else {name: stored[name] for name in STARTED_WITH}


def _changeable(connection: Connection, viewer: Viewer, identifier: str) -> Row:
    row = get_event_trigger(connection, viewer, identifier)
    check_owner(viewer, row, f"The event trigger {identifier}")
    return row
