"""The pages: who may see them, what they answer, and what goes wrong, for a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ExceptionHandler, Receive, Scope, Send

from maestrale.api.authentication import CALLER, Authentication
from maestrale.api.routing import route
from maestrale.model.errors import BadRequest, Forbidden, Later, MaestraleError, NotFound, Unauthorized
from maestrale.services import Services
from maestrale.ui.execution_page import execution_page
from maestrale.ui.executions_page import executions_page
from maestrale.ui.plan import Plans
from maestrale.ui.rendering import FILES, render
from maestrale.ui.session import cookie, is_fit, is_from_here, is_secure, no_cookie, token_of, with_token

log = logging.getLogger(__name__)

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": the Origin of forms would be "null" then.
    "Referrer-Policy": "same-origin",
}
PRIVATE: Final = HEADERS | {"Cache-Control": "no-store", "Vary": "Cookie"}
LASTING: Final = HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}

START: Final = "/executions"
LONGEST_FORM: Final = 20_000
"""Bytes."""


class Views:
    """All pages."""

    def __init__(self, services: Services, authentication: Authentication) -> None:
        self._services = services
        self._authentication = authentication
        self._plans = Plans()
        handlers: dict[object, ExceptionHandler] = {MaestraleError: _explain, HTTPException: _explain_http}
        router = Router(
            [
                route("/executions", GET=self.executions),
                route("/executions/{id}", GET=self.execution),
                route("/session", GET=self.session, POST=self.sign_in),
                route("/session/end", POST=self.sign_out),
                route("/static/{name}", GET=self.file),
            ],
            redirect_slashes=False,
        )
        self._app = ExceptionMiddleware(router, handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def executions(self, request: Request) -> Response:
        """The list of executions."""
        await self._know_caller(request)
        return page(request, await executions_page(request, self._services))

    async def execution(self, request: Request) -> Response:
        """One execution."""
        await self._know_caller(request)
        return page(request, await execution_page(request, self._services, self._plans))

    async def session(self, request: Request) -> Response:
        """Where to sign in."""
        return _sign_in(request, 200, "", START)

    async def sign_in(self, request: Request) -> Response:
        """Keep a token, if it is valid."""
        form = await _form(request)
        token, goal = form.get("token", "").strip(), _goal(form.get("next", ""))
        try:
            if not is_fit(token):
                raise Unauthorized("The token is empty, or holds what no token can hold")
            await self._caller(Headers({"x-auth-token": token}), request)
        except Unauthorized as error:
            log.info("%s %s: %s", request.method, request.url.path, error.message)
            return _sign_in(request, error.status, error.message, goal)
        kept = cookie(token, is_secure=is_secure(request.scope))
        if kept is None:
            return _sign_in(request, 400, "The token is longer than what browsers keep", goal)
        return _go(request, goal, kept)

    async def sign_out(self, request: Request) -> Response:
        """Forget the token."""
        await _form(request)
        return _go(request, "/session", no_cookie(is_secure=is_secure(request.scope)))

    async def file(self, request: Request) -> Response:
        """What pages are made with."""
        found = FILES.get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(found.content, media_type=found.media_type, headers=LASTING)

    async def _know_caller(self, request: Request) -> None:
        headers = Headers(scope=with_token(request.scope))
        try:
            request.scope[CALLER] = await self._caller(headers, request)
        except Unauthorized as error:
            log.info("%s %s: %s", request.method, request.url.path, error.message)
            raise

    async def _caller(self, headers: Headers, request: Request) -> Any:
        client = request.client
        return await self._authentication.caller(headers, client.host if client else None)


def page(
    request: Request, given: tuple[str, Mapping[str, Any]], status: int = 200, **headers: str
) -> Response:
    """A page made of a template and what it shows."""
    name, content = given
    common = {"root": _root(request), "is_signed_in": token_of(request.headers) is not None}
    text = render(name, **common, **content)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(text, status, PRIVATE | more, "text/html")


async def _explain(request: Request, error: Exception) -> Response:
    assert isinstance(error, MaestraleError)
    if isinstance(error, Unauthorized):
        goal = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        had_one = token_of(request.headers) is not None
        reason = "Your token is not valid any more" if had_one else ""
        return _sign_in(request, error.status, reason, _goal(goal))
    headers = {"Retry_After": str(error.retry_after)} if isinstance(error, Later) else {}
    return page(request, _problem(error.status, error.message, error.hint), error.status, **headers)


async def _explain_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        text = "There is no page at this address"
    answer = page(request, _problem(error.status_code, text, ""), error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def _problem(status: int, message: str, hint: str) -> tuple[str, Mapping[str, Any]]:
    title = "Not found" if status == NotFound.status else HTTPStatus(status).phrase
    return "problem.html", {"title": title, "message": message, "hint": hint}


def _sign_in(request: Request, status: int, reason: str, goal: str) -> Response:
    challenge = {"WWW_Authenticate": 'Bearer realm="maestrale"'} if status == Unauthorized.status else {}
    return page(request, ("sign_in.html", {"reason": reason, "goal": goal}), status, **challenge)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that stood on a page of ours. Forbidden if it was another's."""
    if not is_from_here(request.headers):
        raise Forbidden("This form came from another site", "sign in at a page of this server")
    body = await request.body()
    if len(body) > LONGEST_FORM:
        raise BadRequest(f"The form is longer than {LONGEST_FORM} bytes")
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10)
    except ValueError:
        raise BadRequest("The form cannot be read") from None
    return {name: values[0] for name, values in fields.items()}


def _goal(path: str) -> str:
    """Where to go after signing in: only to pages of ours."""
    is_ours = path == START or path.startswith((f"{START}/", f"{START}?"))
    return path if is_ours and path.isprintable() and "\\" not in path else START


def _go(request: Request, path: str, kept: str) -> Response:
    headers = PRIVATE | {"Location": _root(request) + path, "Set-Cookie": kept}
    return Response(status_code=HTTPStatus.SEE_OTHER, headers=headers)


def _root(request: Request) -> str:
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
