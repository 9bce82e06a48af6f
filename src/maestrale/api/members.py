"""Members of workflows: projects with which they are shared."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_attributes, text_of
from maestrale.api.objects import Member
from maestrale.api.operation import operation
from maestrale.api.replies import Members
from maestrale.api.resources import presented, presented_all, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.wishes import MemberAnswer, MemberOffer, attributes
from maestrale.model.errors import Conflict, NotFound
from maestrale.services import Services


class MemberRoutes:
    """`/v2/workflows/{id}/members`."""

    def __init__(self, services: Services) -> None:
        self._members = services.members

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        path = "/v2/workflows/{id}/members"
        return [
            route(path, GET=self.all, POST=self.create, PUT=missing_id, DELETE=missing_id),
            route(f"{path}/{{member_id:path}}", GET=self.get, PUT=self.update, DELETE=self.delete),
        ]

    @operation(answers=Members, fails=(NotFound,))
    async def all(self, request: Request) -> Response:
        """Every member that the caller may know."""
        rows = await self._members.all(caller_of(request), request.path_params["id"])
        return json_answer({"members": presented_all(rows)})

    @operation(answers=Member, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One member."""
        row = await self._members.get(caller_of(request), *_ids(request))
        return json_answer(presented(row))

    @operation(
        takes=MemberOffer,
        answers=Member,
        status=CREATED,
        fails=(NotFound, Conflict),
        example={"member_id": "blue"},
    )
    async def create(self, request: Request) -> Response:
        """Share with a project."""
        content = await read_attributes(request, "member_info", attributes(Member))
        row = await self._members.create(
            caller_of(request), request.path_params["id"], text_of(content, "member_id")
        )
        return json_answer(without_nulls(presented(row)), CREATED)

    @operation(takes=MemberAnswer, answers=Member, fails=(NotFound,), example={"status": "accepted"})
    async def update(self, request: Request) -> Response:
        """Accept or reject."""
        content = await read_attributes(request, "member_info", attributes(Member))
        row = await self._members.update(caller_of(request), *_ids(request), text_of(content, "status"))
        return json_answer(presented(row))

    @operation(status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Share no more."""
        await self._members.delete(caller_of(request), *_ids(request))
        return nothing()


def _ids(request: Request) -> tuple[str, str]:
    return request.path_params["id"], request.path_params["member_id"]
