"""Expressions tried out: on data, or where a task execution stands."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

import msgspec
from sqlalchemy import Connection

from maestrale.engine.identity import Identity
from maestrale.engine.lookups import Outside
from maestrale.expressions.surroundings import Elsewhere, Scope
from maestrale.expressions.template import check_syntax, compile_value, contains_expression
from maestrale.model.errors import BadRequest, ExpressionGrammarError, Place, Unavailable
from maestrale.model.values import Json, Microseconds, masked
from maestrale.runtime.requests import WorkflowEngine
from maestrale.services.access import Caller, authorise
from maestrale.services.waiting import Clock, outcome
from maestrale.store.database import Database
from maestrale.store.documents import dump
from maestrale.store.queries import get_task
from maestrale.store.selection import Viewer

P = ParamSpec("P")
T = TypeVar("T")

LONGEST: Final = 65_536
"""Characters of an expression."""

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a result as JSON."""

AT_ONCE: Final = 2
"""Expressions that are worked out at the same time; others wait."""

MOST_WAITING: Final = 50
"""Expressions that may wait; further ones are told to come later."""

_PLAIN: Final = "This is plain text without an expression: write"


class Question(msgspec.Struct, frozen=True):
    """An expression, and what it sees.

    `data` is the value of `$` and `_`; with a task they are variables besides those of the task, seen first.
    """

    expression: str
    data: Json = msgspec.UNSET
    task_execution_id: str | None = None


class Evaluated(msgspec.Struct, frozen=True):
    """The result, secrets masked, and remarks on the expression."""

    result: Json
    warnings: list[str] = []


class Evaluations:
    """Tries expressions."""

    def __init__(self, database: Database, engine: WorkflowEngine, clock: Clock) -> None:
        self._database = database
        self._engine = engine
        self._clock = clock
        self._threads = ThreadPoolExecutor(AT_ONCE, "evaluation")
        self._given = 0

    async def evaluate(self, caller: Caller, question: Question) -> Evaluated:
        """Try an expression. Raises `ExpressionGrammarError` or `EvaluationError` with the place in it."""
        authorise(caller, "tasks:get")
        check(question)
        if question.task_execution_id is None:
            return await self._in_turn(self._on_data, question, self._clock())
        task_id = question.task_execution_id
        execution_id = await outcome(self._database.read(_execution_of, caller.viewer, task_id))
        trial = await outcome(self._engine.open_trial(execution_id, task_id))
        items = {} if question.data is msgspec.UNSET else question.data
        template = compile_value(question.expression)
        return _shown(question, await self._in_turn(trial.evaluate, template, items, self._clock()))

    def _on_data(self, question: Question, now: Microseconds) -> Evaluated:
        return self._engine.work_out(partial(evaluate_on_data, question, now)).result()

    async def _in_turn(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` gives, in one of a few threads."""
        if self._given >= AT_ONCE + MOST_WAITING:
            raise Unavailable("Too many expressions are being evaluated", "try again in a moment")
        self._given += 1
        try:
            return await outcome(self._threads.submit(work, *args, **kwargs))
        finally:
            self._given -= 1


def check(question: Question) -> None:
    """BadRequest for a question that makes no sense whatever the data."""
    if len(question.expression) > LONGEST:
        raise BadRequest(f"The expression is longer than {LONGEST} characters")
    if question.task_execution_id is not None and not isinstance(question.data, dict | msgspec.UnsetType):
        raise BadRequest(
            "With a task the data must be an object",
            "its members are variables that the expression sees besides those of the task",
        )
    problem = check_syntax(question.expression)
    if problem is not None:
        raise ExpressionGrammarError(problem.message, place=Place.at(question.expression, problem.offset))


def evaluate_on_data(question: Question, now: Microseconds, elsewhere: Elsewhere | None = None) -> Evaluated:
    """The value of an expression over data alone: there is no task, no execution and no environment."""
    surroundings = Outside(Identity(uuid.uuid4().hex, 0, now), now)
    if isinstance(question.data, dict):
        scope = Scope([question.data], surroundings, elsewhere=elsewhere)
    else:
        scope = Scope((), surroundings, question.data, elsewhere)
    return _shown(question, compile_value(question.expression).evaluate(scope))


def _execution_of(connection: Connection, viewer: Viewer, task_id: str) -> str:
    execution_id: str = get_task(connection, viewer, task_id, ("workflow_execution_id",))[
        "workflow_execution_id"
    ]
    return execution_id


def _shown(question: Question, result: Json) -> Evaluated:
    shown = masked(result)
    size = len(dump(shown))  # what JSON cannot hold could not be stored by a workflow either
    if size > LARGEST:
        raise BadRequest(f"The result is larger than {LARGEST} bytes")
    return Evaluated(shown, _warnings(question.expression))


def _warnings(expression: str) -> list[str]:
    if contains_expression(expression):
        return []
    text = expression.strip()
    for start, end in (("<%", "%>"), ("{{", "}}"), ("{%", "%}")):
        if start in text:
            return [f"This is plain text without an expression: {start} is not closed by {end}"]
    if text.startswith("_."):
        return [f"{_PLAIN} {{{{ {text} }}}}"]
    if text.startswith("$"):
        return [f"{_PLAIN} <% {text} %>"]
    return [f"{_PLAIN} <% $.name %> or {{{{ _.name }}}}"]
