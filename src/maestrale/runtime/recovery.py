"""Taking up, at start, what earlier processes left: owned executions, mail, alarms, unfinished actions."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from maestrale.engine.events import ActionFinished
from maestrale.model import states
from maestrale.model.actions import ActionResult
from maestrale.runtime.deciding import action_context
from maestrale.runtime.engine import Engine
from maestrale.runtime.executor import ActionRun
from maestrale.runtime.fairness import FairQueue
from maestrale.store import leases, mail
from maestrale.store.database import Database
from maestrale.store.processes import (
    Left,
    LeftAction,
    alarms,
    claim_left,
    find_left,
    orphans,
    take_left_actions,
)

log = logging.getLogger(__name__)

CLAIMS_PER_ROUND: Final = 500
"""Executions that are claimed in one transaction."""


def recover(database: Database, engine: Engine, gone: Sequence[str] | None = None) -> None:
    """Go on with everything that the processes `gone` left (None: all but this one are gone).

    Several engines may do this for the same processes at the same time; each takes a part. Call once the
    engine has started, before requests are let in.
    """
    left = Left(engine.lease.process_id, gone)
    _claim(database, engine, left)
    while found := database.write(take_left_actions, left).result():
        _take_up(engine, found, left.process_id)
    look_around(database, engine)
    for process_id in gone or ():
        database.write(leases.bury, process_id).result()


def _claim(database: Database, engine: Engine, left: Left) -> None:
    """Own the executions that are left, in rounds in which each project has its share."""
    waiting: FairQueue[str] = FairQueue()
    for execution_id, project_id in database.read(find_left, left).result():
        waiting.add(project_id, execution_id, execution_id)
    while waiting:
        some = [waiting.pop() for _ in range(min(len(waiting), CLAIMS_PER_ROUND))]
        claimed = database.write(claim_left, left, some).result()
        engine.loop.wake(claimed, ())


def recover_orphans(database: Database, engine: Engine) -> None:
    """Take up what belongs to processes of which nothing is known at all."""
    lost = database.read(orphans).result()
    if lost:
        log.warning("Executions are owned by processes that are on no list: %s", ", ".join(lost))
        recover(database, engine, lost)


def look_around(database: Database, engine: Engine) -> None:
    """Take up all mail, and know when which execution wants to be woken."""
    engine.loop.wake(database.read(mail.addressees).result(), database.read(alarms).result())


def _take_up(engine: Engine, found: list[LeftAction], process_id: str) -> None:
    """Queued and repeatable actions run; what may have had effects fails visibly, or waits for outside."""
    again = [action for action in found if action.runs_again]
    rest = [action for action in found if not action.runs_again]
    for action in again:
        engine.executor.enqueue(_run(engine, action, process_id))
    lost = [action for action in rest if not action.waits_outside]
    for action in lost:
        _fail(engine, action)
    if found:
        log.info("Of an earlier process: %d actions are run, %d count as lost", len(again), len(lost))


def _fail(engine: Engine, action: LeftAction) -> None:
    text = action.problem or (
        f"The executor was lost while the action was running, and it cannot be re-run safely"
        f" (it may have had its effect) [action={action.name}, action_ex_id={action.id}]."
        f" Set 'safe-rerun: true' on the task if repeating it does no harm."
    )
    if action.execution_id is None:
        engine.standalone.complete(action.id, ActionResult(states.ERROR, text), None)
    else:
        engine.lost(action.execution_id, ActionFinished(action.id, "ERROR", text))


def _run(engine: Engine, action: LeftAction, process_id: str) -> ActionRun:
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
        process_id,
        action.project_id,
        action.security_context,
    )
