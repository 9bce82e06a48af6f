"""Workflow definitions and actions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query, read_text
from maestrale.api.listing import page_answer, read_fields, read_listing
from maestrale.api.resources import presented_definition, presented_upload
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.model.errors import NotFound
from maestrale.model.listing import Row
from maestrale.services import Services
from maestrale.services.definitions import Stored

UPLOAD = frozenset({"namespace", "scope", "skip_validation"})
CREATED = 201
CHARSET = {"Content-Type": "application/json;charset=utf-8"}


class DefinitionRoutes:
    """`/v2/workflows` and `/v2/actions`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._definitions = services.definitions
        self._actions = services.actions
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes, the more special ones first."""
        return [
            route("/v2/workflows", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/workflows/validate", POST=self.validate),
            route("/v2/workflows/{identifier}", GET=self.get, PUT=self.update_one, DELETE=self.delete),
            route("/v2/actions", GET=self.action_page, POST=self.ad_hoc, PUT=self.ad_hoc, DELETE=missing_id),
            route("/v2/actions/validate", POST=self.ad_hoc),
            route("/v2/actions/{identifier}", GET=self.action, PUT=self.ad_hoc, DELETE=self.ad_hoc),
            route("/v2/actions/{identifier}/{namespace}", GET=self.action, DELETE=self.ad_hoc),
        ]

    async def page(self, request: Request) -> Response:
        """List workflows."""
        shape = self._definitions.shape
        listing = read_listing(request, shape, self._settings.max_limit, also=("all_projects",))
        rows = await self._definitions.page(caller_of(request), listing)
        shown = [presented_definition(row) for row in rows]
        return json_answer(page_answer(request, "/v2/workflows", shape, listing, shown))

    async def get(self, request: Request) -> Response:
        """One workflow by id or name."""
        check_query(request, {"namespace", "fields"})
        fields = read_fields(request, self._definitions.shape.fields)
        row = await self._definitions.get(
            caller_of(request), request.path_params["identifier"], _namespace(request), fields
        )
        return json_answer(presented_definition(row))

    async def create(self, request: Request) -> Response:
        """Store every workflow of a text."""
        check_query(request, UPLOAD)
        stored = await self._definitions.create(
            caller_of(request), await read_text(request), namespace=_namespace(request), scope=_scope(request)
        )
        return json_answer(_uploaded(stored), CREATED, CHARSET)

    async def update(self, request: Request) -> Response:
        """Replace every workflow of a text."""
        check_query(request, UPLOAD)
        stored = await self._definitions.update(
            caller_of(request), await read_text(request), namespace=_namespace(request), scope=_scope(request)
        )
        return json_answer(_uploaded(stored), headers=CHARSET)

    async def update_one(self, request: Request) -> Response:
        """Replace one workflow by id or name; the answer is the bare object."""
        check_query(request, UPLOAD)
        stored = await self._definitions.update(
            caller_of(request),
            await read_text(request),
            namespace=_namespace(request),
            scope=_scope(request),
            identifier=request.path_params["identifier"],
        )
        return json_answer(presented_upload(stored.rows[0]), headers=CHARSET)

    async def delete(self, request: Request) -> Response:
        """Remove a workflow."""
        check_query(request, {"namespace"})
        await self._definitions.delete(
            caller_of(request), request.path_params["identifier"], _namespace(request)
        )
        return nothing()

    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        check_query(request, ())
        verdict = await self._definitions.validate(await read_text(request))
        answer: dict[str, object] = {"valid": verdict.error is None}
        if verdict.error is not None:
            answer["error"] = verdict.error
        if verdict.warnings:
            answer["warnings"] = list(verdict.warnings)
        return json_answer(answer)

    async def action_page(self, request: Request) -> Response:
        """List actions."""
        shape = self._actions.shape
        listing = read_listing(request, shape, self._settings.max_limit, default_sort="name")
        rows = await self._actions.page(caller_of(request), listing)
        return json_answer(page_answer(request, "/v2/actions", shape, listing, rows))

    async def action(self, request: Request) -> Response:
        """One action by name."""
        check_query(request, {"namespace"})
        namespace = request.path_params.get("namespace") or _namespace(request)
        row = await self._actions.get(caller_of(request), request.path_params["identifier"], namespace)
        return json_answer(row)

    async def ad_hoc(self, _request: Request) -> Response:
        """Ad-hoc actions are not there yet, and built-in ones cannot be changed."""
        raise NotFound(
            "Ad-hoc actions are not supported by this version yet, and built-in ones stay as they are"
        )


def _uploaded(stored: Stored) -> Row:
    """Stored workflows; `warnings` only where there are some."""
    answer: Row = {"workflows": [presented_upload(row) for row in stored.rows]}
    return answer | ({"warnings": stored.warnings} if stored.warnings else {})


def _namespace(request: Request) -> str:
    return request.query_params.get("namespace", "")


def _scope(request: Request) -> str | None:
    return request.query_params.get("scope")
