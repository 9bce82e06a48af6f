"""Environments."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query, object_of, read_attributes, text_of
from maestrale.api.listing import page_answer, read_fields, read_listing
from maestrale.api.resources import presented, presented_all, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.model.errors import BadRequest
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.environments import EnvironmentChange

ATTRIBUTES: Final = ("name", "description", "variables", "scope")


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

    async def page(self, request: Request) -> Response:
        """List environments."""
        shape = self._environments.shape
        listing = read_listing(request, shape, self._settings.max_limit)
        rows = await self._environments.page(caller_of(request), listing)
        return json_answer(page_answer(request, "/v2/environments", shape, listing, presented_all(rows)))

    async def get(self, request: Request) -> Response:
        """One environment by name."""
        check_query(request, {"fields"})
        fields = read_fields(request, self._environments.shape.fields)
        row = await self._environments.get(caller_of(request), request.path_params["name"], fields)
        return json_answer(presented(row))

    async def create(self, request: Request) -> Response:
        """Store an environment."""
        check_query(request, ())
        content = await read_attributes(request, "environment", ATTRIBUTES)
        row = await self._environments.create(caller_of(request), _name(content), _change(content))
        return json_answer(without_nulls(presented(row)), CREATED)

    async def update(self, request: Request) -> Response:
        """Change an environment; the name may stand in the path, too."""
        check_query(request, ())
        content = await read_attributes(request, "environment", ATTRIBUTES)
        name = request.path_params.get("name")
        if name is None:
            name = _name(content)
        elif content.get("name", name) != name:
            raise BadRequest(f"The environment '{name}' cannot be renamed to '{content['name']}'")
        row = await self._environments.update(caller_of(request), name, _change(content))
        return json_answer(presented(row))

    async def delete(self, request: Request) -> Response:
        """Remove an environment."""
        check_query(request, ())
        await self._environments.delete(caller_of(request), request.path_params["name"])
        return nothing()


def _name(content: dict[str, Json]) -> str:
    name = text_of(content, "name")
    if not name:
        raise BadRequest("Attribute name is missing", "it says which environment is meant")
    return name


def _change(content: dict[str, Json]) -> EnvironmentChange:
    return EnvironmentChange(
        description=text_of(content, "description") if "description" in content else UNSET,
        variables=object_of(content, "variables") if "variables" in content else UNSET,
        scope=text_of(content, "scope") if "scope" in content else UNSET,
    )
