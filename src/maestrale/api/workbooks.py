"""Workbooks."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FIELDS, NAMESPACE, UPLOAD, WORKBOOK_YAML
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_text
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import Workbook
from maestrale.api.operation import operation
from maestrale.api.replies import UploadedWorkbook, Verdict, page_of
from maestrale.api.resources import presented, presented_all, with_update_time, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import (
    namespace_of,
    read_upload,
    stored_answer,
    verdict_answer,
)
from maestrale.model.errors import Conflict, NotFound
from maestrale.services import Services
from maestrale.services.workbooks import Workbooks

WORKBOOKS: Final = ListQuery(Workbooks.shape)


class WorkbookRoutes:
    """`/v2/workbooks`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._workbooks = services.workbooks
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes, the more special ones first."""
        return [
            route("/v2/workbooks", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/workbooks/validate", POST=self.validate),
            route("/v2/workbooks/{name:path}", GET=self.get, DELETE=self.delete),
        ]

    @operation(query=WORKBOOKS, answers=page_of(Workbook, WORKBOOKS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List workbooks."""
        listing = read_listing(request, WORKBOOKS, self._settings.max_limit)
        rows = await self._workbooks.page(caller_of(request), listing)
        shown = presented_all(rows)
        return json_answer(page_answer(request, "/v2/workbooks", WORKBOOKS.shape, listing, shown))

    @operation(query=(NAMESPACE, FIELDS), answers=Workbook, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One workbook by name."""
        fields = read_fields(request, self._workbooks.shape.fields)
        row = await self._workbooks.get(
            caller_of(request), request.path_params["name"], namespace_of(request), fields
        )
        return json_answer(presented(row))

    @operation(takes=WORKBOOK_YAML, query=UPLOAD, answers=UploadedWorkbook, status=CREATED, fails=(Conflict,))
    async def create(self, request: Request) -> Response:
        """Store a workbook and its members."""
        upload = await read_upload(request)
        stored = await self._workbooks.create(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        return stored_answer(without_nulls(presented(stored.row)), stored.warnings, CREATED)

    @operation(takes=WORKBOOK_YAML, query=UPLOAD, answers=UploadedWorkbook, fails=(NotFound, Conflict))
    async def update(self, request: Request) -> Response:
        """Replace a workbook and its members."""
        upload = await read_upload(request)
        stored = await self._workbooks.update(
            caller_of(request),
            upload.text,
            namespace=upload.namespace,
            scope=upload.scope,
        )
        shown = without_nulls(presented(stored.row))
        return stored_answer(with_update_time(shown), stored.warnings)

    @operation(query=(NAMESPACE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove a workbook; its members stay."""
        await self._workbooks.delete(caller_of(request), request.path_params["name"], namespace_of(request))
        return nothing()

    @operation(takes=WORKBOOK_YAML, answers=Verdict)
    async def validate(self, request: Request) -> Response:
        """Say what is wrong with a text."""
        return verdict_answer(await self._workbooks.validate(await read_text(request)))
