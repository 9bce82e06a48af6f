"""The engine as the rest of the house sees it: requests in, durable answers out."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection

from maestrale.actions.base import ActionSettings
from maestrale.actions.process_settings import ProcessSettings
from maestrale.actions.registry import Registry
from maestrale.engine.decision import Limits
from maestrale.engine.events import ActionFinished, ActionUpdated, AnyEvent
from maestrale.engine.identity import Identity
from maestrale.expressions.surroundings import Elsewhere
from maestrale.model import states
from maestrale.model.actions import ActionResult
from maestrale.model.errors import InvalidState, MaestraleError, Unavailable
from maestrale.model.notifications import RETRY_FOR, Publisher
from maestrale.model.secrets import WELL_KNOWN, SecretRules
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.actions import KnownActions
from maestrale.runtime.commands import EXISTS, Commands, look_for_replies, no_execution, shutting_down
from maestrale.runtime.deciding import Decider
from maestrale.runtime.evaluator import Evaluator, HelperProcess
from maestrale.runtime.executor import ASYNCHRONOUS, THREADS, ActionRun, Executor
from maestrale.runtime.hints import Hints, NobodyElse
from maestrale.runtime.lease import Lease
from maestrale.runtime.loop import Loop
from maestrale.runtime.notifier import Notifier
from maestrale.runtime.outside import work_out
from maestrale.runtime.plans import plan_restart
from maestrale.runtime.programs import Programs
from maestrale.runtime.removal import Removal
from maestrale.runtime.requests import (
    PlannedTask,
    RanAction,
    RunAction,
    StartedExecution,
    StartWorkflow,
    Trial,
)
from maestrale.runtime.runnables import Runnables
from maestrale.runtime.security import Security
from maestrale.runtime.slots import Pending
from maestrale.runtime.standalone import FoundExecution, Standalone
from maestrale.runtime.steps import Steps, carry_out
from maestrale.runtime.timers import Later, in_a_thread
from maestrale.runtime.trials import open_trial
from maestrale.runtime.triggers import CronTriggers
from maestrale.runtime.watches import Watches
from maestrale.store import mail
from maestrale.store.database import Database
from maestrale.store.processes import find_owner
from maestrale.store.progress import store_progress
from maestrale.store.rows import Row, mail_row
from maestrale.store.security_contexts import Kept

log = logging.getLogger(__name__)

T = TypeVar("T")


def system_entropy() -> int:
    """64 random bits."""
    return int.from_bytes(os.urandom(8), "big")


class Engine:
    """One engine with its executor. Implements `WorkflowEngine`; methods may be called from any thread.

    `engines`: the ids of the engines to which this process leaves all workflows, so that it runs nothing
    itself but actions outside of them. `publishers`: who is told of all executions that triggers start;
    `secrets`: what is secret of their inputs and environments.
    `retry_for`: seconds for which a notification that was not received is sent again.
    `later` and `event_loop` stand in for threads where time is not that of this machine; `evaluator`
    evaluates expressions that take long.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        lease: Lease,
        *,
        hints: Hints | None = None,
        engines: Callable[[], list[str]] | None = None,
        settings: ActionSettings | None = None,
        limits: Limits | None = None,
        publishers: Sequence[Publisher] = (),
        secrets: SecretRules = WELL_KNOWN,
        retry_for: float = RETRY_FOR,
        clock: Callable[[], Microseconds] | None = None,
        entropy: Callable[[], int] = system_entropy,
        asynchronous: int = ASYNCHRONOUS,
        threads: int = THREADS,
        dynamic: ProcessSettings | None = None,
        later: Later = in_a_thread,
        event_loop: asyncio.AbstractEventLoop | None = None,
        evaluator: Evaluator | None = None,
        security: Security | None = None,
    ) -> None:
        settings = settings or ActionSettings()
        clock = clock or lease.now
        self.actions = actions = KnownActions(registry)
        self.lease = lease
        self._hints = hints = hints or NobodyElse()
        self._engines = engines
        self.settings = settings
        self.programs = Programs(database)
        self._limits = limits = limits or Limits()
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._commands = Commands()
        self._accepting = True
        self.evaluator = evaluator or HelperProcess()
        self.watches = Watches(hints)
        self.security = security = security or Security(database, clock)
        self.standalone = Standalone(
            database,
            actions,
            lease,
            settings,
            clock,
            entropy,
            self.evaluator,
            security,
            self.watches.changed,
            limits.field_size_kb,
            later,
        )
        self.executor = Executor(
            Runnables(registry, database, dynamic or ProcessSettings()),
            self._action_done,
            self.standalone.mark_started,
            lease,
            asynchronous=asynchronous,
            threads=threads,
            processes=(dynamic or ProcessSettings()).processes,
            goes_on=self.standalone.goes_on,
            progressed=self._progressed,
            loop=event_loop,
            security=security.find,
        )
        self.standalone.executor = self.executor
        self.notifier = Notifier(database, settings.http, lease, retry_for, clock, later)
        decider = Decider(self.programs, actions, self.executor, lease, clock, entropy, settings, limits)
        self.loop = Loop(
            database,
            self.programs,
            actions,
            self.executor,
            decider,
            clock,
            self._commands,
            lease,
            hints,
            self.notifier,
            self.evaluator,
            later,
        )
        self.loop.listeners.append(self.watches.changed)
        self.loop.on_end = lambda execution_id: security.over([execution_id])
        self.on_maintenance: Callable[[], object] = _nobody
        """Called when another process has begun or ended maintenance."""
        self.removal = Removal(database, self._forget, self.executor.cancel, later)
        self.triggers = CronTriggers(
            database,
            self.programs,
            self._commands,
            lease,
            self.loop.has_mail,
            publishers,
            clock,
            later,
            secrets,
        )

    @property
    def decides(self) -> bool:
        """Whether workflows are decided here."""
        return self._engines is None

    def start(self) -> None:
        """Begin to work."""
        self.definitions_changed().result()
        self.executor.start()
        self.loop.begin()

    def stop(self, grace: float) -> None:
        """Take no more requests, let running actions end within `grace` seconds, commit, and stop."""
        self._accepting = False
        self.triggers.stop()
        self.executor.close_entrance()
        self.loop.settle()
        abandoned = self.executor.stop(grace)
        if abandoned:
            log.warning("Actions that still ran after %g s and were abandoned: %d", grace, abandoned)
        self.evaluator.stop()
        self.loop.end()
        self.notifier.stop(grace)
        self._commands.refuse_all()
        self.standalone.refuse_all()

    def start_workflow(self, request: StartWorkflow) -> Future[StartedExecution]:
        """Create an execution and take its first decision; an id that exists is answered, not started."""
        future: Future[StartedExecution] = self._future()
        if future.done():
            return future
        if request.security is not None:
            return carry_out(self._starting_for(request, request.security))
        execution_id = request.execution_id or self._new_id()
        if self.decides:
            self.loop.start(execution_id, request.started, future, is_fresh=request.execution_id is None)
            return future
        replied: Future[Any] = Future()

        def started(done: Future[Any]) -> None:
            error = done.exception()
            if error is None:
                future.set_result(StartedExecution(execution_id, created=done.result() != EXISTS))
            else:
                future.set_exception(error)

        replied.add_done_callback(started)
        self._post(mail.post_start, execution_id, request.started, replied)
        return future

    def _starting_for(self, request: StartWorkflow, security: SecurityContext) -> Steps[StartedExecution]:
        """In whose name an execution works is durable before it begins."""
        execution_id = request.execution_id or self._new_id()
        kept: Kept = yield self.security.keep(execution_id, "execution", security)
        started = msgspec.structs.replace(
            request.started, security_context=execution_id, caller=security.shown()
        )
        try:
            answer: StartedExecution = yield self.start_workflow(StartWorkflow(started, execution_id))
        except Unavailable:  # it may have begun all the same
            raise
        except MaestraleError:
            yield self.security.undo(kept)
            raise
        if not answer.created:
            yield self.security.undo(kept)
        return answer

    def send(self, execution_id: str, event: AnyEvent) -> Future[None]:
        """Deliver a command by mail; the future resolves when its consequences are durable."""
        future: Future[None] = self._future()
        if future.done():
            return future
        self._post(mail.post_command, execution_id, event, future)
        return future

    def _post(
        self,
        post: Callable[[Connection, Row], bool],
        execution_id: str,
        event: AnyEvent,
        future: Future[Any],
    ) -> None:
        """Send a letter whose reply `future` gets; `post` says whether there is such an execution."""
        command_id = self._new_id()
        try:
            row = mail_row(execution_id, event, self._clock(), command_id, self.lease.process_id)
        except MaestraleError as error:
            future.set_exception(error)
            return
        self._commands.expect(command_id, execution_id, future)

        def posted(done: Future[bool]) -> None:
            error = done.exception()
            if error is None and done.result():
                self._tell_of_mail(execution_id)
            elif self._commands.take(command_id) is not None:
                future.set_exception(error or no_execution(execution_id))

        self._database.write(post, row).add_done_callback(posted)

    def _tell_of_mail(self, execution_id: str) -> None:
        """Let the owner of an execution know, or else any engine."""
        engines = self._engines
        if engines is None:
            self.loop.has_mail(execution_id)
            return

        def found(done: Future[str | None]) -> None:
            owner = None if done.exception() is not None else done.result()
            here = engines()
            if owner is None and here:
                owner = here[self._entropy() % len(here)]
            if owner is not None:
                self._hints.tell(owner, "mail", execution_id)

        self._database.read(find_owner, execution_id).add_done_callback(found)

    def received(self, kind: str, names: list[str]) -> None:
        """Another process has told this one that there is something to do."""
        if kind == "mail" and self.decides:
            for execution_id in names:
                self.loop.has_mail(execution_id)
        elif kind == "reply":
            look_for_replies(self._database, self._commands, names)
        elif kind == "definitions":
            self._database.read(self.actions.refresh)
        elif kind == "triggers":
            self.triggers.changed()
        elif kind == "maintenance":
            self.on_maintenance()
        elif kind == "watch":
            self.watches.heard_watch(names)
        elif kind == "changed":
            self.watches.heard_changed(names)
        elif kind == "sweep":
            self.on_maintenance()
            self.wait_for_replies()
            self.triggers.changed()
            self.watches.renew()

    def reborn(self) -> None:
        """This process was taken for dead: nothing that it ran counts any more, and it begins anew."""
        self.executor.abandon(keep=self.standalone.is_unstored)
        self.standalone.refuse_stored()
        self.wait_for_replies()

    def plan_restart(self, execution_id: str, task_id: str) -> Future[list[PlannedTask]]:
        """What a restart from a task would make run again, by committed data."""
        return self._database.read(
            plan_restart, self.programs, self.actions, self._limits, execution_id, task_id
        )

    def open_trial(self, execution_id: str, task_id: str) -> Future[Trial]:
        """What expressions of a task see, by committed data."""
        seed = f"{self._entropy():016x}"
        return self._database.read(
            open_trial,
            self._database,
            self.programs,
            self.actions,
            self._limits,
            self.evaluator,
            seed,
            execution_id,
            task_id,
        )

    def work_out(self, work: Callable[[Elsewhere], T]) -> Future[T]:
        """What `work` gives, which evaluates expressions outside of executions."""
        return work_out(self.evaluator, work)

    def run_action(self, request: RunAction) -> Future[RanAction]:
        """Run one action outside of any workflow."""
        future: Future[RanAction] = self._future()
        if not future.done():
            try:
                self.standalone.run(request, future)
            except MaestraleError as error:
                future.set_exception(error)
        return future

    def complete_action(self, action_id: str, state: str, result: Json) -> Future[None]:
        """Complete, pause or resume an action execution on behalf of an outside party."""
        future: Future[None] = self._future()
        return future if future.done() else carry_out(self._completing(action_id, state, result))

    def _completing(self, action_id: str, state: str, result: Json) -> Steps[None]:
        action: FoundExecution = yield self._database.read(self.standalone.find, action_id)
        if action.state in states.COMPLETED:
            raise InvalidState(f"Action {action_id} is already completed")
        if action.execution_id is None:
            yield self.standalone.complete(action_id, ActionResult(state, result), action.adhoc)
        else:
            yield self.send(action.execution_id, _told(action_id, state, result))

    def delete_execution(self, execution_id: str, force: bool) -> Future[None]:
        """Delete an execution with everything below it; done when nothing is left of it."""
        future: Future[None] = self._future()
        return future if future.done() else self.removal.delete(execution_id, force)

    def definitions_changed(self) -> Future[None]:
        """Take note of stored actions that were stored, renamed or deleted, here and elsewhere."""
        self._hints.tell_all("definitions")
        return self._database.read(self.actions.refresh)

    def triggers_changed(self) -> None:
        """Take note of cron triggers that were stored or deleted, here and elsewhere."""
        self._hints.tell_all("triggers")
        self.triggers.changed()

    def wait_for_replies(self) -> Future[None]:
        """Look in the database for replies to commands that others may have decided, and hand them on."""
        return look_for_replies(self._database, self._commands, self._commands.waiting_for())

    def lost(self, execution_id: str, event: ActionFinished) -> None:
        """At start: an action of an earlier process counts as failed."""
        self.loop.deliver(execution_id, Pending(event))

    def _forget(self, execution_ids: Collection[str]) -> None:
        self.loop.forget(execution_ids)
        self.watches.changed(execution_ids)
        self.security.over([*execution_ids])

    def _new_id(self) -> str:
        return Identity(f"{self._entropy():016x}", 0, self._clock()).next_id()

    def _future(self) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        if not self._accepting:
            future.set_exception(shutting_down())
        return future

    def _progressed(self, news: dict[str, str]) -> None:
        self._database.write(store_progress, news)

    def _action_done(self, run: ActionRun, result: ActionResult) -> None:
        if run.execution_id is None:
            self.standalone.finished(run, result)
        else:
            event = ActionFinished(run.action_id, result.state, result.result)  # type: ignore[arg-type]
            self.loop.deliver(run.execution_id, Pending(event), run.project_id)


def _nobody() -> None:
    """Hears of maintenance where nobody else does."""


def _told(action_id: str, state: str, result: Json) -> AnyEvent:
    if state in (states.PAUSED, states.RUNNING):
        return ActionUpdated(action_id, state)  # type: ignore[arg-type]
    return ActionFinished(action_id, state, result, by_user=True)  # type: ignore[arg-type]
