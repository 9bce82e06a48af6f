"""Actions that run by themselves, outside of any workflow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from maestrale.actions.base import ActionSettings
from maestrale.engine.adhoc import complete_input, prepare, transformed, undeliverable, unknown_action
from maestrale.engine.execution import AdHocRun
from maestrale.engine.identity import Identity
from maestrale.engine.limits import FieldTooLarge, check_field
from maestrale.engine.lookups import Outside
from maestrale.engine.needs import FindAction, FoundAction
from maestrale.model import states
from maestrale.model.actions import ActionFacts, ActionResult
from maestrale.model.errors import BadRequest, InvalidAction, InvalidState, NotFound, Unavailable
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.actions import KnownActions, find_action
from maestrale.runtime.commands import shutting_down
from maestrale.runtime.deciding import action_context
from maestrale.runtime.evaluator import Evaluator
from maestrale.runtime.executor import ActionRun, Executor
from maestrale.runtime.lease import Lease
from maestrale.runtime.outside import work_out
from maestrale.runtime.requests import RanAction, RunAction
from maestrale.runtime.security import Security
from maestrale.runtime.steps import Steps, carry_out
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store import security_contexts
from maestrale.store.database import Database, is_unusable
from maestrale.store.documents import Unstorable, Values, encode
from maestrale.store.executions import fetcher
from maestrale.store.leases import require
from maestrale.store.progress import store_wait
from maestrale.store.rows import Row, decode_adhoc, encode_adhoc
from maestrale.store.sealing import sealed
from maestrale.store.security_contexts import Kept
from maestrale.store.statements import insert_new
from maestrale.store.tables import action_executions, execution_values

STORE_AGAIN_AFTER: Final = 1.0
"""Seconds until a result is stored again that the database refused."""


class FoundExecution(msgspec.Struct, frozen=True):
    """An action execution: its workflow execution (None: stand-alone), its state, and what it runs."""

    execution_id: str | None
    state: str
    adhoc: AdHocRun | None = None


class Standalone:
    """Runs, stores and completes stand-alone actions. Safe from any thread.

    `changed` is called with the ids of those whose state has changed, once that is durable.
    """

    executor: Executor

    def __init__(
        self,
        database: Database,
        actions: KnownActions,
        lease: Lease,
        settings: ActionSettings,
        clock: Callable[[], Microseconds],
        entropy: Callable[[], int],
        evaluator: Evaluator,
        security: Security,
        changed: Callable[[list[str]], None],
        field_size_kb: int,
        later: Later = in_a_thread,
    ) -> None:
        self._field_size_kb = field_size_kb
        self._changed = changed
        self._later = later
        self._evaluator = evaluator
        self._security = security
        self._database = database
        self._actions = actions
        self._lease = lease
        self._settings = settings
        self._clock = clock
        self._entropy = entropy
        self._waiting: dict[str, Future[RanAction]] = {}
        self._unstored: set[str] = set()
        self._refusing = False

    def run(self, request: RunAction, future: Future[RanAction]) -> None:
        """Run an action; the future resolves with its result, or when it is durably scheduled.

        Raises a `MaestraleError` that says why the request is refused.
        """
        facts = self._actions.find(request.name)
        if facts is not None and not self._actions.is_shadowed(request.name):
            facts.check_input(request.input)
            self._start(request, future, facts, facts.sealed(request.input), None)
            return

        def begun(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                future.set_exception(error)

        carry_out(self._find_and_start(request, future)).add_done_callback(begun)

    def _find_and_start(self, request: RunAction, future: Future[RanAction]) -> Steps[None]:
        """Run what a name is found to mean, an ad-hoc action in most cases."""
        question = FindAction(request.name, request.namespace, request.project_id)
        found: FoundAction | None = yield find_action(self._database, self._actions, question)
        if found is None:
            near = self._actions.suggestions(request.name)
            raise unknown_action(request.name, near)
        if found.problem:
            raise InvalidAction(found.problem)
        facts = found.facts(self._actions.find)
        if facts is None:
            raise unknown_action(found.name, ())
        if not found.layers:
            facts.check_input(request.input)
            given = facts.sealed(request.input)
            dynamic = AdHocRun(facts.key, given) if facts.key else None
            self._start(request, future, facts, given, dynamic)
            return
        given = complete_input(found.layers[0], request.input)
        layers, real, outside = found.layers, facts, self._outside()
        adhoc: AdHocRun = yield work_out(
            self._evaluator, lambda elsewhere: prepare(real, layers, given, (), outside(), elsewhere)
        )
        self._start(request, future, facts, given, adhoc)

    def _start(
        self,
        request: RunAction,
        future: Future[RanAction],
        facts: ActionFacts,
        given: dict[str, Json],
        adhoc: AdHocRun | None,
    ) -> None:
        if self._refusing:
            raise shutting_down()
        if request.wait and facts.waits_outside:
            raise BadRequest(
                "Action does not support synchronous execution.",
                f"{request.name} is completed from outside; leave run_sync out",
            )
        if adhoc is not None and not facts.waits_outside and (request.wait or not request.save):
            # As in Mistral: who waits for an action gets what its base delivers, only a scheduled one is
            # transformed.
            adhoc = msgspec.structs.replace(adhoc, outputs=())
        now = self._clock()
        action_id = Identity(f"{self._entropy():016x}", 0, now).next_id()
        unstored = not request.save and not facts.waits_outside
        run = ActionRun(
            action_id,
            facts.key or facts.name,
            given if adhoc is None else adhoc.input,
            action_context(action_id, self._settings, security=request.security),
            request.timeout,
            None,
            facts.waits_outside,
            adhoc,
            None if unstored else self._lease.process_id,
            request.project_id,
        )
        if unstored:
            self._waiting[action_id] = future
            self._unstored.add(action_id)
            self.executor.enqueue(run)
            return
        values = Values()
        row = self._row(request, run, now, queued=not (facts.waits_outside and facts.pure is not None))
        row |= {
            "input": encode(given, values),
            "repeatable": facts.repeatable,
            "adhoc": encode_adhoc(adhoc, values),
        }
        kept = None
        if request.security is not None:
            kept = self._security.sealed(action_id, "action", request.security)
        if request.wait:
            self._waiting[action_id] = future

        def stored(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                self._waiting.pop(action_id, None)
                future.set_exception(error)
                return
            if not request.wait:
                future.set_result(RanAction(action_id, states.RUNNING))
            if row["queued"]:
                self.executor.enqueue(run)

        self._database.write(_store, row, values, kept).add_done_callback(stored)

    def goes_on(self, run: ActionRun) -> None:
        """An action, of a task or not, turns out to be completed from outside."""
        if run.action_id in self._unstored:
            text = f"{run.name} is completed from outside: run it with save_result"
            self._ended(run, ActionResult(states.ERROR, text))
        else:
            self._database.write(store_wait, run.action_id)

    def finished(self, run: ActionRun, result: ActionResult) -> None:
        """A stand-alone action has ended."""
        transformed = carry_out(self._transformed(result, run.adhoc))
        transformed.add_done_callback(lambda done: self._ended(run, done.result()))

    def _ended(self, run: ActionRun, result: ActionResult) -> None:
        try:
            check_field(self._field_size_kb, result.result, "ActionExecution", "output")
        except FieldTooLarge as error:
            result = ActionResult(states.ERROR, str(error))
        if run.action_id in self._unstored:
            self._unstored.discard(run.action_id)
            given = run.input if run.adhoc is None else None
            self._resolve(run.action_id, RanAction(None, result.state, result.result, given))
            return

        def stored(done: Future[None]) -> None:
            error = done.exception()
            if error is None or isinstance(error, InvalidState):
                self._resolve(run.action_id, RanAction(run.action_id, result.state, result.result))
            elif isinstance(error, Unstorable):
                self._ended(run, ActionResult(states.ERROR, str(error)))
            elif isinstance(error, Exception) and is_unusable(error):
                self._later(STORE_AGAIN_AFTER, lambda: self._ended(run, result))
            else:
                self._refuse(run.action_id, error)

        self._complete(run.action_id, result).add_done_callback(stored)

    def complete(self, action_id: str, result: ActionResult, adhoc: AdHocRun | None) -> Future[None]:
        """Store the end (or a pause, or a resume) of a stand-alone action, transformed if it is an ad-hoc
        one."""

        def steps() -> Steps[None]:
            yield self._complete(action_id, (yield from self._transformed(result, adhoc)))

        return carry_out(steps())

    def _complete(self, action_id: str, result: ActionResult) -> Future[None]:
        values = Values()
        state = result.state
        try:
            output = encode(result.result, values) if state in states.COMPLETED else None
        except Unstorable as error:
            refused: Future[None] = Future()
            refused.set_exception(error)
            return refused
        stored = self._database.write(_complete, action_id, state, output, values, self._clock())
        stored.add_done_callback(lambda _: self._changed([action_id]))
        return stored

    def is_unstored(self, action_id: str) -> bool:
        """Whether an action has no row, so that nobody else can know of it."""
        return action_id in self._unstored

    def refuse_stored(self) -> None:
        """What has a row is left to other processes: nobody learns from this one how it ends."""
        for action_id in list(self._waiting):
            if action_id not in self._unstored:
                self._refuse(action_id, Unavailable("The process that ran the action was taken for dead"))

    def refuse_all(self) -> None:
        """The service stops: nobody learns from it how abandoned actions end."""
        self._refusing = True
        for action_id in list(self._waiting):
            self._refuse(action_id, shutting_down())

    def find(self, connection: Connection, action_id: str) -> FoundExecution:
        """What has to be known of an action execution before it is completed from outside."""
        table = action_executions.c
        row = connection.execute(
            select(table.execution_id, table.state, table.adhoc).where(table.id == action_id)
        ).first()
        if row is None:
            raise NotFound(f"ActionExecution not found [id={action_id}]")
        if row.execution_id is not None:
            return FoundExecution(row.execution_id, row.state)
        return FoundExecution(None, row.state, decode_adhoc(row.adhoc, fetcher(connection, action_id)))

    def mark_started(self, action_ids: list[str]) -> Future[set[str]]:
        """Make the start of queued actions durable; those that may start."""
        unstored = {action_id for action_id in action_ids if action_id in self._unstored}
        stored = [action_id for action_id in action_ids if action_id not in unstored]
        if stored:
            return self._database.write(_mark_started, stored, unstored, self._lease.process_id)
        future: Future[set[str]] = Future()
        future.set_result(unstored)
        return future

    def _outside(self) -> Callable[[], Outside]:
        """What makes the same surroundings each time."""
        seed, now = f"{self._entropy():016x}", self._clock()
        return lambda: Outside(Identity(seed, 0, now), now)

    def _transformed(self, result: ActionResult, adhoc: AdHocRun | None) -> Steps[ActionResult]:
        if adhoc is None or not adhoc.outputs or result.state != states.SUCCESS:
            return result
        outputs, outside = adhoc.outputs, self._outside()
        try:
            value: Json = yield work_out(
                self._evaluator, lambda elsewhere: transformed(outputs, result.result, outside(), elsewhere)
            )
        except Exception as error:  # noqa: BLE001 - whoever waits for the action learns what it is
            return ActionResult(states.ERROR, undeliverable(error, outputs[-1].action))
        return ActionResult(states.SUCCESS, value)

    def _resolve(self, action_id: str, ran: RanAction) -> None:
        waiting = self._waiting.pop(action_id, None)
        if waiting is not None:
            waiting.set_result(ran)

    def _refuse(self, action_id: str, error: BaseException) -> None:
        waiting = self._waiting.pop(action_id, None)
        if waiting is not None:
            waiting.set_exception(error)

    def _row(self, request: RunAction, run: ActionRun, now: Microseconds, *, queued: bool) -> Row:
        return {
            "id": run.action_id,
            "attempt": 0,
            "project_id": request.project_id,
            "name": request.name,
            "namespace": request.namespace,
            "target": request.target,
            "state": states.RUNNING,
            "accepted": False,
            "queued": queued,
            "waits_outside": run.waits_outside,
            "executor": run.process_id if queued else None,
            "timeout": request.timeout,
            "description": request.description,
            "tags": "[]",
            "created_at": now,
        }


def _store(connection: Connection, row: Row, values: Values, kept: Kept | None) -> None:
    require(connection, row["executor"])
    if kept is not None:
        security_contexts.keep(connection, kept)
    connection.execute(insert(action_executions).values(**row))
    _store_values(connection, row["id"], values)


def _store_values(connection: Connection, action_id: str, values: Values) -> None:
    for key, data in values.items():
        connection.execute(
            insert_new(execution_values).values(root_id=action_id, hash=key, data=sealed(connection, data))
        )


def _complete(
    connection: Connection, action_id: str, state: str, output: str | None, values: Values, now: Microseconds
) -> None:
    table = action_executions.c
    row = connection.execute(select(table.state, table.waits_outside).where(table.id == action_id)).first()
    if row is None or row.state in states.COMPLETED:
        raise InvalidState(f"Action {action_id} is already completed")
    if state not in states.COMPLETED and not row.waits_outside:
        raise InvalidState(
            f"Transition to the {state} state is only supported for asynchronous action execution."
        )
    connection.execute(
        update(action_executions)
        .where(table.id == action_id)
        .values(state=state, output=output, updated_at=now)
    )
    if state in states.COMPLETED:
        security_contexts.forget(connection, action_id)
    _store_values(connection, action_id, values)


def _mark_started(
    connection: Connection, action_ids: list[str], allowed: set[str], process_id: str
) -> set[str]:
    require(connection, process_id)
    table = action_executions.c
    mine = (table.id.in_(action_ids), table.state == states.RUNNING, table.executor == process_id)
    connection.execute(update(action_executions).where(*mine).values(queued=False))
    return allowed | set(connection.execute(select(table.id).where(*mine)).scalars())
