"""`/openapi.json` and `/docs`: the API describes itself, for programs and for people."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from maestrale.api.answers import html_answer
from maestrale.api.listing import base_url
from maestrale.api.operation import JSON, Document, Media, operation
from maestrale.api.routing import route

Page = Callable[[Document, str], str]
"""Makes the page from the document and the address of the server."""

PAGE: Final = Media("text/html", "A page for people.")


class ReferenceRoutes:
    """The description of these routes and its own. It is made when somebody asks for the first time."""

    def __init__(self, others: list[BaseRoute], page: Page, *, is_open: bool) -> None:
        """`is_open`: whether callers need not say who they are."""
        self._others = others
        self._page = page
        self._is_open = is_open

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        return [
            route("/openapi.json", GET=self.document),
            route("/v2/openapi.json", GET=self.document),
            route("/docs", GET=self.docs),
        ]

    @cached_property
    def _document(self) -> Document:
        from maestrale.api.openapi import make_document  # not needed to start

        return make_document([*self._others, *self.routes()], is_open=self._is_open)

    @cached_property
    def _text(self) -> bytes:
        return msgspec.json.encode(self._document)

    @operation(query=None, answers=Document, open=True)
    async def document(self, request: Request) -> Response:
        """The OpenAPI document."""
        servers = msgspec.json.encode([{"url": base_url(request)}])
        return Response(b'{"servers":' + servers + b"," + self._text[1:], media_type=JSON)

    @operation(query=None, answers=PAGE, open=True)
    async def docs(self, request: Request) -> Response:
        """The same as a page for people."""
        return html_answer(self._page(self._document, base_url(request)))
