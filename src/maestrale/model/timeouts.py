"""How long to wait for a database, and how long it may work for one."""

from __future__ import annotations

import msgspec


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds for which a server waits (0: without limit): for a lock, for a statement, and for the next
    statement of a transaction. `list`: for which any database may look for the rows of one list."""

    lock: float = 10.0
    statement: float = 60.0
    idle_in_transaction: float = 60.0
    list: float = 5.0
