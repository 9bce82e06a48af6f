"""Environments."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FIELDS
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import object_of, read_attributes, text_of
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import Environment
from maestrale.api.operation import operation
from maestrale.api.replies import page_of
from maestrale.api.resources import presented, presented_all, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.wishes import EnvironmentChange, attributes
from maestrale.model.errors import BadRequest, Conflict, NotFound
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.environments import EnvironmentChange as Change
from maestrale.services.environments import Environments

ENVIRONMENTS: Final = ListQuery(Environments.shape)
_EXAMPLE: Final = {"name": "staging", "variables": {"host": "staging.example"}}


class EnvironmentRoutes:
    """`/v2/environments`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._environments = services.environments
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/environments", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/environments/{name:path}", GET=self.get, PUT=self.update, DELETE=self.delete),
        ]

    @operation(query=ENVIRONMENTS, answers=page_of(Environment, ENVIRONMENTS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List environments."""
        listing = read_listing(request, ENVIRONMENTS, self._settings.max_limit)
        rows = await self._environments.page(caller_of(request), listing)
        shown = presented_all(rows)
        return json_answer(page_answer(request, "/v2/environments", ENVIRONMENTS.shape, listing, shown))

    @operation(query=(FIELDS,), answers=Environment, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One environment by name."""
        fields = read_fields(request, self._environments.shape.fields)
        row = await self._environments.get(caller_of(request), request.path_params["name"], fields)
        return json_answer(presented(row))

    @operation(
        takes=EnvironmentChange, answers=Environment, status=CREATED, fails=(Conflict,), example=_EXAMPLE
    )
    async def create(self, request: Request) -> Response:
        """Store an environment."""
        content = await read_attributes(request, "environment", attributes(EnvironmentChange))
        row = await self._environments.create(caller_of(request), _name(content), _change(content))
        return json_answer(without_nulls(presented(row)), CREATED)

    @operation(takes=EnvironmentChange, answers=Environment, fails=(NotFound,), example=_EXAMPLE)
    async def update(self, request: Request) -> Response:
        """Change an environment; the name may stand in the path, too."""
        content = await read_attributes(request, "environment", attributes(EnvironmentChange))
        name = request.path_params.get("name")
        if name is None:
            name = _name(content)
        elif content.get("name", name) != name:
            raise BadRequest(f"The environment '{name}' cannot be renamed to '{content['name']}'")
        row = await self._environments.update(caller_of(request), name, _change(content))
        return json_answer(presented(row))

    @operation(status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove an environment."""
        await self._environments.delete(caller_of(request), request.path_params["name"])
        return nothing()


def _name(content: dict[str, Json]) -> str:
    name = text_of(content, "name")
    if not name:
        raise BadRequest("Attribute name is missing", "it says which environment is meant")
    return name


def _change(content: dict[str, Json]) -> Change:
    return Change(
        description=text_of(content, "description") if "description" in content else UNSET,
        variables=object_of(content, "variables") if "variables" in content else UNSET,
        scope=text_of(content, "scope") if "scope" in content else UNSET,
    )
