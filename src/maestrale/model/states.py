"""Names of states and the table of legal transitions."""

from __future__ import annotations

from typing import Final

IDLE: Final = "IDLE"
WAITING: Final = "WAITING"
RUNNING: Final = "RUNNING"
DELAYED: Final = "DELAYED"
PAUSED: Final = "PAUSED"
SUCCESS: Final = "SUCCESS"
ERROR: Final = "ERROR"
CANCELLED: Final = "CANCELLED"
SKIPPED: Final = "SKIPPED"

ALL: Final = (IDLE, WAITING, RUNNING, DELAYED, PAUSED, SUCCESS, ERROR, CANCELLED, SKIPPED)
COMPLETED: Final = frozenset({SUCCESS, ERROR, CANCELLED, SKIPPED})
WORKFLOW_STATES: Final = (IDLE, RUNNING, PAUSED, SUCCESS, ERROR, CANCELLED)
ACTION_STATES: Final = (RUNNING, PAUSED, SUCCESS, ERROR, CANCELLED)

TRANSITIONS: Final[dict[str, frozenset[str]]] = {
    IDLE: frozenset({RUNNING, ERROR, CANCELLED}),
    WAITING: frozenset({RUNNING}),
    RUNNING: frozenset({PAUSED, DELAYED, SUCCESS, ERROR, CANCELLED}),
    DELAYED: frozenset({RUNNING, ERROR, CANCELLED}),
    PAUSED: frozenset({RUNNING, SUCCESS, ERROR, CANCELLED}),
    SUCCESS: frozenset(),
    CANCELLED: frozenset({RUNNING}),
    ERROR: frozenset({RUNNING, SKIPPED}),
    SKIPPED: frozenset(),
}
"""What an outsider (API, parent, child) may ask for; the same state again is always legal."""


def is_completed(state: str) -> bool:
    """Whether a task, action or workflow execution in `state` has ended."""
    return state in COMPLETED


def is_legal(current: str, wanted: str) -> bool:
    """Whether an outsider may move something from `current` to `wanted`."""
    return current == wanted or wanted in TRANSITIONS[current]
