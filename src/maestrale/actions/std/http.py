"""`std.http` and `std.mistral_http`: from an action's input to a request, from the answer to a result."""

from __future__ import annotations

import asyncio
import base64
import json as json_text
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

from maestrale.actions.base import ActionContext, action
from maestrale.actions.egress import HttpSettings
from maestrale.model.actions import ActionFailure
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

if TYPE_CHECKING:
    from maestrale.actions.http_client import HttpClient

SUCCESS_STATUSES = range(200, 307)

_clients: dict[asyncio.AbstractEventLoop, dict[HttpSettings, HttpClient]] = {}


@action("std.http", secrets=("auth", "cookies"), check_types=False, acts_for_caller=False)
async def std_http(
    context: ActionContext,
    url: str,
    method: str = "GET",
    params: dict[str, Json] | str | None = None,
    body: Json = None,
    json: Json = None,
    headers: dict[str, Json] | None = None,
    cookies: dict[str, Json] | None = None,
    auth: str | None = None,
    timeout: float | None = None,
    allow_redirects: bool | None = None,
    proxies: dict[str, str] | None = None,
    verify: bool | str | None = None,
) -> dict[str, Json]:
    """Send an HTTP request. A status of 200 to 306 is a success.

    url: where to, http or https. method: GET, POST and so on.
    params: a map or text for the query of the URL.
    body: text, or a map that is sent as JSON text without content type. json: a body with content type JSON.
    headers, cookies: maps. auth: "user:password" for basic authentication.
    timeout: seconds to connect, and between two pieces of the answer (0 = no limit).
    allow_redirects: true follows redirects. proxies: map from URL scheme to the proxy's URL.
    verify: false accepts any certificate; a text is the path of the CA certificates to trust.

    The result, also of a failure, has content (parsed if it is JSON), status, headers, url, history,
    encoding, reason, cookies and elapsed (seconds).
    """
    sent = _headers(headers, cookies, auth)
    content = _body(body, json, sent)
    return await _send(context, method, url, params, sent, content, timeout, allow_redirects, proxies, verify)


@action(
    "std.mistral_http",
    waits_outside=True,
    secrets=("auth", "cookies"),
    check_types=False,
    acts_for_caller=False,
)
async def std_mistral_http(
    context: ActionContext,
    url: str,
    method: str = "GET",
    params: dict[str, Json] | str | None = None,
    body: Json = None,
    json: Json = None,
    headers: dict[str, Json] | None = None,
    cookies: dict[str, Json] | None = None,
    auth: str | None = None,
    timeout: float | None = None,
    allow_redirects: bool | None = None,
    proxies: dict[str, str] | None = None,
    verify: bool | str | None = None,
) -> None:
    """Ask another system by HTTP to do something, and wait until it reports its result.

    The parameters are those of std.http. The headers Mistral-Workflow-Name,
    Mistral-Workflow-Execution-Id, Mistral-Task-Id, Mistral-Action-Execution-Id and Mistral-Callback-URL
    tell the other system where to PUT the result. The answer to the request counts only if it is an error.
    """
    sent = _headers(headers, cookies, auth)
    identity = {
        "Mistral-Workflow-Name": context.workflow_name,
        "Mistral-Workflow-Execution-Id": context.workflow_execution_id,
        "Mistral-Task-Id": context.task_execution_id,
        "Mistral-Action-Execution-Id": context.action_execution_id,
        "Mistral-Callback-URL": context.callback_path,
    }
    for name, value in identity.items():
        if value:
            _replace(sent, name, value)
    content = _body(body, json, sent)
    await _send(context, method, url, params, sent, content, timeout, allow_redirects, proxies, verify)


async def close() -> None:
    """Close the connections that the HTTP actions of the running event loop keep open."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.close()


async def _send(
    context: ActionContext,
    method: str,
    url: str,
    params: Json,
    headers: dict[str, str],
    body: bytes | None,
    timeout: float | None,
    allow_redirects: bool | None,
    proxies: Json,
    verify: bool | str | None,
) -> dict[str, Json]:
    settings = context.settings.http
    target = _with_query(_url_parts(url), params)
    if context.idempotency_key and not _has(headers, "Idempotency-Key"):
        headers["Idempotency-Key"] = context.idempotency_key
    document = await _client(settings).send(
        str(method),
        urlunsplit(target),
        headers=headers,
        body=body,
        timeout=settings.default_timeout if timeout is None else _seconds(timeout),
        follow_redirects=bool(allow_redirects),
        proxy=_proxy(target, proxies),
        verify=True if verify is None else verify,
    )
    if document["status"] not in SUCCESS_STATUSES:
        raise ActionFailure(document)
    return document


def _client(settings: HttpSettings) -> HttpClient:
    """The client of the running event loop: its connections are of no use to another loop."""
    from maestrale.actions.http_client import HttpClient

    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for ended in [known for known in list(_clients) if known.is_closed()]:
            _clients.pop(ended, None)
    clients = _clients.setdefault(loop, {})
    if settings not in clients:
        clients[settings] = HttpClient(settings)
    return clients[settings]


def _headers(headers: Json, cookies: Json, auth: Json) -> dict[str, str]:
    result = {
        name: _header_text(name, value)
        for name, value in _mapping("headers", headers).items()
        if value is not None
    }
    pairs = [f"{name}={value}" for name, value in _mapping("cookies", cookies).items() if value is not None]
    if pairs and not _has(result, "Cookie"):
        result["Cookie"] = "; ".join(pairs)
    if auth:
        _replace(result, "Authorization", _basic(auth))
    return result


def _header_text(name: str, value: Json) -> str:
    if isinstance(value, (str, int, float)):
        return str(value)
    raise InvalidAction(f"Header '{name}' must be text or a number, not {type(value).__name__}")


def _basic(auth: Json) -> str:
    user, colon, password = str(auth).partition(":")
    if not isinstance(auth, str) or not colon:
        raise InvalidAction(
            "Parameter 'auth' must be a text of the form user:password",
            "for other schemes set the header Authorization",
        )
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _body(body: Json, json: Json, headers: dict[str, str]) -> bytes | None:
    """The bytes to send; adds the content type of JSON to `headers` if `json` is sent."""
    if body and json:
        raise InvalidAction("Only one of the parameters 'json' and 'body' can be passed")
    if json is not None and not body:
        if not _has(headers, "Content-Type"):
            headers["Content-Type"] = "application/json"
        return _as_json(json)
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else _as_json(body)


def _as_json(value: Json) -> bytes:
    try:
        return json_text.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidAction(f"The body cannot be written as JSON: {error}") from error


def _url_parts(url: Json) -> SplitResult:
    try:
        return urlsplit(str(url))
    except ValueError as error:
        raise InvalidAction(f"Parameter 'url' is not a URL: {error}") from error


def _with_query(url: SplitResult, params: Json) -> SplitResult:
    if isinstance(params, str):
        query = params
    else:
        given = _mapping("params", params)
        query = urlencode({name: value for name, value in given.items() if value is not None}, doseq=True)
    return url._replace(query="&".join(filter(None, [url.query, query])))


def _proxy(url: SplitResult, proxies: Json) -> str | None:
    """The proxy for this URL: the entry for scheme and host wins over scheme, then `all`."""
    known = _mapping("proxies", proxies)
    for key in (f"{url.scheme}://{url.hostname}", url.scheme, f"all://{url.hostname}", "all"):
        if known.get(key):
            proxy = str(known[key])
            return proxy if "://" in proxy else f"http://{proxy}"
    return None


def _seconds(timeout: Json) -> float:
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise InvalidAction(f"Parameter 'timeout' must be a number of seconds, not {timeout!r}")
    return seconds


def _mapping(parameter: str, value: Json) -> dict[str, Json]:
    if not value:
        return {}
    if not isinstance(value, dict):
        raise InvalidAction(f"Parameter '{parameter}' must be a map, not {type(value).__name__}")
    return value


def _has(headers: dict[str, str], name: str) -> bool:
    return any(known.lower() == name.lower() for known in headers)


def _replace(headers: dict[str, str], name: str, value: str) -> None:
    for known in [known for known in headers if known.lower() == name.lower()]:
        del headers[known]
    headers[name] = value
