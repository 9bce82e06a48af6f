"""HTTP client of the REST API v2: what the commands call, and a Python API for programs.

    with Client() as client:
        client.workflows.create(text)
        execution = client.executions.create("hello_world", {"name": "world"})

Objects are dictionaries with the names of the API; fields such as `input` and `output` hold JSON text, as
the API sends them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, Self
from urllib.parse import urlsplit

from maestrale.cli.resources import (
    ActionExecutions,
    Actions,
    CodeSources,
    CronTriggers,
    DynamicActions,
    Environments,
    EventTriggers,
    Executions,
    Maintenance,
    Members,
    Tasks,
    Workbooks,
    Workflows,
)

if TYPE_CHECKING:  # httpx takes longer to load than everything else: only a Client needs it
    import ssl

    import httpx

DEFAULT_URL: Final = "http://127.0.0.1:8989/v2"
CONNECT_SECONDS: Final = 10.0
UNKNOWN_CALLER: Final = 401
ANSWER_SECONDS: Final = 90.0
"""Longer than the 60 s after which a server itself gives up waiting for its engine."""

log = logging.getLogger(__name__)


class ClientError(Exception):
    """Base of what a `Client` raises; `message` is meant for a person."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ApiError(ClientError):
    """The server refused; `status` is the HTTP status, `message` the server's own words.

    `place` says where an expression is wrong: `expression`, and `line` and `column` from 1.
    """

    def __init__(self, status: int, message: str, place: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.place = place


class ServerUnreachable(ClientError):
    """No answer came from `url`; `reached` says that there is a server, which broke off or took too long."""

    def __init__(self, url: str, message: str, reached: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.reached = reached


def is_local(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # no URL at all
        return False
    return host in ("localhost", "::1") or host.startswith("127.")


class Credentials(Protocol):
    """Who asks, where that may change in time."""

    def headers(self) -> Mapping[str, str]:
        """What goes with a request. Raises `ClientError` if one cannot log in."""

    def renew(self) -> bool:
        """The server has refused these headers (401): whether `headers` gives others from now on."""


class Client:
    """A connection to one server.

    `base_url` includes the version (`http://host:8989/v2`). `headers` go with every request, and those of
    `credentials`, which are asked for others when the server does not know the caller. `timeout` is the
    time in seconds that an answer may take, None for ever. `verify` is False to accept any certificate, or an
    SSL context.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        headers: Mapping[str, str] | None = None,
        credentials: Credentials | None = None,
        timeout: float | None = ANSWER_SECONDS,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        import httpx

        self.base_url = base_url.rstrip("/")
        if not self.base_url.startswith(("http://", "https://")):
            raise ServerUnreachable(base_url, "the address must begin with http:// or https://")
        self._timeout = timeout
        self._credentials = credentials
        self._http = httpx.Client(
            headers=dict(headers or {}),
            verify=verify if self.base_url.startswith("https://") else False,
            trust_env=not is_local(self.base_url),  # a proxy cannot reach this machine
        )
        self.warnings: list[str] = []
        """What the server found odd in texts that it took, in the order of the requests."""
        self.workbooks = Workbooks(self)
        self.workflows = Workflows(self)
        self.actions = Actions(self)
        self.executions = Executions(self)
        self.tasks = Tasks(self)
        self.action_executions = ActionExecutions(self)
        self.environments = Environments(self)
        self.cron_triggers = CronTriggers(self)
        self.event_triggers = EventTriggers(self)
        self.members = Members(self)
        self.maintenance = Maintenance(self)
        self.code_sources = CodeSources(self)
        self.dynamic_actions = DynamicActions(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def evaluate(self, expression: str, **more: Any) -> dict[str, Any]:
        """What an expression is: `result`, and `warnings` if there are any.

        `data` is what it sees, `task_execution_id` where it stands. `ApiError` with the place if it fails.
        """
        body = {"expression": expression, **more}
        answer: dict[str, Any] = self.request("POST", "/evaluations", body=body)
        return answer

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        text: str | None = None,
        patient: bool = False,
        beside: bool = False,
    ) -> Any:
        """Send one request and return the parsed answer, None if it is empty.

        `body` goes as JSON, `text` as plain text; `patient` waits for the answer without limit. `beside`: the
        path stands beside that of the API's version, not below it.
        Raises `ApiError` or `ServerUnreachable`.
        """
        content = text if body is None else json.dumps(body)
        kind = {"content-type": "text/plain" if body is None else "application/json"}
        url = (self.base_url.removesuffix("/v2") if beside else self.base_url) + path
        log.debug("%s %s %s %s", method, url, dict(query or {}), content or "")
        kind = kind if content is not None else {}
        answer = self._send(method, url, query, content, kind | self._known(), patient)
        if answer.status_code == UNKNOWN_CALLER and self._credentials and self._credentials.renew():
            answer = self._send(method, url, query, content, kind | self._known(), patient)
        log.debug("%s %s", answer.status_code, answer.text)
        if not answer.is_success:
            raise ApiError(answer.status_code, *_refusal(answer))
        if not answer.content:
            return None
        try:
            content = answer.json()
        except ValueError:
            raise ApiError(
                answer.status_code, f"The answer of {url} is no JSON: is this the address of a Mistral API?"
            ) from None
        if isinstance(content, dict):
            self.warnings += content.get("warnings", ())
        return content

    def _known(self) -> dict[str, str]:
        """The headers that say who asks, where that may change."""
        return dict(self._credentials.headers()) if self._credentials else {}

    def lines(self, path: str, headers: Mapping[str, str], silence: float) -> Iterator[str]:
        """The lines of a stream of events as they come. `silence`: seconds without one after which it has
        broken off.

        Raises `ApiError` or `ServerUnreachable`, also in the middle.
        """
        import httpx

        url = self.base_url + path
        log.debug("GET %s", url)
        timeout = httpx.Timeout(silence, connect=CONNECT_SECONDS)
        try:
            with self._http.stream(
                "GET", url, headers={**headers, **self._known()}, timeout=timeout
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise ApiError(answer.status_code, *_refusal(answer))
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    raise ApiError(404, f"There are no events at {url}")
                left = ""
                for text in answer.iter_text():
                    # Not splitlines: other characters that may count as ends of lines stand in values.
                    *lines, left = (left + text).split("\n")
                    yield from lines
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.InvalidURL) as error:
            raise ServerUnreachable(self.base_url, _plain(error)) from error
        except httpx.TransportError as error:
            raise ServerUnreachable(self.base_url, _plain(error), reached=True) from error

    def _send(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        content: str | None,
        headers: Mapping[str, str],
        patient: bool,
    ) -> httpx.Response:
        import httpx

        seconds = None if patient else self._timeout
        try:
            return self._http.request(
                method,
                url,
                params=query or None,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            )
        except httpx.ConnectTimeout:
            raise ServerUnreachable(
                self.base_url, f"no connection within {CONNECT_SECONDS:g} seconds"
            ) from None
        except (httpx.ConnectError, httpx.ProxyError, httpx.InvalidURL) as error:
            raise ServerUnreachable(self.base_url, _plain(error)) from error
        except httpx.TimeoutException:
            reason = f"no answer within {seconds:g} seconds"
        except httpx.TransportError as error:
            reason = _plain(error)
        if method != "GET":
            reason += "; it is not known whether the request was carried out"
        raise ServerUnreachable(self.base_url, reason, reached=True)


def _plain(error: Exception) -> str:
    """The words of a transport error without its number."""
    words = str(error)
    if words.startswith("[Errno "):
        words = words.partition("] ")[2]
    return words or type(error).__name__


def _refusal(answer: httpx.Response) -> tuple[str, Mapping[str, Any] | None]:
    """What the server says about a refused request, and where in an expression the reason is."""
    place = None
    try:
        content = answer.json()
        fault, place = content["faultstring"], content.get("place")
    except (ValueError, KeyError, TypeError):
        fault = answer.headers.get("Server-Error-Message")
    if fault:
        return str(fault), place
    if answer.headers.get("content-type", "").startswith("text/plain") and answer.text.strip():
        return answer.text.strip(), None
    return f"HTTP {answer.status_code} {answer.reason_phrase} from {answer.request.url}", None
