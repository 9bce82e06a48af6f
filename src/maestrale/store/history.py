"""What has happened in an execution, out of its decision records, and what has ended."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, LargeBinary, Table, func, select

from maestrale.engine.draft import Change
from maestrale.model import states
from maestrale.model.errors import BadRequest, NotFound
from maestrale.model.history import History, HistoryEvent, ShownChange
from maestrale.store.queries import ACTION_EXECUTIONS, EXECUTIONS, IDS_PER_STATEMENT, TASKS
from maestrale.store.rows import load_changes
from maestrale.store.selection import Viewer, visible
from maestrale.store.tables import (
    action_executions,
    decision_records,
    execution_heads,
    task_executions,
    workflow_executions,
)

EVENTS_PER_PAGE: Final = 100
CHANGES_PER_PAGE: Final = 2000
"""From so many on a page takes no further event."""

RESOURCES: Final = {
    "executions": EXECUTIONS,
    "tasks": TASKS,
    "action_executions": ACTION_EXECUTIONS,
}
"""What can end."""

_KIND: Final = re.compile(rb'\{"event":"([a-z-]+)"')
_KIND_BYTES: Final = 64


class _Shown(NamedTuple):
    """What a row tells of what has changed."""

    name: str
    task_id: str | None
    item_index: int | None
    state: str
    state_info: str | None


def read_history(connection: Connection, viewer: Viewer, execution_id: str, after: int) -> History:
    """What has happened after the event with the sequence `after` (0: from the beginning), or part of it.

    NotFound if the viewer cannot see such an execution, BadRequest for an event that has not happened yet.
    """
    workflow = workflow_executions.c
    head = connection.execute(
        select(workflow.state, workflow.state_info, execution_heads.c.next_sequence)
        .join_from(workflow_executions, execution_heads, execution_heads.c.id == workflow.id)
        .where(workflow.id == execution_id, *visible(EXECUTIONS, viewer))
    ).first()
    if head is None:
        raise NotFound(f"WorkflowExecution not found [id={execution_id}]")
    newest = head.next_sequence - 1
    if after > newest:
        raise BadRequest(f"There is no event {after} yet", f"the last one is {newest}")
    record = decision_records.c
    found = connection.execute(
        select(
            record.sequence,
            record.at,
            func.substr(record.event, 1, _KIND_BYTES, type_=LargeBinary).label("event"),
            record.changes,
        )
        # What is committed after the head was read belongs to the next page.
        .where(record.execution_id == execution_id, record.sequence > after, record.sequence <= newest)
        .order_by(record.sequence)
        .limit(EVENTS_PER_PAGE)
    ).all()
    taken: list[tuple[Any, tuple[Change, ...]]] = []
    count = 0
    for row in found:
        if count >= CHANGES_PER_PAGE:
            break
        changes = load_changes(row.changes)
        taken.append((row, changes))
        count += len(changes)
    known = _rows(connection, [change for _, changes in taken for change in changes])
    events = [
        HistoryEvent(row.sequence, row.at, _kind(row.event), [_shown(change, known) for change in changes])
        for row, changes in taken
    ]
    last = events[-1].sequence if events else after
    return History(events, last, last < newest, head.state, head.state_info)


def _kind(beginning: bytes) -> str:
    match = _KIND.match(beginning)
    assert match is not None, "an event begins with its kind"
    return match[1].decode()


def _shown(change: Change, known: Mapping[str, _Shown]) -> ShownChange:
    found = known.get(change.id)
    if found is None:  # its row is not there yet (a sub-workflow), or not any more
        return ShownChange(change.kind, change.id, None, None, None, change.before, change.after, None)
    return ShownChange(
        kind=change.kind,
        id=change.id,
        name=found.name,
        task_id=found.task_id,
        item_index=found.item_index,
        before=change.before,
        after=change.after,
        state_info=found.state_info if found.state == change.after else None,
    )


def _rows(connection: Connection, changes: Sequence[Change]) -> dict[str, _Shown]:
    ids: dict[str, dict[str, None]] = {}
    for change in changes:
        ids.setdefault(change.kind, {})[change.id] = None
    task, action, workflow = task_executions.c, action_executions.c, workflow_executions.c
    found: dict[str, _Shown] = {}
    for kind, table, columns in (
        ("task", task_executions, (task.name,)),
        ("action", action_executions, (action.name, action.task_id, action.item_index)),
        ("workflow", workflow_executions, (workflow.name,)),
        ("sub-workflow", workflow_executions, (workflow.name, workflow.parent_task_id, workflow.item_index)),
    ):
        for row in _by_id(connection, table, columns, list(ids.get(kind, ()))):
            task_id, item_index = (row[4], row[5]) if len(columns) > 1 else (None, None)
            found[row.id] = _Shown(row.name, task_id, item_index, row.state, row.state_info)
    return found


def _by_id(connection: Connection, table: Table, columns: Sequence[Any], ids: Sequence[str]) -> Iterable[Any]:
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        part = ids[start : start + IDS_PER_STATEMENT]
        name, *others = columns
        query = select(table.c.id, name.label("name"), table.c.state, table.c.state_info, *others)
        yield from connection.execute(query.where(table.c.id.in_(part)))


def find_ended(connection: Connection, asked: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Of these ids, by collection, those of what has ended, or is not there any more."""
    ended: dict[str, set[str]] = {}
    for collection, ids in asked.items():
        resource = RESOURCES[collection]
        identifier, state = resource.fields["id"].column, resource.fields["state"].column
        ended[collection] = set(ids)
        for start in range(0, len(ids), IDS_PER_STATEMENT):
            query = (
                select(identifier)
                .select_from(resource.source)
                .where(identifier.in_(ids[start : start + IDS_PER_STATEMENT]))
                .where(state.not_in(states.COMPLETED), *visible(resource, _ANYBODY))
            )
            ended[collection].difference_update(connection.execute(query).scalars())
    return ended


_ANYBODY: Final = Viewer("", sees_all=True)


def execution_of_action(connection: Connection, action_id: str) -> str | None:
    """The workflow execution of an action execution, None of one that ran by itself."""
    query = select(action_executions.c.execution_id).where(action_executions.c.id == action_id)
    return connection.execute(query).scalar()
