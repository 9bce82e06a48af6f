"""The layer that answers people at a browser; everything else goes on to the API."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from maestrale.api.authentication import Authentication
from maestrale.services import Services
from maestrale.ui.session import with_token

PAGES: Final = re.compile(r"/(executions|session|static)(/|$)")
STREAM: Final = re.compile(r"/v2/executions/[^/]+/events")


class Pages:
    """Pages for what begins like one. Of the API only streams of events know the token of a browser."""

    def __init__(self, app: ASGIApp, services: Services, authentication: Authentication) -> None:
        self._app = app
        self._services = services
        self._authentication = authentication
        self._pages: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http":
            if PAGES.match(scope["path"]):
                app = self._loaded()
            elif STREAM.fullmatch(scope["path"]) and scope["method"] == "GET":
                scope = with_token(scope)
        await app(scope, receive, send)

    def _loaded(self) -> ASGIApp:
        if self._pages is None:
            # Templates are loaded when the first page is asked for: most servers are asked by programs only.
            from maestrale.ui.views import Views

            self._pages = Views(self._services, self._authentication)
        return self._pages
