"""One request and its answer: who asks, what is tried again, what an error means."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

import msgspec

from maestrale.client.absent import NOT_GIVEN
from maestrale.client.errors import ApiError, ServerUnreachable, UnexpectedAnswer, refusal
from maestrale.client.steps import Answer, Identify, Pause, Send, Steps

T = TypeVar("T")

RETRIES: Final = 3
FIRST_PAUSE: Final = 0.25
"""Seconds before a request is sent again; doubled each time."""

LONGEST_PAUSE: Final = 30.0
"""A server that wants more time than that is not asked again."""

BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
AWAY: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT, *BUSY})

log = logging.getLogger("maestrale.client")


def warn(text: str) -> None:
    """Log what the server found odd in a text that it took."""
    log.warning("%s", text)


class Session(msgspec.Struct):
    """What the requests of one client have in common.

    `base_url` ends in the version of the API. `timeout`: seconds for an answer, None for ever.
    `on_warning` is told what the server found odd in texts that it took. `has_answered`: the server has
    answered once, so it is worth waiting if it is away.
    """

    base_url: str
    timeout: float | None
    on_warning: Callable[[str], None] = warn
    clock: Callable[[], float] = time.monotonic
    has_answered: bool = False

    def url(self, path: str, beside: bool = False) -> str:
        """The address of a path below, or `beside`, that of the API's version."""
        return (self.base_url.removesuffix("/v2") if beside else self.base_url) + path


class Request(msgspec.Struct, Generic[T], frozen=True):
    """What to send, and how the result comes of the answer.

    `read` gets the answer's JSON (None for an empty one). `body` goes as JSON, `text` as plain text.
    `beside`: the path stands beside that of the API's version, not below it. `patient` waits for the answer
    without limit. `repeatable`: to send it twice is no other than to send it once.
    """

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, str] = {}
    body: Any = NOT_GIVEN
    text: str | None = None
    beside: bool = False
    patient: bool = False
    repeatable: bool = False

    def steps(self, session: Session) -> Steps[T]:
        """Send it, and again where that does no harm. Raises `ClientError`."""
        answer = yield from exchange(self, session)
        content = _content(answer, session.url(self.path, self.beside))
        if isinstance(content, dict):
            for warning in content.get("warnings", ()):
                session.on_warning(warning)
        return self.read(content)


def exchange(
    request: Request[Any],
    session: Session,
    *,
    headers: Mapping[str, str] | None = None,
    retries: int = RETRIES,
    silence: float | None = None,
) -> Steps[Answer]:
    """The answer to a request that was carried out. Raises `ServerUnreachable` or `ApiError`.

    With `silence` the content of the answer is a stream, which is still to be read: it has broken off after
    so many seconds without a word.
    """
    is_safe = request.repeatable or request.method == "GET"
    pauses = iter([FIRST_PAUSE * 2**number for number in range(retries)])
    is_renewed = False
    while True:
        identity: Mapping[str, str] = yield Identify()
        answer: Answer | ServerUnreachable = yield _sending(
            request, session, silence, {**identity, **(headers or {})}
        )
        if isinstance(answer, ServerUnreachable):
            pause = next(pauses, None)
            if pause is None or not (is_safe and session.has_answered):
                raise answer
            yield Pause(pause)
            continue
        session.has_answered = True
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED and not is_renewed:
            is_renewed = True
            if (yield Identify(renew=True)):
                continue
        error = _refusal(answer, session, request, bool(identity))
        waiting = _pause(error, is_safe, next(pauses, None))
        if waiting is None:
            raise error
        log.debug("again in %g seconds: %s", waiting, error)
        yield Pause(waiting)


def _sending(
    request: Request[Any], session: Session, silence: float | None, headers: Mapping[str, str]
) -> Send:
    content = request.text
    kind = {} if content is None else {"content-type": "text/plain"}
    if request.body is not NOT_GIVEN:
        content, kind = json.dumps(request.body), {"content-type": "application/json"}
    return Send(
        request.method,
        session.url(request.path, request.beside),
        request.query,
        {**headers, **kind},
        content,
        None if request.patient else silence or session.timeout,
        silence is not None,
    )


def _pause(error: ApiError, is_safe: bool, usual: float | None) -> float | None:
    """Seconds after which to ask again, None for not at all.

    Whoever says when to come back has done nothing yet; other failures leave that open.
    """
    if usual is None:
        return None
    if error.status in BUSY and error.retry_after is not None:
        return error.retry_after if error.retry_after <= LONGEST_PAUSE else None
    return usual if is_safe and error.status in AWAY else None


def _content(answer: Answer, url: str) -> Any:
    if not answer.text:
        return None
    try:
        return json.loads(answer.text)
    except ValueError:
        raise UnexpectedAnswer(
            f"The answer of {url} is no JSON: is this the address of a Mistral API?"
        ) from None


def _refusal(answer: Answer, session: Session, request: Request[Any], is_known: bool) -> ApiError:
    """What the server says about a refused request, and where in an expression the reason is."""
    message, place = _fault(answer, session.url(request.path, request.beside))
    hint = ""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        hint = "the token is not valid" if is_known else "give credentials, or set OS_AUTH_TOKEN"
    elif answer.status == HTTPStatus.NOT_FOUND and not session.base_url.endswith("/v2"):
        hint = f"the address of the API usually ends in /v2: {session.base_url}"
    return refusal(answer.status, message, hint, place, _retry_after(answer))


def _fault(answer: Answer, url: str) -> tuple[str, Mapping[str, Any] | None]:
    place = None
    try:
        content = json.loads(answer.text)
        fault, place = content["faultstring"], content.get("place")
    except (ValueError, KeyError, TypeError):
        fault = answer.headers.get("server-error-message")
    if fault:
        return str(fault), place
    if answer.headers.get("content-type", "").startswith("text/plain") and answer.text.strip():
        return answer.text.strip(), None
    return f"HTTP {answer.status} {answer.reason} from {url}", None


def _retry_after(answer: Answer) -> float | None:
    """The header in seconds; a date, which no Mistral sends, counts for none."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdecimal() else None
