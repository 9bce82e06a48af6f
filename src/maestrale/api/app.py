"""The ASGI application: routes, error mapping, and what stands before every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from maestrale.api.actions import ActionRoutes
from maestrale.api.answers import explain, explain_http
from maestrale.api.authentication import Authentication, Entry, EverybodyIsTheOperator
from maestrale.api.code_sources import CodeSourceRoutes, DynamicActionRoutes
from maestrale.api.definitions import DefinitionRoutes
from maestrale.api.environments import EnvironmentRoutes
from maestrale.api.evaluations import EvaluationRoutes
from maestrale.api.events import EventRoutes
from maestrale.api.executions import ExecutionRoutes
from maestrale.api.guard import Guard
from maestrale.api.maintenance import MaintenanceGate
from maestrale.api.members import MemberRoutes
from maestrale.api.operations import OperationRoutes
from maestrale.api.reference import Page, ReferenceRoutes
from maestrale.api.settings import ApiSettings
from maestrale.api.triggers import CronTriggerRoutes, EventTriggerRoutes
from maestrale.api.why import WhyRoutes
from maestrale.api.workbooks import WorkbookRoutes
from maestrale.model.errors import MaestraleError
from maestrale.services import Services


class PageMakers(NamedTuple):
    """What makes pages for people: `welcome` the one at `/`, from the address of the server; `reference` the
    one at `/docs`, from the OpenAPI document and the address."""

    welcome: Callable[[str], str]
    reference: Page


def create_app(
    services: Services,
    settings: ApiSettings,
    makers: PageMakers,
    authentication: Authentication,
    pages: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The REST API v2 over these use cases. `pages`: puts what answers browsers in front of the API."""
    handlers: dict[object, ExceptionHandler] = {MaestraleError: explain, HTTPException: explain_http}
    is_open = isinstance(authentication, EverybodyIsTheOperator)
    router = Router(all_routes(services, settings, makers, is_open=is_open), redirect_slashes=False)
    held = MaintenanceGate(router, services.operations)
    entry = Entry(ExceptionMiddleware(held, handlers), authentication)
    return Guard(_Entrance(pages(entry)), settings)


def all_routes(
    services: Services, settings: ApiSettings, makers: PageMakers, *, is_open: bool = True
) -> list[BaseRoute]:
    """Every path of the API, in the order in which they are tried: what is asked most stands first.

    `is_open`: whether callers need not say who they are.
    """
    found: list[BaseRoute] = [
        *ExecutionRoutes(services, settings).routes(),
        *OperationRoutes(services, makers.welcome).routes(),
        *WorkbookRoutes(services, settings).routes(),
        *DefinitionRoutes(services, settings).routes(),
        *MemberRoutes(services).routes(),
        *ActionRoutes(services, settings).routes(),
        *EnvironmentRoutes(services, settings).routes(),
        *CronTriggerRoutes(services, settings).routes(),
        *EventTriggerRoutes(services, settings).routes(),
        *CodeSourceRoutes(services, settings).routes(),
        *DynamicActionRoutes(services, settings).routes(),
        *WhyRoutes(services).routes(),
        *EvaluationRoutes(services).routes(),
        *EventRoutes(services).routes(),
    ]
    return found + ReferenceRoutes(found, makers.reference, is_open=is_open).routes()


class _Entrance:
    """Takes a slash at the end of a path for the same path without it: the official client sends them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.endswith("/") and path.rstrip("/") not in ("", "/v2"):
                path = path.rstrip("/")
            # Routes raise what they refuse, instead of answering in plain text, only inside of an "app".
            scope = {**scope, "path": path, "app": self}
        await self._app(scope, receive, send)
