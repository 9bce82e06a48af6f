"""What the engine keeps in memory of one execution that has, or recently had, something to do."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from typing import Any

from maestrale.engine.draft import Draft
from maestrale.engine.events import AnyEvent
from maestrale.engine.execution import Execution
from maestrale.engine.needs import Answers
from maestrale.engine.program import Program
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Microseconds
from maestrale.runtime.executor import ActionRun
from maestrale.store.mail import Letter
from maestrale.store.notifications import Outgoing
from maestrale.store.rows import ExecutionRows


class Pending:
    """One event on its way to a decision, and who waits for it."""

    __slots__ = ("event", "failure", "future", "letter", "refusal")

    def __init__(
        self, event: AnyEvent, future: Future[Any] | None = None, letter: Letter | None = None
    ) -> None:
        self.event = event
        self.future = future
        self.letter = letter
        self.refusal: MaestraleError | None = None
        self.failure: MaestraleError | None = None
        """Why the event was replaced by a `DecisionFailed`; told once that is durable."""

    @property
    def is_suspect(self) -> bool:
        """Whether it is a letter on which a commit has failed before."""
        return self.letter is not None and self.letter.attempts > 0


class Slot:
    """One execution. Exactly one thing happens to it at a time: loading, reading mail, asking, committing."""

    __slots__ = (
        "alarm",
        "answers",
        "busy",
        "execution",
        "failures",
        "has_mail",
        "id",
        "is_gone",
        "owner",
        "pending",
        "program",
        "project_id",
        "queued",
        "size",
        "trouble",
    )

    def __init__(self, execution_id: str, project_id: str | None = None) -> None:
        self.id = execution_id
        self.project_id = project_id
        """Whose it is, as soon as that is known."""
        self.size = 0
        """Bytes of what was read or written for the execution since it is in memory: no less than it has."""
        self.execution: Execution | None = None
        self.program: Program | None = None
        self.owner: str | None = None
        self.pending: deque[Pending] = deque()
        self.answers: Answers = {}
        self.busy = False
        self.queued = False
        self.has_mail = False
        self.is_gone = False
        """It was deleted while something was being read for it."""
        self.failures = 0
        """How many commits have failed for this execution alone since one succeeded."""
        self.trouble: BaseException | None = None
        """Why the last one did."""
        self.alarm: Microseconds | None = None

    def use(self, program: Program) -> None:
        """Run on this program."""
        self.program = program

    def forget(self) -> None:
        """Throw away what memory knows; the next work loads it again."""
        self.execution = None
        self.program = None
        self.answers = {}
        self.size = 0


class Member:
    """What one execution contributes to a commit."""

    __slots__ = ("draft", "new_owner", "outgoing", "pending", "rows", "runs", "size", "slot")

    def __init__(
        self,
        slot: Slot,
        draft: Draft,
        pending: list[Pending],
        rows: ExecutionRows,
        new_owner: str | None,
        outgoing: list[Outgoing],
    ) -> None:
        self.slot = slot
        self.draft = draft
        self.pending = pending
        self.rows = rows
        self.size = rows.size
        self.new_owner = new_owner
        self.runs: list[tuple[ActionRun, bool]] = []
        """Actions to be run after the commit, and whether a place is reserved for them."""
        self.outgoing = outgoing
        """Notifications to be sent after the commit."""


class Group:
    """Members that are committed together or not at all: an execution and the children it starts."""

    __slots__ = ("attempts", "members")

    def __init__(self, members: list[Member]) -> None:
        self.members = members
        self.attempts = 0
