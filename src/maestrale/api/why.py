"""`/v2/executions/{id}/why` and the same of tasks and action executions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import json_answer
from maestrale.api.authentication import caller_of
from maestrale.api.operation import operation
from maestrale.api.replies import Explanation
from maestrale.api.routing import route
from maestrale.model.errors import NotFound
from maestrale.model.listing import Row
from maestrale.model.values import timestamp_text
from maestrale.services import Services
from maestrale.services.why import Explanation as Found
from maestrale.services.why import Node


class WhyRoutes:
    """Explanations."""

    def __init__(self, services: Services) -> None:
        self._why = services.why

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/executions/{id}/why", GET=self.execution),
            route("/v2/tasks/{id}/why", GET=self.task),
            route("/v2/action_executions/{id}/why", GET=self.action),
        ]

    @operation(answers=Explanation, fails=(NotFound,))
    async def execution(self, request: Request) -> Response:
        """Why a workflow execution is where it is."""
        return _answer(await self._why.execution(caller_of(request), request.path_params["id"]))

    @operation(answers=Explanation, fails=(NotFound,))
    async def task(self, request: Request) -> Response:
        """Why a task execution is where it is."""
        return _answer(await self._why.task(caller_of(request), request.path_params["id"]))

    @operation(answers=Explanation, fails=(NotFound,))
    async def action(self, request: Request) -> Response:
        """Why an action execution is where it is."""
        return _answer(await self._why.action(caller_of(request), request.path_params["id"]))


def _answer(explanation: Found) -> Response:
    return json_answer(
        {
            "why": _tree(explanation.why),
            "blocking": [_shown(node) for node in explanation.blocking],
            "next": {"at": timestamp_text(explanation.next.at), "text": explanation.next.text},
        }
    )


def _tree(node: Node) -> Row:
    return _shown(node) | {"children": [_tree(child) for child in node.children]}


def _shown(node: Node) -> Row:
    shown = {"kind": node.kind, "id": node.id, "name": node.name, "state": node.state, "text": node.text}
    return shown | {"since": timestamp_text(node.since), "until": timestamp_text(node.until)}
