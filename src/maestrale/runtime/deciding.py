"""Deciding what is pending for one execution: drafts, children that start with it, rows to commit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from maestrale.actions.base import ActionContext, ActionSettings
from maestrale.engine.decide import decide
from maestrale.engine.decision import ActionCatalogue, Limits, Need
from maestrale.engine.draft import Draft
from maestrale.engine.effects import Notify, RunAction, StartSubWorkflow
from maestrale.engine.events import AnyEvent, DecisionFailed, Started
from maestrale.engine.execution import Child, Execution
from maestrale.engine.needs import Answers
from maestrale.engine.program import Program
from maestrale.model import states
from maestrale.model.errors import BadRequest, MaestraleError
from maestrale.model.values import Microseconds
from maestrale.runtime.executor import ActionRun, Executor
from maestrale.runtime.lease import Lease
from maestrale.runtime.notifier import is_sent
from maestrale.runtime.programs import Programs
from maestrale.runtime.slots import Group, Member, Pending, Slot
from maestrale.store.database import is_duplicate, reason
from maestrale.store.executions import MailChanged, Overtaken
from maestrale.store.leases import LeaseLost
from maestrale.store.notifications import notification_row, outgoing
from maestrale.store.rows import Reply, render

log = logging.getLogger(__name__)

EVENTS_PER_DECISION: Final = 100
"""Events of one execution that share a commit; the rest takes its turn behind other executions."""

CONSEQUENCES_PER_DECISION: Final = 2000
"""Tasks, actions and effects that those events bring about, from which on the rest waits too."""

TRIES_PER_COMMIT: Final = 3

_VERSION_STEP: Final = 0xFFFF
"""Versions grow by random steps, so that two commits on top of the same state can be told apart."""


class Decider:
    """Turns pending events into groups that can be committed. Holds no state of executions."""

    def __init__(
        self,
        programs: Programs,
        actions: ActionCatalogue,
        executor: Executor,
        lease: Lease,
        clock: Callable[[], Microseconds],
        entropy: Callable[[], int],
        settings: ActionSettings,
        limits: Limits,
    ) -> None:
        self._programs = programs
        self._actions = actions
        self._executor = executor
        self._lease = lease
        self._clock = clock
        self._entropy = entropy
        self._settings = settings
        self.limits = limits
        self._create_only = msgspec.structs.replace(limits, steps=0)

    def new_execution(self) -> Execution:
        """The empty state of an execution that begins: its seed and first version are random."""
        return Execution(f"{self._entropy():016x}", self._entropy() >> 16)

    def decide(self, slot: Slot) -> Group | list[Pending]:
        """Decide the oldest pending events of a slot. Raises `Need`.

        Returns what to commit, or, if every event was refused, the events.

        A refused event stays refused and leaves no trace; an event that trips over a fault of ours ends the
        execution visibly instead of hanging it.
        """
        execution, program = slot.execution, slot.program
        assert execution is not None
        assert program is not None
        taken = self._take(slot, execution)
        while True:
            try:
                return self._group(slot, self._decide_all(slot, execution, program, taken), taken)
            except Need:
                slot.pending.extendleft(reversed(taken))
                raise
            except Exception as error:
                if len(taken) > 1:  # find out which event it is by taking one at a time
                    slot.pending.extendleft(reversed(taken[1:]))
                    del taken[1:]
                else:
                    name = type(taken[0].event).__name__
                    log.exception("The consequences of %s for %s cannot be stored", name, slot.id)
                    self.defuse(taken[0], error)

    def _take(self, slot: Slot, execution: Execution) -> list[Pending]:
        """The events that share a decision. What has failed before is tried alone, to find the culprit."""
        taken = [slot.pending.popleft()]
        if execution.workflow is None or slot.failures or taken[0].is_suspect:
            return taken
        while slot.pending and len(taken) < EVENTS_PER_DECISION and not slot.pending[0].is_suspect:
            taken.append(slot.pending.popleft())
        return taken

    def _decide_all(self, slot: Slot, execution: Execution, program: Program, taken: list[Pending]) -> Draft:
        draft = Draft(execution)
        for number, pending in enumerate(taken):
            consequences = len(draft.new_tasks) + len(draft.new_children) + len(draft.effects)
            if consequences >= CONSEQUENCES_PER_DECISION:
                slot.pending.extendleft(reversed(taken[number:]))
                del taken[number:]
                break
            if pending.refusal is not None:
                continue
            try:
                self._decide(draft, slot.id, pending.event, program, slot.answers, self.limits)
            except Need:
                raise
            except MaestraleError as error:
                pending.refusal = error
                return self._decide_all(slot, execution, program, taken)
            except Exception as error:
                log.exception("Deciding %s for %s failed", type(pending.event).__name__, slot.id)
                self.defuse(pending, error)
                return self._decide_all(slot, execution, program, taken)
        return draft

    def defuse(self, pending: Pending, error: BaseException) -> None:
        """Replace an event that cannot be decided, so that the execution ends with a reason."""
        if not isinstance(error, MaestraleError):
            error = MaestraleError(
                f"Internal error while deciding {type(pending.event).__name__}:"
                f" {type(error).__name__}: {error}. The log has the details."
            )
        if isinstance(pending.event, Started | DecisionFailed):
            pending.refusal = error
        else:
            pending.failure = error
            pending.event = DecisionFailed(str(error))

    def note_commit_failure(self, slot: Slot, again: list[Pending], error: BaseException) -> None:
        """A commit failed for this execution alone, by a fault of what was to be stored.

        After a few tries what has happened here ends the execution, with the reason. Letters are counted in
        the mail, and `admit` judges them.
        """
        is_common = isinstance(error, Exception) and is_duplicate(error)  # two have begun under one id
        level = logging.INFO if is_common else logging.ERROR
        log.log(level, "The decisions for %s cannot be stored: %s", slot.id, reason(error))
        slot.failures += 1
        slot.trouble = error
        if slot.failures >= TRIES_PER_COMMIT:
            for pending in again:
                self.defuse(pending, error)

    def admit(self, slot: Slot, pending: Pending) -> bool:
        """Whether a letter is decided now. One that leads to nothing, however often, is taken out of the mail
        by ending the execution with the reason; if not even that can be stored, without a trace but a log."""
        letter = pending.letter
        assert letter is not None
        if letter.attempts < TRIES_PER_COMMIT:
            return letter.problem is None
        kind = type(letter.event).__name__
        why = "see the log" if slot.trouble is None else reason(slot.trouble)
        problem = letter.problem or (
            f"The message {kind} with the number {letter.sequence} was set aside, for what follows from it"
            f" cannot be stored (tried {letter.attempts} times): {why}"
        )
        log.error("For %s: %s", slot.id, problem)
        kind_of_error = BadRequest if isinstance(slot.trouble, BadRequest) else MaestraleError
        pending.failure = kind_of_error(problem)
        if isinstance(letter.event, Started) or letter.attempts >= 2 * TRIES_PER_COMMIT:
            pending.refusal = pending.failure
        else:
            pending.event = DecisionFailed(problem)
        return True

    def _decide(
        self,
        draft: Draft,
        execution_id: str,
        event: AnyEvent,
        program: Program,
        answers: Answers,
        limits: Limits,
    ) -> None:
        decide(
            draft,
            event,
            execution_id=execution_id,
            program=program,
            now=self._clock(),
            answers=answers,
            actions=self._actions,
            limits=limits,
        )

    def _group(self, slot: Slot, draft: Draft, taken: list[Pending]) -> Group | list[Pending]:
        if not draft.records and (draft.base.workflow is None or not any(p.letter for p in taken)):
            for pending in taken:
                if pending.future is not None and pending.refusal is not None:
                    pending.future.set_exception(pending.refusal)
            slot.answers = {}
            return taken
        members = [self._member(slot, draft, taken)]
        members += [
            self._child(effect, slot.answers)
            for effect in draft.effects
            if isinstance(effect, StartSubWorkflow)
        ]
        slot.answers = {}
        for member in members:
            self._add_runs(member)
        return Group(members)

    def _child(self, effect: StartSubWorkflow, answers: Answers) -> Member:
        """A child begins in the commit of its parent, with its first tasks ready but not started."""
        started = effect.started
        slot = Slot(effect.execution_id, started.project_id)
        slot.program = self._programs.get(started.definition_hash, started.workflow_name)
        slot.execution = self.new_execution()
        draft = Draft(slot.execution)
        self._decide(draft, slot.id, started, slot.program, answers, self._create_only)
        return self._member(slot, draft, [Pending(started)])

    def _member(self, slot: Slot, draft: Draft, taken: list[Pending]) -> Member:
        is_new = draft.is_new
        old_version = None if is_new else draft.base.version
        process_id = self._lease.process_id
        new_owner = process_id if self.goes_on(draft) else None
        rows = render(
            draft,
            execution_id=slot.id,
            old_version=old_version,
            old_owner=slot.owner,
            new_version=draft.base.version + 1 + (self._entropy() & _VERSION_STEP),
            new_owner=new_owner,
            now=self._clock(),
        )
        rows.process_id = process_id
        for pending in taken:
            if pending.letter is not None:
                rows.consumed.append(pending.letter.sequence)
                if pending.letter.command_id is not None:
                    rows.replies.append(_reply(pending, self._clock()))
        sent = [outgoing(e, self._clock()) for e in draft.effects if isinstance(e, Notify) and is_sent(e)]
        rows.notifications = [notification_row(one, slot.id, process_id) for one in sent]
        return Member(slot, draft, taken, rows, new_owner, sent)

    def goes_on(self, draft: Draft) -> bool:
        """Whether this process keeps an execution that it has decided on.

        Among others it keeps parents too, whose children tell it of their ends.
        """
        if draft.is_left_undone or draft.local_actions:
            return True
        return self._lease.is_shared and draft.sub_workflows > 0

    def _add_runs(self, member: Member) -> None:
        draft, rows = member.draft, member.rows
        wanted = {effect.action_id for effect in draft.effects if isinstance(effect, RunAction)}
        if not wanted:
            return
        for row in rows.new_actions:
            child = draft.new_children.get(row["id"])
            if child is None or child.id not in wanted or child.state != states.RUNNING:
                continue
            reserved = self._executor.reserve(child.real_name)
            row["executor"] = rows.process_id
            row["queued"] = not reserved
            member.runs.append((self._action_run(draft, child, rows.process_id), reserved))

    def _action_run(self, draft: Draft, child: Child, process_id: str | None) -> ActionRun:
        workflow = draft.workflow
        task = draft.task(child.task_id)
        context = action_context(
            child.id,
            self._settings,
            workflow_execution_id=workflow.id,
            workflow_name=workflow.name,
            task_execution_id=child.task_id,
            task_name=task.name if task is not None else None,
            attempt=child.attempt + 1,
            item_index=child.item_index,
        )
        return ActionRun(
            child.id,
            child.real_name,
            child.real_input,
            context,
            None,
            workflow.id,
            child.waits_outside,
            process_id=process_id,
            project_id=workflow.project_id,
            security_context=workflow.security_context,
        )


def is_fault(error: BaseException) -> bool:
    """Whether a commit failed by what it was to store, and not because this process was overtaken.

    A key that is there already may be of either kind; the next try, on what the database says, shows it.
    """
    return not isinstance(error, Overtaken | MailChanged | LeaseLost)


def action_context(action_id: str, settings: ActionSettings, **names: Any) -> ActionContext:
    """The context of one action execution."""
    return ActionContext(
        action_execution_id=action_id,
        idempotency_key=action_id,
        callback_path=f"/v2/action_executions/{action_id}",
        settings=settings,
        **names,
    )


def _reply(pending: Pending, now: Microseconds) -> Reply:
    assert pending.letter is not None
    command_id = pending.letter.command_id
    assert command_id is not None
    error = pending.refusal or pending.failure
    if error is None:
        return Reply(command_id, 200, None, now)
    return Reply(command_id, error.status, str(error), now)
