"""What an execution needs of the database before it can be decided: its ownership, itself, mail, answers.

Each is read for one slot at a time, in reader threads (or written, for a claim), and comes back as a job of
the loop; meanwhile the slot is busy.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

from maestrale.engine.decision import Need
from maestrale.engine.draft import Draft
from maestrale.engine.events import ActionFinished, Started
from maestrale.expressions.leaving import Request
from maestrale.model.errors import Conflict
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.actions import KnownActions
from maestrale.runtime.answers import answer
from maestrale.runtime.commands import EXISTS, Commands, look_for_replies, no_execution
from maestrale.runtime.deciding import Decider
from maestrale.runtime.evaluator import Evaluator
from maestrale.runtime.hints import Hints
from maestrale.runtime.lease import Lease
from maestrale.runtime.loading import Absent, LoadedExecution, load
from maestrale.runtime.programs import Programs
from maestrale.runtime.requests import StartedExecution
from maestrale.runtime.slots import Pending, Slot
from maestrale.runtime.timers import Later
from maestrale.store import mail
from maestrale.store.database import Database, is_unusable, reason
from maestrale.store.leases import LeaseLost
from maestrale.store.mail import Letter
from maestrale.store.processes import Claim, claim, find_projects, release
from maestrale.store.rows import Reply, mail_row

log = logging.getLogger(__name__)

READ_AGAIN_AFTER: Final = 1.0
"""Seconds until a read is tried again that the database refused."""

READS_AT_ONCE: Final = 64
"""Executions that are claimed or read at the same time; the others wait, where projects take turns."""

CLAIM_AGAIN_AFTER: Final = 0.02
"""Seconds until an execution is claimed again that another transaction had."""

Job = Callable[[], None]
T = TypeVar("T")


class Reader:
    """Reads for slots. All methods run in the loop's thread.

    `go_on` is told that a slot can be decided further, `drop` that nothing is left to do for it here.
    """

    def __init__(
        self,
        database: Database,
        programs: Programs,
        actions: KnownActions,
        decider: Decider,
        commands: Commands,
        lease: Lease,
        hints: Hints,
        evaluator: Evaluator,
        clock: Callable[[], Microseconds],
        post: Callable[[Job], None],
        wait: Later,
        go_on: Callable[[Slot], None],
        drop: Callable[[Slot], None],
    ) -> None:
        self._database = database
        self._programs = programs
        self._actions = actions
        self._decider = decider
        self._commands = commands
        self._lease = lease
        self._hints = hints
        self._evaluator = evaluator
        self._clock = clock
        self._post = post
        self._wait = wait
        self._go_on = go_on
        self._drop = drop
        self._in_flight = 0

    @property
    def has_room(self) -> bool:
        """Whether something may be read for another slot now."""
        return self._in_flight < READS_AT_ONCE

    def is_prepared(self, slot: Slot) -> bool:
        """Whether a slot can be decided as it is."""
        if slot.execution is None or slot.program is None or self._must_claim(slot):
            return False
        return not self._must_read_mail(slot)

    def prepare(self, slot: Slot) -> bool:
        """Whether a slot has what a decision takes; if not, something is on its way."""
        if self._must_claim(slot):
            self._claim(slot)
        elif slot.execution is None:
            self._load(slot)
        elif slot.program is None:
            return self._find_program(slot)
        elif self._must_read_mail(slot):
            self._read_mail(slot)
        else:
            return True
        return False

    def find_projects(self, slots: list[Slot], found: Callable[[], None]) -> None:
        """Find out whose executions these are, all in one read; they are `found` in any case.

        What the database does not tell shares the turns of a project without a name.
        """

        def came_back(finished: Future[dict[str, str]]) -> None:
            error = finished.exception()
            if error is not None:
                log.error("Projects of executions cannot be read: %s", reason(error))
            known = {} if error is not None else finished.result()
            for slot in slots:
                if slot.project_id is None:
                    slot.project_id = known.get(slot.id, "")
            found()

        read = self._database.read(find_projects, [slot.id for slot in slots])
        read.add_done_callback(lambda finished: self._post(lambda: came_back(finished)))

    # -- ownership

    def _must_claim(self, slot: Slot) -> bool:
        """Where others may own it, it has to be ours before its mail is read; a new one is nobody's."""
        if not self._lease.is_shared or slot.owner == self._lease.process_id:
            return False
        return slot.execution is None or slot.execution.workflow is not None

    def _claim(self, slot: Slot) -> None:
        self.then(
            slot,
            lambda: self._database.write(claim, slot.id, self._lease.process_id),
            lambda found: self._claimed(slot, found),
            lambda error: self._fail_waiting(slot, error),
        )

    def _claimed(self, slot: Slot, found: Claim) -> None:
        if found.owner == self._lease.process_id:
            slot.owner = found.owner
            if slot.execution is not None and slot.execution.version != found.version:
                slot.forget()
        elif found.owner == "":
            self._after(slot, CLAIM_AGAIN_AFTER)
        elif found.owner is None:
            self._absent(slot, found.is_leaving)
        else:
            self._hand_over(slot, found.owner)

    def _hand_over(self, slot: Slot, owner: str) -> None:
        """Another process owns the execution: what has arrived here becomes mail for it."""
        slot.forget()
        slot.owner = None
        local = [pending.event for pending in slot.pending if pending.letter is None]
        results = [event for event in local if isinstance(event, ActionFinished)]
        for pending in slot.pending:
            future = pending.future
            if future is None:
                continue
            if pending.letter is not None and pending.letter.command_id is not None:
                self._commands.expect(pending.letter.command_id, slot.id, future)
            elif isinstance(pending.event, Started):
                future.set_result(StartedExecution(slot.id, created=False))
        slot.pending.clear()
        slot.has_mail = False
        if not results:
            self._hints.tell(owner, "mail", slot.id)
            return
        rows = [mail_row(slot.id, event, self._clock()) for event in results]

        def posted(_: None) -> None:
            self._hints.tell(owner, "mail", slot.id)

        def refused(error: BaseException) -> None:
            log.error("Results for %s cannot be handed over: %s", slot.id, reason(error))

        self.then(slot, lambda: self._database.write(mail.post, rows), posted, refused)

    def release(self, slot: Slot) -> bool:
        """Give an execution up for which nothing has to be done here after all; whether that is so."""
        execution = slot.execution
        if slot.busy or slot.pending or slot.has_mail or execution is None or execution.workflow is None:
            return False
        if not self._lease.is_shared or slot.owner != self._lease.process_id:
            return False
        if self._decider.goes_on(Draft(execution)):
            return False
        owner, slot.owner = slot.owner, None
        self.then(
            slot,
            lambda: self._database.write(release, slot.id, owner, execution.version),
            lambda _: None,
            lambda _: None,
        )
        return True

    def _after(self, slot: Slot, seconds: float) -> None:
        slot.busy = True

        def again() -> None:
            slot.busy = False
            self._go_on(slot)

        self._later(seconds, again)

    # -- the execution

    def _load(self, slot: Slot) -> None:
        self.then(
            slot,
            lambda: self._database.read(load, self._programs, self._actions, self._decider.limits, slot.id),
            lambda found: self._loaded(slot, found),
            lambda error: self._fail_waiting(slot, error),
        )

    def _loaded(self, slot: Slot, found: LoadedExecution | Absent) -> None:
        if isinstance(found, Absent):
            self._absent(slot, found.is_leaving)
        else:
            slot.execution, slot.owner, slot.program, slot.size = found

    def _absent(self, slot: Slot, is_leaving: bool) -> None:
        """There is no such execution: it begins now, or what has come for it is refused.

        While one `is_leaving`, none can begin under its id.
        """
        if is_leaving:
            self._refuse_starts(slot)
        started = next((pending for pending in slot.pending if isinstance(pending.event, Started)), None)
        if started is not None:
            slot.pending.remove(started)
            slot.pending.appendleft(started)  # what came before cannot have been meant for it
            slot.execution = self._decider.new_execution()
        elif slot.has_mail:
            self._read_mail(slot, is_absent=True)
        else:
            self._nobody_there(slot)

    def _refuse_starts(self, slot: Slot) -> None:
        refusal = Conflict(f"WorkflowExecution {slot.id} is being deleted", "try again in a moment")
        for pending in [pending for pending in slot.pending if isinstance(pending.event, Started)]:
            slot.pending.remove(pending)
            if pending.future is not None:
                pending.future.set_exception(refusal)
            if pending.letter is not None:
                self.settle(pending.letter, refusal.status, str(refusal))

    def _nobody_there(self, slot: Slot) -> None:
        missing = no_execution(slot.id)
        for pending in slot.pending:
            if pending.letter is not None:
                self.settle(pending.letter, missing.status, str(missing))
        self._fail_waiting(slot, missing)
        self._commands.refuse_for([slot.id])
        self._drop(slot)

    def _find_program(self, slot: Slot) -> bool:
        started = next((p.event for p in slot.pending if isinstance(p.event, Started)), None)
        if started is None:
            self._nobody_there(slot)
            return False
        key = started.definition_hash, started.workflow_name
        slot.program = self._programs.cached(*key)
        if slot.program is not None:
            return True
        self.then(
            slot,
            lambda: self._database.read(self._programs.load, *key),
            lambda program: slot.use(program),
            lambda error: self._fail_waiting(slot, error),
        )
        return False

    # -- mail

    def _must_read_mail(self, slot: Slot) -> bool:
        return slot.has_mail and not any(pending.letter for pending in slot.pending)

    def _read_mail(self, slot: Slot, *, is_absent: bool = False) -> None:
        """Read letters; to an execution that is absent, one may be the order to start it."""
        slot.has_mail = False

        def got(found: dict[str, list[Letter]]) -> None:
            self._got_mail(slot, found[slot.id])
            if is_absent and not slot.pending:
                self._nobody_there(slot)

        self.then(
            slot,
            lambda: self._database.read(mail.read_letters, [slot.id]),
            got,
            lambda _: self._commands.refuse_for([slot.id]),
        )

    def _got_mail(self, slot: Slot, letters: list[Letter]) -> None:
        slot.has_mail = slot.has_mail or len(letters) == mail.LETTERS_PER_READ
        for letter in letters:
            pending = Pending(letter.event, None, letter)
            if not self._decider.admit(slot, pending):
                log.error("For %s: %s", slot.id, letter.problem)
                self.count_attempt(slot, [letter])  # a later sweep tries again
                break
            pending.future = self._commands.take(letter.command_id)
            slot.pending.append(pending)
            slot.has_mail = slot.has_mail or letter.problem is not None  # those behind it were not read
        look_for_replies(self._database, self._commands, self._commands.waiting_for(slot.id))

    def count_attempt(self, slot: Slot, letters: list[Letter]) -> None:
        """Note in the mail that these letters could not be dealt with; the slot waits for that."""
        if letters:
            sequences = [letter.sequence for letter in letters]
            self.then(
                slot,
                lambda: self._database.write(mail.count_attempt, sequences),
                lambda _: None,
                lambda _: None,
            )

    def answer_known_id(self, slot: Slot) -> None:
        """A start under an id that exists is answered with what exists."""
        for pending in [p for p in slot.pending if isinstance(p.event, Started)]:
            slot.pending.remove(pending)
            if pending.future is not None:
                pending.future.set_result(StartedExecution(slot.id, created=False))
            if pending.letter is not None:
                self.settle(pending.letter, 200, EXISTS)

    def settle(self, letter: Letter, status: int, message: str) -> None:
        """Answer a letter that leads to no decision."""
        reply = None
        if letter.command_id is not None:
            reply = Reply(letter.command_id, status, message, self._clock())
        self._database.write(mail.settle, letter.sequence, reply).add_done_callback(
            lambda done: self.tell_sender(letter) if done.exception() is None else None
        )

    def tell_sender(self, letter: Letter) -> None:
        """Let the process know that waits for the reply to a letter, which is durable now."""
        if letter.command_id is not None and letter.reply_to not in (None, self._lease.process_id):
            self._hints.tell(letter.reply_to, "reply", letter.command_id)

    # -- what a decision asks for

    def ask(self, slot: Slot, need: Need) -> None:
        """Find the answer to a need of the decision at hand."""
        question = need.question

        def got(found: Json) -> None:
            slot.answers[question] = found

        if need.request is not None:
            self._evaluate(slot, need.request, got)
            return
        self.then(
            slot,
            lambda: answer(self._database, self._programs, self._actions, question),
            got,
            lambda error: self._decider.defuse(slot.pending[0], error),
        )

    def _evaluate(self, slot: Slot, request: Request, got: Callable[[Json], None]) -> None:
        """Have an expression evaluated that takes long; others are read meanwhile."""

        def came_back(finished: Future[Json]) -> None:
            slot.busy = False
            got(finished.result())
            self._freed(slot)

        slot.busy = True
        evaluated = self._evaluator.evaluate(request)
        evaluated.add_done_callback(lambda finished: self._post(lambda: came_back(finished)))

    def _freed(self, slot: Slot) -> None:
        """Nothing is read for a slot any more: it goes on."""
        if slot.is_gone:
            slot.is_gone = False
            slot.forget()
        self._go_on(slot)

    def then(
        self,
        slot: Slot,
        read: Callable[[], Future[T]],
        use: Callable[[T], None],
        give_up: Callable[[BaseException], None],
    ) -> None:
        """Read for a slot, use what was found and let the slot go on.

        While the database itself refuses, or this process has no lease, it is tried again; `give_up` gets any
        other error.
        """

        def came_back(finished: Future[T]) -> None:
            error = finished.exception()
            if isinstance(error, Exception) and (is_unusable(error) or isinstance(error, LeaseLost)):
                log.error("The database refuses to read for %s: %s", slot.id, reason(error))
                self._later(READ_AGAIN_AFTER, begin)
                return
            slot.busy = False
            self._in_flight -= 1
            if error is None:
                use(finished.result())
            else:
                log.error("Reading for %s failed: %s", slot.id, error, exc_info=error)
                give_up(error)
            self._freed(slot)

        def begin() -> None:
            read().add_done_callback(lambda finished: self._post(lambda: came_back(finished)))

        slot.busy = True
        self._in_flight += 1
        begin()

    def _later(self, seconds: float, job: Job) -> None:
        self._wait(seconds, lambda: self._post(job))

    def _fail_waiting(self, slot: Slot, error: BaseException) -> None:
        """What was to be decided for an execution that cannot be read fails with it."""
        for pending in slot.pending:
            if pending.future is not None:
                pending.future.set_exception(error)
        slot.pending.clear()
        slot.forget()
