"""Whoever sets something going lends it his name: executions that go on again, and triggers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller
from maestrale.services.waiting import outcome
from maestrale.store.security_contexts import Kind


async def lend(engine: WorkflowEngine, caller: Caller, execution_id: str) -> None:
    """Let an execution that is about to go on work in the caller's name, if it has no better one."""
    if caller.acting is not None:
        await outcome(engine.security.lend(execution_id, caller.acting))


@asynccontextmanager
async def entrusted(
    engine: WorkflowEngine, caller: Caller, trigger_id: str, kind: Kind
) -> AsyncIterator[None]:
    """Let what a trigger will start work in the caller's name, if the trigger can be stored.

    It works in the caller's own cloud: nobody can be trusted in another one.
    """
    if caller.security is None:
        yield
        return
    kept = await outcome(engine.security.keep(trigger_id, kind, caller.security))
    try:
        yield
    except BaseException:
        engine.security.undo(kept)
        raise
