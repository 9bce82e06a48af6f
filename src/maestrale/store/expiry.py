"""Which finished root executions are old, and have nothing going on in their trees."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, not_, or_, select, tuple_, union_all

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.store.deletion import EXECUTIONS_PER_PART, remove
from maestrale.store.marks import mark
from maestrale.store.tables import action_executions, execution_heads, mail, workflow_executions

_workflow = workflow_executions.c
_heads = execution_heads.c
_action = action_executions.c

_ENDED_ROOTS: Final = (_workflow.parent_id.is_(None), _workflow.finished_at.is_not(None))
_ORDER: Final = (_workflow.finished_at, _workflow.id)


class Ended(NamedTuple):
    """A root execution and when it ended; they are ordered by that. `Ended(time, "")` is before them all."""

    at: Microseconds
    id: str


class Page(NamedTuple):
    """Some executions whose trees are `quiet`, and the `last` that was looked at (None: there was none)."""

    quiet: list[Ended]
    last: Ended | None


def newest_surplus(connection: Connection, of_states: Collection[str], kept: int) -> Ended | None:
    """The newest ended root beyond the `kept` newest ones in these states; None if there are not so many."""
    parts = [
        select(*_ORDER)
        .where(*_in_state(state))
        .order_by(*(column.desc() for column in _ORDER))
        .limit(kept + 1)
        .subquery()
        for state in of_states
    ]
    newest = union_all(*(select(part) for part in parts)).subquery()
    query = select(newest).order_by(newest.c.finished_at.desc(), newest.c.id.desc()).offset(kept).limit(1)
    found = connection.execute(query).first()
    return None if found is None else Ended(*found)


def find_expired(connection: Connection, state: str, until: Ended, after: Ended | None) -> Page:
    """The next ended roots in this state up to and including `until`, the oldest first."""
    query = select(*_ORDER).where(*_in_state(state), tuple_(*_ORDER) <= tuple_(*until))
    if after is not None:
        query = query.where(tuple_(*_ORDER) > tuple_(*after))
    found = [Ended(*row) for row in connection.execute(query.order_by(*_ORDER).limit(EXECUTIONS_PER_PART))]
    ids = [ended.id for ended in found]
    busy = _alive(connection, ids) | _with_running_actions(connection, ids)
    return Page([ended for ended in found if ended.id not in busy], found[-1] if found else None)


def expire(connection: Connection, quiet: Sequence[Ended]) -> list[str]:
    """Mark these trees if they are as they were found, and begin to remove them; what is left to remove.

    What anybody else has to do with just now is passed over. From the mark on, no command reaches a tree; so
    what has ended everywhere and has no mail stays as it is.
    """
    ids = [ended.id for ended in quiet]
    free = select(_heads.id).where(_heads.id.in_(ids), ~_heads.deleting, _heads.owner.is_(None))
    locked = [*connection.execute(free.order_by(_heads.id).with_for_update(skip_locked=True)).scalars()]
    # Only now, when nobody can write to them any more, does it count what is found.
    unchanged = {
        Ended(*row)
        for row in connection.execute(select(*_ORDER).where(_workflow.id.in_(locked), *_ENDED_ROOTS))
    }
    alive = _alive(connection, locked)
    chosen = [ended.id for ended in quiet if ended in unchanged and ended.id not in alive]
    mark(connection, chosen)
    return remove(connection, chosen)


def _in_state(state: str) -> tuple[Any, ...]:
    # The words of the index, not values that stand for them: else it is not known that it holds them.
    return (*_ENDED_ROOTS, _workflow.state == state)


def _alive(connection: Connection, root_ids: Iterable[str]) -> set[str]:
    """Those whose trees have an execution that has not ended, is owned, has work or has mail."""
    in_trees = _workflow.root_id.in_(root_ids)
    goes_on = or_(
        _workflow.state.not_in(states.COMPLETED),
        _heads.owner.is_not(None),
        _heads.ready.is_not(None),
        _workflow.cascades.is_not(None),
        _heads.deleting,
    )
    members = workflow_executions.join(execution_heads, _heads.id == _workflow.id)
    addressees = select(mail.c.execution_id)
    found = {
        *connection.execute(select(_workflow.root_id).select_from(members).where(in_trees, goes_on)).scalars()
    }
    found.update(
        connection.execute(select(_workflow.root_id).where(in_trees, _workflow.id.in_(addressees))).scalars()
    )
    return found


def _with_running_actions(connection: Connection, root_ids: Iterable[str]) -> set[str]:
    """Those that have an action which is queued or runs. One that waits for an outside party, of a workflow
    that has ended, is nobody's work any more."""
    source = workflow_executions.join(action_executions, _action.execution_id == _workflow.id)
    runs = and_(_action.state == states.RUNNING, or_(_action.queued, not_(_action.waits_outside)))
    query = select(_workflow.root_id).select_from(source).where(_workflow.root_id.in_(root_ids), runs)
    return set(connection.execute(query).scalars())
