"""What becomes known of an action execution while it runs."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, update

from maestrale.model import states
from maestrale.store.tables import action_executions


def store_progress(connection: Connection, news: Mapping[str, str]) -> None:
    """Note what running actions have said, by their ids."""
    table = action_executions.c
    for action_id, message in news.items():
        connection.execute(
            update(action_executions)
            .where(table.id == action_id, table.state == states.RUNNING)
            .values(state_info=message)
        )


def store_wait(connection: Connection, action_id: str) -> None:
    """Note that a running action is completed from outside."""
    table = action_executions.c
    connection.execute(
        update(action_executions)
        .where(table.id == action_id, table.state == states.RUNNING)
        .values(waits_outside=True)
    )
