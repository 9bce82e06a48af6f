"""Code sources and dynamic actions."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import CREATED, NOTHING, json_answer, nothing
from maestrale.api.arguments import FIELDS, NAMESPACE, PYTHON, SCOPE
from maestrale.api.authentication import caller_of
from maestrale.api.bodies import read_attributes, read_text, text_of
from maestrale.api.listing import ListQuery, page_answer, read_fields, read_listing
from maestrale.api.objects import CodeSource, DynamicAction
from maestrale.api.operation import Argument, operation
from maestrale.api.replies import UploadedDynamicAction, page_of
from maestrale.api.resources import presented, presented_all, without_nulls
from maestrale.api.routing import missing_id, route
from maestrale.api.settings import ApiSettings
from maestrale.api.uploads import namespace_of, stored_answer
from maestrale.api.wishes import DynamicActionChange, attributes
from maestrale.model.errors import BadRequest, Conflict, NotFound
from maestrale.model.values import Json
from maestrale.services import Services
from maestrale.services.code_sources import CodeSources
from maestrale.services.dynamic_actions import DynamicActionChange as Change
from maestrale.services.dynamic_actions import DynamicActions

CODE_SOURCES: Final = ListQuery(CodeSources.shape)
DYNAMIC_ACTIONS: Final = ListQuery(DynamicActions.shape)
_NAME: Final = Argument("name", "What to call it.", required=True)
_IDENTIFIER: Final = Argument("identifier", "Its id or its name.", required=True)
_EXAMPLE: Final = {"name": "greet", "class_name": "Greet", "code_source_name": "greetings"}


class CodeSourceRoutes:
    """`/v2/code_sources`: name and namespace stand in the query, the text is the body."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._sources = services.code_sources
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/code_sources", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/code_sources/{identifier:path}", GET=self.get, DELETE=self.delete),
        ]

    @operation(query=CODE_SOURCES, answers=page_of(CodeSource, CODE_SOURCES), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List code sources."""
        listing = read_listing(request, CODE_SOURCES, self._settings.max_limit)
        rows = await self._sources.page(caller_of(request), listing)
        shown = presented_all(rows)
        return json_answer(page_answer(request, "/v2/code_sources", CODE_SOURCES.shape, listing, shown))

    @operation(query=(NAMESPACE, FIELDS), answers=CodeSource, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One code source by id or name."""
        row = await self._sources.get(
            caller_of(request),
            request.path_params["identifier"],
            namespace_of(request),
            read_fields(request, self._sources.shape.fields),
        )
        return json_answer(presented(row))

    @operation(
        takes=PYTHON, query=(_NAME, NAMESPACE, SCOPE), answers=CodeSource, status=CREATED, fails=(Conflict,)
    )
    async def create(self, request: Request) -> Response:
        """Store a code source."""
        name, scope = _queried(request, "name")
        row = await self._sources.create(
            caller_of(request), name, await read_text(request), namespace=namespace_of(request), scope=scope
        )
        return stored_answer(without_nulls(presented(row)), [], CREATED)

    @operation(
        takes=PYTHON, query=(_IDENTIFIER, NAMESPACE, SCOPE), answers=CodeSource, fails=(NotFound, Conflict)
    )
    async def update(self, request: Request) -> Response:
        """Store the next version of a code source."""
        identifier, scope = _queried(request, "identifier")
        row = await self._sources.update(
            caller_of(request),
            identifier,
            await read_text(request),
            namespace=namespace_of(request),
            scope=scope,
        )
        return stored_answer(presented(row), [])

    @operation(query=(NAMESPACE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove a code source and what is built on it."""
        await self._sources.delete(
            caller_of(request), request.path_params["identifier"], namespace_of(request)
        )
        return nothing()


class DynamicActionRoutes:
    """`/v2/dynamic_actions`."""

    def __init__(self, services: Services, settings: ApiSettings) -> None:
        self._actions = services.dynamic_actions
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/v2/dynamic_actions", GET=self.page, POST=self.create, PUT=self.update, DELETE=missing_id),
            route("/v2/dynamic_actions/{identifier:path}", GET=self.get, DELETE=self.delete),
        ]

    @operation(query=DYNAMIC_ACTIONS, answers=page_of(DynamicAction, DYNAMIC_ACTIONS), fails=(NotFound,))
    async def page(self, request: Request) -> Response:
        """List dynamic actions."""
        listing = read_listing(request, DYNAMIC_ACTIONS, self._settings.max_limit)
        rows = await self._actions.page(caller_of(request), listing)
        shown = presented_all(rows)
        return json_answer(page_answer(request, "/v2/dynamic_actions", DYNAMIC_ACTIONS.shape, listing, shown))

    @operation(query=(NAMESPACE, FIELDS), answers=DynamicAction, fails=(NotFound,))
    async def get(self, request: Request) -> Response:
        """One dynamic action by id or name."""
        row = await self._actions.get(
            caller_of(request),
            request.path_params["identifier"],
            namespace_of(request),
            read_fields(request, self._actions.shape.fields),
        )
        return json_answer(presented(row))

    @operation(
        takes=DynamicActionChange,
        answers=UploadedDynamicAction,
        status=CREATED,
        fails=(NotFound, Conflict),
        example=_EXAMPLE,
    )
    async def create(self, request: Request) -> Response:
        """Store a dynamic action."""
        content = await read_attributes(request, "dynamic_action", attributes(DynamicAction))
        stored = await self._actions.create(
            caller_of(request), _change(content), namespace=_namespace(content)
        )
        return stored_answer(without_nulls(presented(stored.rows[0])), stored.warnings, CREATED)

    @operation(
        takes=DynamicActionChange, answers=UploadedDynamicAction, fails=(NotFound, Conflict), example=_EXAMPLE
    )
    async def update(self, request: Request) -> Response:
        """Change the dynamic action that the body names by its id, or else by its name."""
        content = await read_attributes(request, "dynamic_action", attributes(DynamicAction))
        identifier = text_of(content, "id") or text_of(content, "name")
        if not identifier:
            raise BadRequest("Attribute id or name is missing", "it says which dynamic action is meant")
        stored = await self._actions.update(
            caller_of(request), identifier, _change(content), namespace=_namespace(content)
        )
        return stored_answer(presented(stored.rows[0]), stored.warnings)

    @operation(query=(NAMESPACE,), status=NOTHING, fails=(NotFound,))
    async def delete(self, request: Request) -> Response:
        """Remove a dynamic action."""
        await self._actions.delete(
            caller_of(request), request.path_params["identifier"], namespace_of(request)
        )
        return nothing()


def _queried(request: Request, argument: str) -> tuple[str, str | None]:
    """What the query must name, and the scope if it names one."""
    found = request.query_params.get(argument)
    if not found:
        raise BadRequest(f'Missing argument: "{argument}"', f"add ?{argument}=... to the address")
    return found, request.query_params.get("scope")


def _namespace(content: dict[str, Json]) -> str:
    return text_of(content, "namespace") or ""


def _change(content: dict[str, Json]) -> Change:
    return Change(
        name=text_of(content, "name"),
        class_name=text_of(content, "class_name"),
        code_source_id=text_of(content, "code_source_id"),
        code_source_name=text_of(content, "code_source_name"),
        scope=text_of(content, "scope"),
    )
