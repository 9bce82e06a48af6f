"""What both clients have in common at the wire: the settings of httpx, and its words for what goes wrong."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypedDict

import httpx

from maestrale.client.connection import is_local
from maestrale.client.errors import ServerUnreachable
from maestrale.client.steps import Answer, Send

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS: Final = 10.0

FAILURES: Final = (httpx.RequestError, httpx.InvalidURL)
"""What httpx raises where there is no answer."""

log = logging.getLogger("maestrale.client")


class HttpOptions(TypedDict):
    """What both clients of httpx are made with."""

    verify: bool | ssl.SSLContext
    trust_env: bool


def http_options(base_url: str, verify: bool | ssl.SSLContext) -> HttpOptions:
    """How to reach `base_url`. ServerUnreachable if that is no address."""
    if not base_url.startswith(("http://", "https://")):
        raise ServerUnreachable(base_url, "the address must begin with http:// or https://")
    return {
        "verify": verify if base_url.startswith("https://") else False,
        "trust_env": not is_local(base_url),  # a proxy cannot reach this machine
    }


def request_for(http: httpx.Client | httpx.AsyncClient, step: Send) -> httpx.Request:
    """The request of httpx for a step."""
    log.debug("%s %s %s %s", step.method, step.url, dict(step.query), step.content or "")
    return http.build_request(
        step.method,
        step.url,
        params=step.query or None,
        content=step.content,
        headers=step.headers,
        timeout=httpx.Timeout(step.timeout, connect=CONNECT_SECONDS),
    )


def is_stream(step: Send, response: httpx.Response) -> bool:
    """Whether the content is to be read as it comes. Refusals are read at once."""
    return step.stream and response.is_success


def answer_to(step: Send, response: httpx.Response) -> Answer:
    """The answer, with its text unless that is a stream."""
    text = "" if is_stream(step, response) else response.text
    log.debug("%s %s", response.status_code, text)
    return Answer(response.status_code, response.reason_phrase, response.headers, text)


def failure(base_url: str, error: Exception, step: Send | None = None) -> ServerUnreachable:
    """Why there is no answer to `step`, or (None) no more of a stream."""
    if isinstance(error, httpx.ConnectTimeout):
        return ServerUnreachable(base_url, f"no connection within {CONNECT_SECONDS:g} seconds")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError | httpx.InvalidURL):
        return ServerUnreachable(base_url, _plain(error))
    reason = _plain(error)
    if isinstance(error, httpx.TimeoutException) and step is not None and step.timeout is not None:
        reason = f"no answer within {step.timeout:g} seconds"
    if step is not None and step.method != "GET":
        reason += "; it is not known whether the request was carried out"
    return ServerUnreachable(base_url, reason, reached=True)


def _plain(error: Exception) -> str:
    """The words of a transport error without its number."""
    words = str(error)
    if words.startswith("[Errno "):
        words = words.partition("] ")[2]
    return words or type(error).__name__
