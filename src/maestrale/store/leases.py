"""Processes and their leases, by the database's clock: who is here, who is gone, who takes what they left.

A process keeps its row alive by renewing its lease. Whoever sees a lease that has run out (or knows
otherwise that a process has ended) marks the row as gone; from then on it cannot be renewed, and nothing can
be committed in its name. The row stays until nothing is left that belongs to it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from sqlalchemy import (
    Connection,
    RowMapping,
    delete,
    exists,
    extract,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.store.rows import Row
from maestrale.store.tables import action_executions, execution_heads, processes

_SECOND: Final = 1_000_000
_NAME: Final = "process_id"
"""Under this key a connection says in whose name it works, where that is asked for at all."""

_table = processes.c


class LeaseLost(Exception):
    """This process counts as gone: nothing can be committed in its name any more."""


class Neighbour(msgspec.Struct, frozen=True):
    """Another process. `is_over`: its lease has run out; `gone`: somebody has said so. `roles` are words
    with commas between them."""

    id: str
    host: str
    boot: str
    pid: int
    pid_started: int | None
    roles: str
    address: str | None
    is_over: bool
    gone: bool


_NEIGHBOUR: Final = tuple(name for name in Neighbour.__struct_fields__ if name != "is_over")


class Beat(msgspec.Struct, frozen=True):
    """What a renewal found: whether the lease `holds`, all others, and the database's time."""

    holds: bool
    others: list[Neighbour]
    now: Microseconds


def database_time(connection: Connection, now: Microseconds) -> Microseconds:
    """The clock by which leases run: the server's, or (one process only) that of this machine, `now`."""
    if connection.dialect.name != "postgresql":
        return now
    seconds = extract("epoch", func.clock_timestamp())
    return round(float(connection.execute(select(seconds)).scalar_one()) * _SECOND)


def register(connection: Connection, row: Row, lease: float, now: Microseconds) -> Microseconds:
    """Add a process whose lease lasts `lease` seconds; the database's time."""
    now = database_time(connection, now)
    values = {**row, "started_at": now, "lease_until": now + round(lease * _SECOND), "gone": False}
    connection.execute(insert(processes).values(**values))
    return now


def register_alone(connection: Connection, row: Row, now: Microseconds) -> None:
    """Add the only process that a database can have; all others are gone."""
    connection.execute(delete(processes))
    register(connection, row, 0, now)


def unregister(connection: Connection, process_id: str) -> None:
    """Take a process off the list, unless something is left that belongs to it: then it counts as gone."""
    bury(connection, process_id)
    connection.execute(update(processes).where(_table.id == process_id).values(gone=True))


def renew(connection: Connection, process_id: str, lease: float) -> Beat:
    """Make a lease last `lease` seconds from now, and look around. Only where processes share a database."""
    given = {"process_id": process_id, "lease": round(lease * _SECOND)}
    rows = connection.execute(_RENEW, given).mappings().all()
    others = [_neighbour(row, row["now"]) for row in rows if row["id"] is not None]
    return Beat(rows[0]["holds"], others, rows[0]["now"])


_RENEW: Final = text("""
    WITH clock AS (SELECT round(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now),
    renewed AS (
        UPDATE processes SET lease_until = clock.now + :lease FROM clock
        WHERE processes.id = :process_id AND NOT processes.gone RETURNING processes.id
    )
    SELECT clock.now, EXISTS (SELECT 1 FROM renewed) AS holds, processes.*
    FROM clock LEFT JOIN processes ON processes.id <> :process_id
    ORDER BY processes.started_at, processes.id
""")
"""One statement, because every process asks it twice a second."""


def neighbours(connection: Connection, now: Microseconds) -> list[Neighbour]:
    """All processes."""
    now = database_time(connection, now)
    query = select(processes).order_by(_table.started_at, _table.id)
    return [_neighbour(row, now) for row in connection.execute(query).mappings()]


def _neighbour(row: RowMapping, now: Microseconds) -> Neighbour:
    return Neighbour(**{name: row[name] for name in _NEIGHBOUR}, is_over=row["lease_until"] < now)


def condemn(
    connection: Connection, silent: Collection[str], proven: Collection[str], now: Microseconds
) -> list[str]:
    """Mark processes as gone whose lease has run out, and those of which it is `proven` that they ended.

    Returns those that are gone now: a `silent` one may have renewed its lease meanwhile.
    """
    now = database_time(connection, now)
    connection.execute(
        update(processes)
        .where(or_(_table.id.in_(silent) & (_table.lease_until < now), _table.id.in_(proven)), ~_table.gone)
        .values(gone=True)
    )
    gone = select(_table.id).where(_table.id.in_([*silent, *proven]), _table.gone)
    return list(connection.execute(gone).scalars())


def hold(connection: Connection, process_id: str) -> None:
    """Make sure, until the end of this transaction, that this process is not gone. Raises `LeaseLost`.

    The row is locked against `bury`, not against renewals: what is committed in the name of a process is
    committed before its row can disappear.
    """
    query = select(_table.gone).where(_table.id == process_id).with_for_update(read=True, key_share=True)
    if connection.execute(query).scalar() is not False:
        raise LeaseLost
    connection.info[_NAME] = process_id


def require(connection: Connection, process_id: str | None) -> None:
    """Refuse what was prepared under an id that this process has lost since. Raises `LeaseLost`."""
    if process_id not in (None, connection.info.get(_NAME, process_id)):
        raise LeaseLost


def bury(connection: Connection, process_id: str) -> None:
    """Remove the row of a process if nothing is left that belongs to it."""
    connection.execute(select(_table.id).where(_table.id == process_id).with_for_update()).first()
    # Only now, when nothing more can be committed in its name, can it be seen what is left.
    heads, actions = execution_heads.c, action_executions.c
    left = or_(
        exists().where(heads.owner == process_id),
        exists().where(actions.executor == process_id, actions.state == states.RUNNING),
    )
    connection.execute(delete(processes).where(_table.id == process_id, ~left))
