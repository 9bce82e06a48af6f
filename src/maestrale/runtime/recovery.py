"""Taking up, at start, what earlier processes left: owned executions, mail, alarms, unfinished actions."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from maestrale.engine.events import ActionFinished
from maestrale.model import states
from maestrale.model.actions import ActionResult
from maestrale.runtime.deciding import action_context
from maestrale.runtime.engine import Engine
from maestrale.runtime.executor import ActionRun
from maestrale.store.database import Database
from maestrale.store.processes import (
    Left,
    LeftAction,
    alarms,
    claim_executions,
    left_actions,
    take_over,
)

log = logging.getLogger(__name__)


def recover(database: Database, engine: Engine, gone: Sequence[str] | None = None) -> None:
    """Go on with everything that the processes `gone` left (None: all but this one are gone).

    Call once the engine has started, before requests are let in.
    """
    left = Left(engine.process_id, gone)
    claimed = database.write(claim_executions, left).result()
    engine.loop.wake(claimed, database.read(alarms).result())
    while found := database.read(left_actions, left).result():
        _take_up(database, engine, found)


def _take_up(database: Database, engine: Engine, found: list[LeftAction]) -> None:
    """Queued and repeatable actions run; what may have had effects fails visibly, or waits for outside."""
    again = [action for action in found if action.queued or action.repeatable]
    rest = [action for action in found if not (action.queued or action.repeatable)]
    database.write(take_over, [action.id for action in again], engine.process_id, queued=True).result()
    for action in again:
        engine.executor.enqueue(_run(engine, action))
    for action in rest:
        if not action.waits_outside:
            _fail(engine, action)
    database.write(take_over, [action.id for action in rest], engine.process_id, queued=False).result()
    if again or rest:
        lost = sum(not action.waits_outside for action in rest)
        log.info("Of an earlier process: %d actions are run, %d count as lost", len(again), lost)


def _fail(engine: Engine, action: LeftAction) -> None:
    text = (
        f"The executor was lost while the action was running, and it cannot be re-run safely"
        f" (it may have had its effect) [action={action.name}, action_ex_id={action.id}]."
        f" Set 'safe-rerun: true' on the task if repeating it does no harm."
    )
    if action.execution_id is None:
        engine.standalone.complete(action.id, ActionResult(states.ERROR, text), None)
    else:
        engine.lost(action.execution_id, ActionFinished(action.id, "ERROR", text))


def _run(engine: Engine, action: LeftAction) -> ActionRun:
    context = action_context(
        action.id,
        engine.settings,
        workflow_execution_id=action.execution_id,
        workflow_name=action.workflow_name,
        task_execution_id=action.task_id,
        task_name=action.task_name,
        attempt=action.attempt + 1,
        item_index=action.item_index,
    )
    adhoc = action.adhoc
    return ActionRun(
        action.id,
        action.name if adhoc is None else adhoc.name,
        action.input if adhoc is None else adhoc.input,
        context,
        action.timeout,
        action.execution_id,
        action.waits_outside,
        adhoc,
    )
