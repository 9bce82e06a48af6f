"""What happens outside of the engine: how long actions take and how they end, as a function of who asks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

from maestrale.actions.base import Action, ActionContext, action
from maestrale.model import states
from maestrale.model.actions import ActionFailure
from maestrale.model.values import Json

WORK = "sim.work"
SAFE = "sim.safe"
OUTSIDE = "sim.outside"


class Behaviour(NamedTuple):
    """How one attempt goes: seconds, state and (without the input) result."""

    seconds: float
    state: str
    result: str


class Script:
    """The same attempt of the same task always goes the same way, whatever happens around it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def behaviour(self, workflow: str, task: str, item: int | None, attempt: int) -> Behaviour:
        """How the `attempt`-th run (from 1) of a task, or of one of its items, goes."""
        key = f"{self._seed}/{workflow}/{task}/{item}/{attempt}"
        draw = hashlib.blake2b(key.encode(), digest_size=8).digest()
        seconds = (0.0, 0.0, 0.1, 0.5, 1.0, 2.5, 4.0, 9.0)[draw[0] % 8]
        state = states.ERROR if draw[1] % 5 == 0 else states.SUCCESS
        return Behaviour(seconds, state, f"{task}/{'' if item is None else item}/{attempt}")


def make_actions(
    script: Script, sleep: Callable[[float], Any], started: Callable[[ActionContext, str], None]
) -> list[Action[..., Any]]:
    """The actions of a simulated process; `started` hears of every call."""

    async def perform(context: ActionContext, name: str, n: Json) -> Json:
        started(context, name)
        behaviour = script.behaviour(
            context.workflow_name or "", context.task_name or "", context.item_index, context.attempt
        )
        await sleep(behaviour.seconds)
        if behaviour.state == states.ERROR:
            raise ActionFailure({"failed": behaviour.result, "n": n})
        return {"done": behaviour.result, "n": n}

    @action(WORK)
    async def work(context: ActionContext, n: Json = None, mark: Json = None) -> Json:  # noqa: ARG001
        """Something with an effect: it must not be repeated without leave."""
        return await perform(context, WORK, n)

    @action(SAFE, repeatable=True)
    async def safe(context: ActionContext, n: Json = None, mark: Json = None) -> Json:  # noqa: ARG001
        """Something that may be repeated."""
        return await perform(context, SAFE, n)

    @action(OUTSIDE, waits_outside=True)
    async def outside(context: ActionContext, n: Json = None) -> None:  # noqa: ARG001
        """Something that an outside party is told of and reports on later."""
        started(context, OUTSIDE)
        await sleep(0.2)

    return [work, safe, outside]
