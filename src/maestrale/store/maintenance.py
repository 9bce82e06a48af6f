"""The status of the service, which all its processes share, and what still has to be paused or resumed."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, exists, or_, select, update

from maestrale.model import maintenance as status_of
from maestrale.model import states
from maestrale.model.maintenance import CAUSE, Status
from maestrale.model.values import Microseconds
from maestrale.store.marks import is_there
from maestrale.store.statements import insert_new
from maestrale.store.tables import maintenance, task_executions, workflow_executions

_ROW: Final = 1
_CAUSE: Final = msgspec.json.encode(CAUSE).decode()
_execution = workflow_executions.c


class Maintenance(msgspec.Struct, frozen=True):
    """The status, and since when."""

    status: Status = "RUNNING"
    changed_at: Microseconds = 0


def read_maintenance(connection: Connection) -> Maintenance:
    """What holds now."""
    row = connection.execute(select(maintenance.c.status, maintenance.c.changed_at)).first()
    return Maintenance() if row is None else Maintenance(row.status, row.changed_at)


def ask_for(connection: Connection, paused: bool, now: Microseconds) -> Maintenance:
    """Begin or end maintenance; what is asked for already stays as it is."""
    connection.execute(insert_new(maintenance).values(id=_ROW, status=status_of.RUNNING, changed_at=now))
    wanted = status_of.PAUSING if paused else status_of.RUNNING
    changed = update(maintenance).where(
        maintenance.c.status == status_of.RUNNING if paused else maintenance.c.status != status_of.RUNNING
    )
    connection.execute(changed.values(status=wanted, changed_at=now))
    return read_maintenance(connection)


def note_quiet(connection: Connection, seen: Maintenance, now: Microseconds) -> Maintenance:
    """Nothing runs any more: PAUSED, unless somebody has changed their mind since `seen`."""
    table = maintenance.c
    same = (table.status == status_of.PAUSING, table.changed_at == seen.changed_at)
    connection.execute(update(maintenance).where(*same).values(status=status_of.PAUSED, changed_at=now))
    return read_maintenance(connection)


def find_running(connection: Connection, limit: int) -> list[str]:
    """Executions to be paused: those that run, unless they are paused with the one that called them."""
    parent = workflow_executions.alias("parents")
    query = (
        select(_execution.id)
        .outerjoin(parent, parent.c.id == _execution.parent_id)
        .where(
            _execution.state == states.RUNNING,
            or_(parent.c.id.is_(None), parent.c.state.in_(states.COMPLETED)),
            is_there(_execution.id, _execution.root_id),
        )
        .order_by(_execution.created_at, _execution.id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def find_held(connection: Connection, limit: int) -> list[str]:
    """Executions that maintenance has paused, and nobody else."""
    query = select(_execution.id).where(
        _execution.state == states.PAUSED,
        _execution.cause == _CAUSE,
        is_there(_execution.id, _execution.root_id),
    )
    return list(
        connection.execute(query.order_by(_execution.created_at, _execution.id).limit(limit)).scalars()
    )


def is_quiet(connection: Connection) -> bool:
    """Whether no execution runs, and no task of one that is paused."""

    def has_any(*conditions: Any) -> bool:
        there = is_there(_execution.id, _execution.root_id)
        query = select(_execution.id).where(*conditions, there).limit(1)
        return connection.execute(query).first() is not None

    task = task_executions.c
    works = exists().where(task.execution_id == _execution.id, task.state == states.RUNNING, task.live)
    return not has_any(_execution.state == states.RUNNING) and not has_any(
        _execution.state == states.PAUSED, works
    )
