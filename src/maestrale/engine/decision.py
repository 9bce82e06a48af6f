"""What every part of a decision works with: the draft, the program, the time, and evaluation in place."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from maestrale.engine.context import Context, merge_maps
from maestrale.engine.draft import Draft
from maestrale.engine.execution import TaskExecution
from maestrale.engine.identity import Identity
from maestrale.engine.needs import Answers, AnyQuestion, EvaluateExpression
from maestrale.engine.program import Program, Section, TaskProgram
from maestrale.expressions.leaving import Request
from maestrale.expressions.surroundings import Passthrough, Scope, Surroundings
from maestrale.expressions.template import Template
from maestrale.lang.spec import Path
from maestrale.model.actions import ActionFacts
from maestrale.model.errors import EvaluationError, MaestraleError
from maestrale.model.values import Json, Microseconds

STEPS_PER_DECISION = 200
"""Tasks started and children made in one decision; the rest waits for a *continue*."""

CALLER = "openstack"
"""The variable that says in whose name an execution works."""

LETTERS_PER_DECISION = 2000
"""Sub-workflows that one decision tells of a pause, an end or the like; the rest waits for a *continue*."""


_NONE: frozenset[str] = frozenset()


class ActionCatalogue(Protocol):
    """What the engine asks about actions; a pure look-up."""

    def find(self, name: str) -> ActionFacts | None: ...

    def suggestions(self, name: str) -> list[str]: ...

    def is_shadowed(self, name: str) -> bool:
        """Whether an ad-hoc action has the name of this action, so that it is not clear which is meant."""
        ...


class Need(Passthrough):
    """The decision cannot be taken without an answer to this question."""

    def __init__(self, question: AnyQuestion, request: Request | None = None) -> None:
        """`request`: what `EvaluateExpression` asks about."""
        super().__init__(str(question))
        self.question = question
        self.request = request


class ForcedFailure(MaestraleError):
    """The engine failed while handling a task: task and workflow end in ERROR, on-error is not followed."""

    status = 400


class TaskFailure(MaestraleError):
    """A child could not be started for a reason that counts as the task's own error: on-error applies."""

    status = 400


class ResultRefused(ForcedFailure):
    """An action has ended, but its result cannot be taken: it is too large or cannot be transformed."""

    def __init__(self, error: MaestraleError, action: str) -> None:
        super().__init__(error.message, error.hint)
        self.error = error
        self.action = action


class Completion(msgspec.Struct, frozen=True):
    """A task that has to be completed before the decision ends.

    `final`: no retry (a timeout). `waited`: wait-after is over. `action_name`: for messages. `if_waiting`:
    only a WAITING join (it may be found hopeless more than once before it is completed).
    """

    task_id: str
    state: str
    info: str | None = None
    final: bool = False
    waited: bool = False
    action_name: str | None = None
    if_waiting: bool = False


class DataFlow(msgspec.Struct, frozen=True):
    """How variables of the same name meet.

    `merges_maps`: a published map is merged into the one that is there, and the maps of all places where an
    expression looks for a variable are merged; else the nearest one replaces the others. `versioning`:
    where branches meet, the value that was published more often wins; else that of the later branch.
    """

    merges_maps: bool = False
    versioning: bool = True


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one decision and of what it may store, and the rules of the data flow.

    `traces`: whether every change of state is told to the log.
    """

    steps: int = STEPS_PER_DECISION
    letters: int = LETTERS_PER_DECISION
    field_size_kb: int = 1024
    data_flow: DataFlow = DataFlow()
    traces: bool = False


class Decision:
    """One event being decided. `draft` may hold earlier decisions of the same commit."""

    __slots__ = (
        "actions",
        "answers",
        "completions",
        "draft",
        "exempt",
        "identity",
        "letters_left",
        "limits",
        "now",
        "program",
        "steps_left",
        "texts",
        "used",
    )

    def __init__(
        self,
        draft: Draft,
        program: Program,
        now: Microseconds,
        answers: Answers,
        actions: ActionCatalogue,
        limits: Limits,
    ) -> None:
        self.draft = draft
        self.program = program
        self.now = now
        self.answers = answers
        self.texts = frozenset(q.text for q in answers if type(q) is EvaluateExpression) if answers else _NONE
        """Texts of expressions of which one has been evaluated elsewhere."""
        self.used: Answers = {}
        self.actions = actions
        self.limits = limits
        self.identity = Identity(draft.base.seed, draft.next_sequence, now)
        self.steps_left = limits.steps
        self.letters_left = limits.letters
        self.completions: deque[Completion] = deque()
        self.exempt: set[str] = set()
        """Tasks that start although the workflow is paused: they stood before a pause command."""

    def ask(self, question: AnyQuestion) -> Json:
        """The answer to a question about the rest of the world, or a `Need`."""
        if question not in self.answers:
            raise Need(question)
        self.used[question] = self.answers[question]
        return self.answers[question]

    def evaluated(self, key: str, request: Request, *, ask: bool) -> Json:
        """The outcome of an expression that takes long, as `Elsewhere` has it."""
        question = EvaluateExpression(request.text, key)
        if question not in self.answers:
            if not ask:
                return msgspec.UNSET
            raise Need(question, request)
        return self.ask(question)

    def task_program(self, task: TaskExecution) -> TaskProgram:
        """The compiled definition of a task execution."""
        return self.program.tasks[task.name]

    def environment(self) -> Mapping[str, Json]:
        """The environment of the root execution."""
        env: Mapping[str, Json] = self.draft.workflow.params.get("env") or {}
        return env

    def special(self, task: TaskExecution | None) -> dict[str, Json]:
        """The variables with leading underscores."""
        special: dict[str, Json] = {
            "__env": self.environment(),
            "__execution": {"id": self.draft.workflow.id},
        }
        if task is not None:
            special["__task_execution"] = {"id": task.id, "name": task.name}
        return special

    def scope(
        self,
        task: TaskExecution | None,
        surroundings: Surroundings,
        context: Context,
        items: Mapping[str, Json] | None = None,
    ) -> Scope:
        """What an expression of `task` (or of the workflow, if None) sees; the first layer wins."""
        workflow = self.draft.workflow
        layers: list[Mapping[str, Json]] = [self.special(task)]
        if items:
            layers.append(items)
        places: tuple[Mapping[str, Json], ...]
        if workflow.caller is None:
            places = (context, workflow.globals, workflow.variables, workflow.input)
        else:
            known: dict[str, Json] = {CALLER: workflow.caller}
            places = (context, workflow.globals, workflow.variables, known, workflow.input)
        if self.limits.data_flow.merges_maps:
            merged: dict[str, Json] = {}
            for place in reversed(places):
                merged = merge_maps(merged, place)
            layers.append(merged)
        else:
            layers += places
        return Scope(layers, surroundings, elsewhere=self)

    def evaluate(self, template: Template, scope: Scope, path: Path) -> Json:
        """Evaluate one value; an error says where in the file it stands."""
        if template.is_constant:
            return template.evaluate(scope)
        try:
            return template.evaluate(scope)
        except EvaluationError as error:
            raise EvaluationError(f"{error.message} {self.where(path)}", error.hint) from None

    def evaluate_section(self, section: Section, scope: Scope, path: Path) -> dict[str, Json]:
        """Evaluate every entry of a map."""
        return {key: self.evaluate(template, scope, (*path, key)) for key, template in section}

    def where(self, path: Sequence[Any]) -> str:
        """A place in the definition, in words."""
        position = self.program.position(tuple(path))
        if len(path) > 1 and path[0] == "tasks":
            place = ".".join(str(part) for part in path[2:])
            text = f"at '{place}' of task '{path[1]}'" if place else f"in task '{path[1]}'"
        else:
            text = f"at '{'.'.join(str(part) for part in path)}' of workflow '{self.program.spec.name}'"
        return text if position is None else f"{text}, line {position.line}, column {position.column}"
