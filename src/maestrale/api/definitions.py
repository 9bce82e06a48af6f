"""Workflow definitions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, json_answer, nothing
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query, read_text
from maestrale.api.listing import page_answer, read_fields, read_listing
from maestrale.api.resources import presented_definition, presented_workflow_upload
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import (
    CHARSET,
    namespace_of,
    read_upload,
    stored_answer,
    verdict_answer,
)
from maestrale.model.listing import Row
from maestrale.services import Services
from maestrale.services.definitions import Stored


class DefinitionRoutes:
    """`/v2/workflows`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._definitions = services.definitions
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes, the more special ones first."""
        return [
            route("/v2/workflows", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/workflows/validate", POST=self.validate),
            route("/v2/workflows/{identifier}", GET=self.get, PUT=self.update_one, DELETE=self.delete),
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
            caller_of(request), request.path_params["identifier"], namespace_of(request), fields
        )
        return json_answer(presented_definition(row))

    async def create(self, request: Request) -> Response:
        """Store every workflow of a text."""
        upload = await read_upload(request)
        stored = await self._definitions.create(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        return stored_answer(_uploaded(stored), stored.warnings, CREATED)

    async def update(self, request: Request) -> Response:
        """Replace every workflow of a text."""
        upload = await read_upload(request)
        stored = await self._definitions.update(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        return stored_answer(_uploaded(stored), stored.warnings)

    async def update_one(self, request: Request) -> Response:
        """Replace one workflow by id or name; the answer is the bare object."""
        upload = await read_upload(request)
        stored = await self._definitions.update(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
            identifier=request.path_params["identifier"],
        )
        return json_answer(presented_workflow_upload(stored.rows[0]), headers=CHARSET)

    async def delete(self, request: Request) -> Response:
        """Remove a workflow."""
        check_query(request, {"namespace"})
        await self._definitions.delete(
            caller_of(request), request.path_params["identifier"], namespace_of(request)
        )
        return nothing()

    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        check_query(request, ())
        return verdict_answer(await self._definitions.validate(await read_text(request)))


def _uploaded(stored: Stored) -> Row:
    return {"workflows": [presented_workflow_upload(row) for row in stored.rows]}
