"""Cron triggers fire here: each planned time starts one execution, by whichever engine comes first.

The engine sleeps until the next trigger is due, and is told of triggers that come or go; a slow sweep covers
what it was not told. What is due is planned by readers; the writer only compares, advances and posts.
"""

from __future__ import annotations

import hashlib
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from maestrale.engine.events import Started
from maestrale.lang.inputs import check_input
from maestrale.model import maintenance as status_of
from maestrale.model.errors import MaestraleError, NotFound, Unavailable
from maestrale.model.notifications import Publisher
from maestrale.model.schedules import next_due
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.values import Microseconds
from maestrale.runtime.commands import Commands
from maestrale.runtime.lease import Lease
from maestrale.runtime.programs import Programs
from maestrale.runtime.rounds import Rounds
from maestrale.runtime.starts import Wish, started_event
from maestrale.runtime.steps import Steps, all_done
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.store import cron_triggers
from maestrale.store.cron_triggers import Due
from maestrale.store.database import Database, is_unusable, reason
from maestrale.store.leases import LeaseLost
from maestrale.store.maintenance import Maintenance, read_maintenance
from maestrale.store.rows import mail_row
from maestrale.store.selection import Viewer

log = logging.getLogger(__name__)

EVERY: Final = 15.0
"""Seconds after which the database is asked at the latest when the next trigger is due."""

AGAIN_AFTER: Final = 0.5
"""Seconds until the next look where one led to nothing: the database refused, or others are at it."""

FIRED_AT_ONCE: Final = 100
"""Triggers that are planned and fired together."""

MOST_FAILURES: Final = 10
"""Starts in a row that are refused until a trigger fires no more."""

_SECOND: Final = 1_000_000


class Firing(msgspec.Struct, frozen=True):
    """What is to be done about a due trigger: order `started`, or note the `error` because of which that
    cannot be. `next_time`: when it is due again, if ever."""

    due: Due
    next_time: Microseconds | None
    started: Started | None
    error: str = ""


class CronTriggers(Rounds):
    """Fires what is due. Methods may be called from any thread.

    `has_mail` is told of executions whose order to start is durable, and `commands` of who waits for what
    becomes of it.
    """

    def __init__(
        self,
        database: Database,
        programs: Programs,
        commands: Commands,
        lease: Lease,
        has_mail: Callable[[str], None],
        publishers: Sequence[Publisher] = (),
        clock: Callable[[], Microseconds] | None = None,
        later: Later = in_a_thread,
        secrets: SecretRules = WELL_KNOWN,
    ) -> None:
        super().__init__("Firing cron triggers", AGAIN_AFTER, clock or lease.now, later)
        self._database = database
        self._programs = programs
        self._commands = commands
        self._lease = lease
        self._has_mail = has_mail
        self._publishers = publishers
        self._secrets = secrets

    # -- one look

    def _look(self) -> Steps[float | None]:
        try:
            while self._runs:
                due_time: Microseconds | None = yield self._database.read(cron_triggers.next_due_time)
                now = self._clock()
                if due_time is None or due_time > now:
                    return EVERY if due_time is None else min(EVERY, (due_time - now) / _SECOND)
                maintained: Maintenance = yield self._database.read(read_maintenance)
                if maintained.status != status_of.RUNNING:
                    return AGAIN_AFTER
                firings: list[Firing] = yield self._database.read(
                    plan, self._programs, self._publishers, self._secrets, now, FIRED_AT_ONCE
                )
                if not (yield from self._fire(firings)):
                    return AGAIN_AFTER
        except (DBAPIError, LeaseLost) as error:
            log.warning("Cron triggers cannot be fired, the next try follows: %s", reason(error))
        except Unavailable:
            self._runs = False
        return AGAIN_AFTER

    def _fire(self, firings: list[Firing]) -> Steps[bool]:
        """Do what was planned, all of it on its way together; whether this process has done any of it."""
        under_way = [(firing, self._order(firing)) for firing in firings]
        yield all_done([done for _, done in under_way])
        has_fired = False
        for firing, done in under_way:
            error = done.exception()
            if error is None:
                has_fired |= done.result()
            elif not isinstance(error, Exception) or _passes(error):
                raise error
            else:  # it cannot be stored for a reason of its own, and holds up nobody
                has_fired |= yield self._pass_over(firing, reason(error))
        return has_fired

    def _order(self, firing: Firing) -> Future[bool]:
        if firing.started is None:
            return self._pass_over(firing, firing.error)
        due, now = firing.due, self._clock()
        execution_id = execution_id_of(due.id, due.planned)
        try:  # the id of the execution is that of the command too: both are ordered once
            letter = mail_row(execution_id, firing.started, now, execution_id, self._lease.process_id)
        except MaestraleError as error:
            return self._pass_over(firing, str(error))
        started: Future[Any] = Future()
        started.add_done_callback(lambda done: self._started(due, done))
        self._commands.expect(execution_id, execution_id, started)

        def ordered(done: Future[bool]) -> None:
            error = done.exception()
            if error is not None or not done.result():
                self._commands.take(execution_id)
            if error is not None or done.result():  # whose answer is lost may be durable all the same
                self._has_mail(execution_id)

        ordering = self._database.write(cron_triggers.fire, due, firing.next_time, letter, now)
        ordering.add_done_callback(ordered)
        return ordering

    def _pass_over(self, firing: Firing, error: str) -> Future[bool]:
        due = firing.due
        is_last_try = due.failures + 1 >= MOST_FAILURES
        next_time = None if is_last_try else firing.next_time

        def passed_over(done: Future[bool]) -> None:
            if done.exception() is None and done.result():
                _tell(due, error)

        passing = self._database.write(cron_triggers.pass_over, due, next_time, error, self._clock())
        passing.add_done_callback(passed_over)
        return passing

    def _started(self, due: Due, done: Future[Any]) -> None:
        """The engine has decided about a start that was ordered."""
        error = done.exception()
        if error is None:
            if due.failures:
                self._database.write(cron_triggers.note_success, due.id)
        elif not isinstance(error, Unavailable):
            _tell(due, error)
            self._database.write(cron_triggers.note_refusal, due.id, str(error), MOST_FAILURES)


def _tell(due: Due, error: object) -> None:
    log.error("The cron trigger '%s' (%s) starts nothing: %s", due.name, due.id, error)


def _passes(error: Exception) -> bool:
    """Whether the database, or this process, cannot do anything at the moment."""
    return isinstance(error, Unavailable | LeaseLost) or is_unusable(error)


def execution_id_of(trigger_id: str, planned: Microseconds) -> str:
    """The id of the execution that a trigger starts for a planned time: always the same.

    A UUID of version 7, whose random part is a hash, so that it sorts by time as others do.
    """
    digest = hashlib.blake2b(f"{trigger_id}/{planned}".encode(), digest_size=10).digest()
    bits = ((planned // 1000) & (1 << 48) - 1) << 80 | int.from_bytes(digest, "big")
    bits = bits & ~(0xF << 76) | 7 << 76
    bits = bits & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=bits))


def plan(
    connection: Connection,
    programs: Programs,
    publishers: Sequence[Publisher],
    secrets: SecretRules,
    now: Microseconds,
    limit: int,
) -> list[Firing]:
    """What to do about the triggers that are due, at most `limit` of them."""
    return [
        _planned(connection, programs, publishers, secrets, due, now)
        for due in cron_triggers.find_due(connection, now, limit)
    ]


def _planned(
    connection: Connection,
    programs: Programs,
    publishers: Sequence[Publisher],
    secrets: SecretRules,
    due: Due,
    now: Microseconds,
) -> Firing:
    next_time: Microseconds | None = None
    try:
        next_time = next_due(due.pattern, due.planned, now)
        started = started_event(
            connection, Viewer(due.project_id), _wish(connection, due), publishers, secrets
        )
        if due.caller is not None:
            caller = msgspec.json.decode(due.caller) | {"is_trust_scoped": True}
            key = execution_id_of(due.id, due.planned)
            started = msgspec.structs.replace(started, security_context=key, caller=caller)
        program = programs.load(connection, started.definition_hash, started.workflow_name)
        check_input(program.spec, started.input)
    except NotFound as error:  # a workflow that was deleted does not come back
        return Firing(due, None, None, str(error))
    except MaestraleError as error:
        return Firing(due, next_time, None, str(error))
    except DBAPIError:
        raise
    except Exception as error:  # a fault of ours must not stop the triggers of others
        log.exception("The cron trigger '%s' (%s) cannot be planned", due.name, due.id)
        return Firing(due, next_time, None, f"Internal error: {type(error).__name__}: {error}")
    return Firing(due, next_time, started)


def _wish(connection: Connection, due: Due) -> Wish:
    trigger = {"type": "cron_trigger", "id": due.id, "name": due.name}
    described = f"Workflow execution created by cron trigger '({due.id})'."
    given, params = cron_triggers.started_with(connection, due)
    return Wish(
        due.workflow_id,
        input=given,
        params=params,
        description=json.dumps({"description": described, "triggered_by": trigger}, ensure_ascii=False),
    )
