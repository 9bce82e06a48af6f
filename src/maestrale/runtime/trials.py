"""Expressions tried where a task execution stands, by committed data; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Final

from sqlalchemy import Connection

from maestrale.engine.decision import Decision, Limits, Need
from maestrale.engine.draft import Draft
from maestrale.engine.execution import TaskExecution
from maestrale.engine.lookups import Lookups
from maestrale.engine.needs import Answers
from maestrale.expressions.template import Template
from maestrale.model.errors import BadRequest, NotFound
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.actions import KnownActions
from maestrale.runtime.answers import answer
from maestrale.runtime.evaluator import Evaluator
from maestrale.runtime.loading import Absent, LoadedExecution, load
from maestrale.runtime.programs import Programs
from maestrale.store.database import Database

MOST_QUESTIONS: Final = 100
"""About the rest of the world, by one expression."""


class Trial:
    """A task execution as expressions of its input see it."""

    def __init__(
        self,
        database: Database,
        programs: Programs,
        actions: KnownActions,
        limits: Limits,
        evaluator: Evaluator,
        loaded: LoadedExecution,
        task: TaskExecution,
    ) -> None:
        self._database = database
        self._programs = programs
        self._actions = actions
        self._limits = limits
        self._evaluator = evaluator
        self._loaded = loaded
        self._task = task

    def evaluate(self, template: Template, items: Mapping[str, Json], now: Microseconds) -> Json:
        """The value now; `items` are seen first, like those of with-items. Blocks while it is worked out.

        Raises `EvaluationError`.
        """
        answers: Answers = {}
        for _ in range(MOST_QUESTIONS):
            try:
                return self._once(template, items, now, answers)
            except Need as need:
                answers[need.question] = self._answer(need).result()
        raise BadRequest(f"The expression asks for more than {MOST_QUESTIONS} things")

    def _answer(self, need: Need) -> Future[Json]:
        if need.request is not None:
            return self._evaluator.evaluate(need.request)
        return answer(self._database, self._programs, self._actions, need.question)

    def _once(
        self, template: Template, items: Mapping[str, Json], now: Microseconds, answers: Answers
    ) -> Json:
        loaded = self._loaded
        draft = Draft(loaded.execution)
        decision = Decision(draft, loaded.program, now, answers, self._actions, self._limits)
        task = self._task
        scope = decision.scope(task, Lookups(decision, task), draft.context_of(task), items)
        return template.evaluate(scope)


def open_trial(
    connection: Connection,
    database: Database,
    programs: Programs,
    actions: KnownActions,
    limits: Limits,
    evaluator: Evaluator,
    seed: str,
    execution_id: str,
    task_id: str,
) -> Trial:
    """Load what expressions of a task see. `seed` is for `uuid()` and `random()`: the execution's own would
    tell what they will give it.

    Raises `NotFound`.
    """
    for superseded in (None, task_id):
        loaded = load(connection, programs, actions, limits, execution_id, superseded)
        task = None if isinstance(loaded, Absent) else loaded.execution.tasks.get(task_id)
        if task is not None:
            break
    if isinstance(loaded, Absent) or task is None:
        raise NotFound(f"Task execution not found [id={task_id}]")
    loaded.execution.seed = seed
    return Trial(database, programs, actions, limits, evaluator, loaded, task)
