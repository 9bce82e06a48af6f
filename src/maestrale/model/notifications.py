"""The words of notifications: which events there are, and who can be told about them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from maestrale.model.errors import BadRequest
from maestrale.model.values import Json

WORKFLOW_LAUNCHED: Final = "WORKFLOW_LAUNCHED"
WORKFLOW_RESUMED: Final = "WORKFLOW_RESUMED"
WORKFLOW_RERUN: Final = "WORKFLOW_RERUN"
WORKFLOW_SUCCEEDED: Final = "WORKFLOW_SUCCEEDED"
WORKFLOW_FAILED: Final = "WORKFLOW_FAILED"
WORKFLOW_CANCELLED: Final = "WORKFLOW_CANCELLED"
WORKFLOW_PAUSED: Final = "WORKFLOW_PAUSED"
TASK_LAUNCHED: Final = "TASK_LAUNCHED"
TASK_RESUMED: Final = "TASK_RESUMED"
TASK_RERUN: Final = "TASK_RERUN"
TASK_SUCCEEDED: Final = "TASK_SUCCEEDED"
TASK_FAILED: Final = "TASK_FAILED"
TASK_CANCELLED: Final = "TASK_CANCELLED"
TASK_PAUSED: Final = "TASK_PAUSED"
TASK_SKIPPED: Final = "TASK_SKIPPED"

EVENTS: Final = (
    WORKFLOW_LAUNCHED,
    WORKFLOW_RESUMED,
    WORKFLOW_RERUN,
    WORKFLOW_SUCCEEDED,
    WORKFLOW_FAILED,
    WORKFLOW_CANCELLED,
    WORKFLOW_PAUSED,
    TASK_LAUNCHED,
    TASK_RESUMED,
    TASK_RERUN,
    TASK_SUCCEEDED,
    TASK_FAILED,
    TASK_CANCELLED,
    TASK_PAUSED,
    TASK_SKIPPED,
)

LOG: Final = "log"
NOOP: Final = "noop"
WEBHOOK: Final = "webhook"
TYPES: Final = (LOG, NOOP, WEBHOOK)

RETRY_FOR: Final = 3600.0
"""Seconds for which a notification that was not received is sent again, unless the operator sets it."""

Publisher = dict[str, Json]
"""Who is told: `type`, `event_types` (none or an empty list: all), and what the type needs besides."""


def checked_publishers(value: Json, where: str) -> list[Publisher]:
    """A list of publishers as it was given at `where`; None is an empty one. Raises `BadRequest`."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        kind = type(value).__name__
        raise BadRequest(f"{where} must be a list of publishers, not {kind}", 'such as [{"type": "log"}]')
    for index, publisher in enumerate(value):
        _check(publisher, f"{where}[{index}]")
    return list(value)


def _check(publisher: Json, where: str) -> None:
    if not isinstance(publisher, dict):
        kind = type(publisher).__name__
        raise BadRequest(f"{where} must be a map, not {kind}", 'such as {"type": "log"}')
    wanted = publisher.get("type")
    if wanted not in TYPES:
        raise BadRequest(f"{where}.type: there is no publisher {wanted!r}", _near(wanted, TYPES))
    events = publisher.get("event_types")
    if events is not None:
        if not isinstance(events, list | tuple):
            raise BadRequest(f"{where}.event_types must be a list of events, not {type(events).__name__}")
        for event in events:
            if event not in EVENTS:
                raise BadRequest(f"{where}.event_types: there is no event {event!r}", _near(event, EVENTS))
    if wanted == WEBHOOK:
        _check_webhook(publisher, where)


def _check_webhook(publisher: Publisher, where: str) -> None:
    url = publisher.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise BadRequest(f"{where}.url: a webhook needs an http or https URL, not {url!r}")
    headers = publisher.get("headers")
    if headers is not None and not isinstance(headers, dict):
        raise BadRequest(f"{where}.headers must be a map, not {type(headers).__name__}")


def _near(word: Json, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(str(word), known, 1)
    return f"did you mean '{found[0]}'?" if found else f"known are: {', '.join(known)}"
