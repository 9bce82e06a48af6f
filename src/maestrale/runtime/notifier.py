"""Tells publishers what has happened. Called after commits; nothing here holds the engine up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from maestrale.actions.egress import HttpSettings
from maestrale.engine.effects import Notify
from maestrale.model.notifications import LOG, NOOP, WEBHOOK
from maestrale.model.values import Microseconds, masked
from maestrale.runtime.lease import Lease
from maestrale.runtime.outbox import Outbox
from maestrale.runtime.timers import Later
from maestrale.runtime.webhook import Webhook
from maestrale.store.database import Database

LOGGER: Final = "maestrale.notifications"
"""Where the publisher `log` writes, one line of JSON for each notification."""

log = logging.getLogger(__name__)
notifications = logging.getLogger(LOGGER)


def is_sent(notify: Notify) -> bool:
    """Whether a notification leaves the process, so that it has to be stored before."""
    return notify.publisher.get("type") == WEBHOOK


class Notifier:
    """The publishers by type. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        settings: HttpSettings,
        lease: Lease,
        retry_for: float,
        clock: Callable[[], Microseconds],
        later: Later,
    ) -> None:
        self._webhook = Webhook(settings, clock)
        self.outbox = Outbox(database, self._webhook, lease, retry_for, clock, later)

    def publish(self, notify: Notify) -> None:
        """Tell a publisher to whom nothing is sent. One that fails is logged and holds up nobody."""
        kind = notify.publisher.get("type")
        if kind == LOG:
            try:
                line = msgspec.json.encode(masked({"event": notify.event, **notify.data})).decode()
            except Exception:
                log.exception("The publisher 'log' failed for %s", notify.event)
            else:
                notifications.info("%s", line)
        elif kind not in (NOOP, WEBHOOK):
            log.warning("There is no publisher %r for %s", kind, notify.event)

    def stop(self, grace: float) -> None:
        """Give what is on its way `grace` seconds; the rest is sent after the next start."""
        self.outbox.stop()
        self._webhook.stop(grace)
