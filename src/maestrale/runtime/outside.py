"""Work on expressions outside of decisions, of which some may have to be evaluated elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import msgspec

from maestrale.engine.decision import Need
from maestrale.engine.needs import Answers, EvaluateExpression
from maestrale.expressions.leaving import Request
from maestrale.expressions.surroundings import Elsewhere
from maestrale.model.values import Json
from maestrale.runtime.evaluator import Evaluator
from maestrale.runtime.steps import Steps, carry_out

T = TypeVar("T")


class _Known:
    """The outcomes that are known so far."""

    def __init__(self) -> None:
        self.answers: Answers = {}
        self.texts: set[str] = set()

    def add(self, question: EvaluateExpression, outcome: Json) -> None:
        self.answers[question] = outcome
        self.texts.add(question.text)

    def evaluated(self, key: str, request: Request, *, ask: bool) -> Json:
        question = EvaluateExpression(request.text, key)
        if question in self.answers:
            return self.answers[question]
        if ask:
            raise Need(question, request)
        return msgspec.UNSET


def work_out(evaluator: Evaluator, work: Callable[[Elsewhere], T]) -> Future[T]:
    """The result of `work`, which begins again with each outcome that it needed; at once if it needs none."""
    return carry_out(_working(evaluator, work))


def _working(evaluator: Evaluator, work: Callable[[Elsewhere], T]) -> Steps[T]:
    known = _Known()
    while True:
        try:
            return work(known)
        except Need as need:
            question, request = need.question, need.request
        assert isinstance(question, EvaluateExpression)
        assert request is not None
        known.add(question, (yield evaluator.evaluate(request)))
