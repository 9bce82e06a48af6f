"""Actions: the built-in ones, and definitions of ad-hoc ones."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import ACTION_YAML, NAMESPACE, UPLOAD
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_text
from maestrale.api.listing import ListQuery, page_answer, read_listing
from maestrale.api.objects import Action
from maestrale.api.operation import operation
from maestrale.api.replies import UploadedActions, Verdict, page_of
from maestrale.api.resources import presented_action, with_update_time, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import (
    namespace_of,
    read_upload,
    stored_answer,
    verdict_answer,
)
from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Row
from maestrale.services import Services
from maestrale.services.actions import Actions
from maestrale.services.definitions import Stored

ACTIONS: Final = ListQuery(Actions.shape, default_sort="name")


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

    @operation(query=ACTIONS, answers=page_of(Action, ACTIONS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List actions."""
        # Clients of Mistral ask once and expect them all, so that those installed do not fill the page.
        most = self._settings.max_limit + await self._actions.installed()
        listing = read_listing(request, ACTIONS, most)
        rows = await self._actions.page(caller_of(request), listing)
        shown = [presented_action(row) for row in rows]
        return json_answer(page_answer(request, "/v2/actions", ACTIONS.shape, listing, shown))

    @operation(query=(NAMESPACE,), answers=Action, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One action by id or name."""
        row = await self._actions.get(
            caller_of(request), request.path_params["identifier"], _namespace(request)
        )
        return json_answer(presented_action(row))

    @operation(takes=ACTION_YAML, query=UPLOAD, answers=UploadedActions, status=CREATED, fails=(Conflict,))
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

    @operation(takes=ACTION_YAML, query=UPLOAD, answers=UploadedActions, fails=(NotFound, Conflict))
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
        return stored_answer(_updated(stored), stored.warnings)

    @operation(query=(NAMESPACE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove an ad-hoc action."""
        await self._actions.delete(caller_of(request), request.path_params["identifier"], _namespace(request))
        return nothing()

    @operation(takes=ACTION_YAML, answers=Verdict)
    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        return verdict_answer(await self._actions.validate(await read_text(request)))


def _uploaded(stored: Stored) -> Row:
    return {"actions": [_shown(row) for row in stored.rows]}


def _updated(stored: Stored) -> Row:
    return {"actions": [with_update_time(_shown(row)) for row in stored.rows]}


def _shown(row: Row) -> Row:
    """Clients cannot do without a description."""
    return {"description": None} | without_nulls(presented_action(row))


def _namespace(request: Request) -> str:
    return request.path_params.get("namespace") or namespace_of(request)
