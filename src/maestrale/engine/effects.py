"""Orders that leave a decision. They are released only after its commit."""

from __future__ import annotations

import msgspec

from maestrale.engine.events import AnyEvent, Started
from maestrale.model.notifications import Publisher
from maestrale.model.values import Json


class Effect(msgspec.Struct, frozen=True):
    """Something to be done outside of the core."""


class RunAction(Effect, frozen=True):
    """Hand this action execution (its row says everything) to an executor."""

    action_id: str


class CancelAction(Effect, frozen=True):
    """Stop this action execution if it still runs or waits for a place.

    Its result counts no more, unless it `reports`: then its end comes back, as CANCELLED if it was stopped.
    """

    action_id: str
    reports: bool = False


class StartSubWorkflow(Effect, frozen=True):
    """Start a child under an id that is decided already."""

    execution_id: str
    started: Started


class Tell(Effect, frozen=True):
    """Deliver an event to another workflow execution."""

    execution_id: str
    event: AnyEvent


class Notify(Effect, frozen=True):
    """Tell people or programs outside what has happened, by the way that `publisher` names.

    `id`: of this notification, however often it is sent. `data` has the fields of what it is about, and a
    `sequence` that grows with every event of the workflow execution.
    """

    id: str
    event: str
    data: dict[str, Json]
    publisher: Publisher


class Trace(Effect, frozen=True):
    """Write to the log that a workflow, a task or an action has gone from one state to another.

    `before`: None for a workflow or an action that begins. `task`, `action`: name and id, or None if it is
    the workflow itself, or the task itself.
    """

    workflow: str
    execution_id: str
    task: tuple[str, str] | None
    before: str | None
    state: str
    info: str | None
    action: tuple[str, str] | None = None


AnyEffect = RunAction | CancelAction | StartSubWorkflow | Tell | Notify | Trace
