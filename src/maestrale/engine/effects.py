"""Orders that leave a decision. They are released only after its commit."""

from __future__ import annotations

import msgspec

from maestrale.engine.events import AnyEvent, Started


class Effect(msgspec.Struct, frozen=True):
    """Something to be done outside of the core."""


class RunAction(Effect, frozen=True):
    """Hand this action execution (its row says everything) to an executor."""

    action_id: str


class CancelAction(Effect, frozen=True):
    """Stop this action execution if it still runs; its result counts no more."""

    action_id: str


class StartSubWorkflow(Effect, frozen=True):
    """Start a child under an id that is decided already."""

    execution_id: str
    started: Started


class Tell(Effect, frozen=True):
    """Deliver an event to another workflow execution."""

    execution_id: str
    event: AnyEvent


AnyEffect = RunAction | CancelAction | StartSubWorkflow | Tell
