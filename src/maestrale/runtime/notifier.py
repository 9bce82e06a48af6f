"""Tells publishers what has happened. Called after commits; nothing here holds the engine up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from maestrale.actions.egress import HttpSettings
from maestrale.engine.effects import Notify
from maestrale.model.notifications import LOG, NOOP, WEBHOOK, Publisher
from maestrale.model.values import Json, masked
from maestrale.runtime.webhook import Webhook

LOGGER: Final = "maestrale.notifications"
"""Where the publisher `log` writes, one line of JSON for each notification."""

log = logging.getLogger(__name__)
notifications = logging.getLogger(LOGGER)

Publish = Callable[[Publisher, dict[str, Json]], None]
"""Tell one publisher; what is told holds the event and the fields of its execution."""


class Notifier:
    """The publishers by type. Safe from any thread."""

    def __init__(self, settings: HttpSettings) -> None:
        self._webhook = Webhook(settings)
        self._publishers: dict[str, Publish] = {
            LOG: _write,
            NOOP: _ignore,
            WEBHOOK: self._webhook.publish,
        }

    def publish(self, notification: Notify) -> None:
        """Tell everybody who wants to know. A publisher that fails is logged and holds up nobody."""
        body = {"event": notification.event, **notification.data}
        for publisher in notification.publishers:
            publish = self._publishers.get(str(publisher.get("type")))
            if publish is None:
                log.warning("There is no publisher %r for %s", publisher.get("type"), notification.event)
                continue
            try:
                publish(publisher, body)
            except Exception:
                log.exception("The publisher %r failed for %s", publisher["type"], notification.event)

    def stop(self, grace: float) -> None:
        """Give what is on its way `grace` seconds, and drop the rest."""
        self._webhook.stop(grace)


def _write(publisher: Publisher, body: dict[str, Json]) -> None:
    del publisher
    notifications.info("%s", msgspec.json.encode(masked(body)).decode())


def _ignore(publisher: Publisher, body: dict[str, Json]) -> None:
    del publisher, body
