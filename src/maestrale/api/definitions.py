"""Workflow definitions."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FIELDS, NAMESPACE, UPLOAD, YAML
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_text
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import UploadedWorkflow, Workflow
from maestrale.api.operation import operation
from maestrale.api.replies import UploadedWorkflows, Verdict, page_of
from maestrale.api.resources import presented_definition, presented_workflow_upload, with_update_time
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import (
    CHARSET,
    namespace_of,
    read_upload,
    stored_answer,
    verdict_answer,
)
from maestrale.model.errors import Conflict, NotFound
from maestrale.model.listing import Row
from maestrale.services import Services
from maestrale.services.definitions import Definitions, Stored

WORKFLOWS: Final = ListQuery(Definitions.shape, also=("all_projects",))


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

    @operation(query=WORKFLOWS, answers=page_of(Workflow, WORKFLOWS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List workflows."""
        listing = read_listing(request, WORKFLOWS, self._settings.max_limit)
        rows = await self._definitions.page(caller_of(request), listing)
        shown = [presented_definition(row) for row in rows]
        return json_answer(page_answer(request, "/v2/workflows", WORKFLOWS.shape, listing, shown))

    @operation(query=(NAMESPACE, FIELDS), answers=Workflow, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One workflow by id or name."""
        fields = read_fields(request, self._definitions.shape.fields)
        row = await self._definitions.get(
            caller_of(request), request.path_params["identifier"], namespace_of(request), fields
        )
        return json_answer(presented_definition(row))

    @operation(takes=YAML, query=UPLOAD, answers=UploadedWorkflows, status=CREATED, fails=(Conflict,))
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

    @operation(takes=YAML, query=UPLOAD, answers=UploadedWorkflows, fails=(NotFound, Conflict))
    async def update(self, request: Request) -> Response:
        """Replace every workflow of a text."""
        upload = await read_upload(request)
        stored = await self._definitions.update(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        return stored_answer(_updated(stored), stored.warnings)

    @operation(takes=YAML, query=UPLOAD, answers=UploadedWorkflow, fails=(NotFound, Conflict))
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
        return json_answer(_updated(stored)["workflows"][0], headers=CHARSET)

    @operation(query=(NAMESPACE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove a workflow."""
        await self._definitions.delete(
            caller_of(request), request.path_params["identifier"], namespace_of(request)
        )
        return nothing()

    @operation(takes=YAML, answers=Verdict)
    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        return verdict_answer(await self._definitions.validate(await read_text(request)))


def _uploaded(stored: Stored) -> Row:
    return {"workflows": [presented_workflow_upload(row) for row in stored.rows]}


def _updated(stored: Stored) -> Row:
    return {"workflows": [with_update_time(presented_workflow_upload(row)) for row in stored.rows]}
