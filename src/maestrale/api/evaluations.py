"""`/v2/evaluations`: expressions tried out."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import json_answer
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_attributes, text_of
from maestrale.api.operation import operation
from maestrale.api.replies import Evaluated
from maestrale.api.routing import route
from maestrale.api.wishes import Question, attributes
from maestrale.model.errors import BadRequest, NotFound, TooManyRequests
from maestrale.services import Services
from maestrale.services.evaluations import Question as Asked


class EvaluationRoutes:
    """Evaluations. Nothing is stored of them."""

    def __init__(self, services: Services) -> None:
        self._evaluations = services.evaluations

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [route("/v2/evaluations", POST=self.evaluate)]

    @operation(
        takes=Question,
        answers=Evaluated,
        fails=(NotFound, TooManyRequests),
        example={"expression": "<% $.name.toUpper() %>", "data": {"name": "Ada"}},
    )
    async def evaluate(self, request: Request) -> Response:
        """Try an expression."""
        content = await read_attributes(request, "evaluation", attributes(Question))
        expression = text_of(content, "expression")
        if expression is None:
            raise BadRequest('Missing argument: "expression"', "the text to evaluate, such as <% $.name %>")
        question = Asked(
            expression, content.get("data", msgspec.UNSET), text_of(content, "task_execution_id")
        )
        evaluated = await self._evaluations.evaluate(caller_of(request), question)
        answer = {"result": evaluated.result}
        return json_answer(answer | ({"warnings": evaluated.warnings} if evaluated.warnings else {}))
