"""Actions: the built-in ones, and definitions of ad-hoc ones."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query, read_text
from maestrale.api.listing import page_answer, read_listing
from maestrale.api.resources import presented_action, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import (
    namespace_of,
    read_upload,
    stored_answer,
    verdict_answer,
)
from maestrale.model.listing import Row
from maestrale.services import Services
from maestrale.services.definitions import Stored


class ActionRoutes:
    """`/v2/actions`. A namespace may also stand in the path: the official client puts it there."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._actions = services.actions
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes, the more special ones first."""
        return [
            route("/v2/actions", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/actions/validate", POST=self.validate),
            route("/v2/actions/{identifier}", GET=self.get, PUT=self.update, DELETE=self.delete),
            route("/v2/actions/{identifier}/{namespace}", GET=self.get, PUT=self.update, DELETE=self.delete),
        ]

    async def page(self, request: Request) -> Response:
        """List actions."""
        shape = self._actions.shape
        listing = read_listing(request, shape, self._settings.max_limit, default_sort="name")
        rows = await self._actions.page(caller_of(request), listing)
        shown = [presented_action(row) for row in rows]
        return json_answer(page_answer(request, "/v2/actions", shape, listing, shown))

    async def get(self, request: Request) -> Response:
        """One action by id or name."""
        check_query(request, {"namespace"})
        row = await self._actions.get(
            caller_of(request), request.path_params["identifier"], _namespace(request)
        )
        return json_answer(presented_action(row))

    async def create(self, request: Request) -> Response:
        """Store every ad-hoc action of a text."""
        upload = await read_upload(request)
        stored = await self._actions.create(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        return stored_answer(_uploaded(stored), stored.warnings, CREATED)

    async def update(self, request: Request) -> Response:
        """Replace every ad-hoc action of a text, or the one that the path names."""
        upload = await read_upload(request)
        stored = await self._actions.update(
            caller_of(request),
            upload.text,
            namespace=_namespace(request),
            scope=upload.scope,
            identifier=request.path_params.get("identifier"),
        )
        return stored_answer(_uploaded(stored), stored.warnings)

    async def delete(self, request: Request) -> Response:
        """Remove an ad-hoc action."""
        check_query(request, {"namespace"})
        await self._actions.delete(caller_of(request), request.path_params["identifier"], _namespace(request))
        return nothing()

    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        check_query(request, ())
        return verdict_answer(await self._actions.validate(await read_text(request)))


def _uploaded(stored: Stored) -> Row:
    """Clients do without the time of an update that there was not, but not without a description."""
    shown = [presented_action(row) for row in stored.rows]
    return {"actions": [{"description": None} | without_nulls(action) for action in shown]}


def _namespace(request: Request) -> str:
    return request.path_params.get("namespace") or namespace_of(request)
