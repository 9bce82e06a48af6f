"""Asks Keystone, as the service user. One event loop in a thread of its own, so that everybody may ask."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from maestrale import __version__
from maestrale.keystone.settings import KeystoneSettings
from maestrale.keystone.tokens import Token, context_of, read_token
from maestrale.model.errors import Forbidden, Unauthorized, Unavailable
from maestrale.model.security import SecurityContext

T = TypeVar("T")

RENEWED_BEFORE: Final = 60.0
"""Seconds before the end of a token of one's own at which another one is taken."""

RETRY_AFTER: Final = 5
LARGEST_ANSWER: Final = 8 * 1024 * 1024
AT_A_TIME: Final = 50
"""Connections to Keystone; further requests wait for one."""

log = logging.getLogger(__name__)


class Answer(msgspec.Struct, frozen=True):
    """What Keystone has answered. `token`: the one that an answer hands out, else empty."""

    status: int
    body: bytes
    token: str = ""


class Refused(Forbidden):
    """Keystone does not do what it was asked for."""


class Keystone:
    """The Keystone of a cloud. Methods may be called from any thread; their futures fail with `Unavailable`
    while Keystone gives no usable answer.

    `clock`: seconds since 1970. Raises `ValueError` for certificates that cannot be read.
    """

    def __init__(self, settings: KeystoneSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock
        self._ssl = _trust(settings)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._own: tuple[str, Token] | None = None
        self._logging_in = asyncio.Lock()
        self._stopped = False

    def validate(self, token: str, *, allow_expired: bool = False) -> Future[Token]:
        """Who holds a token. `Unauthorized` if Keystone does not know it, or not any more."""
        return self._ask(self._validate(token, allow_expired))

    def create_trust(self, holder: SecurityContext) -> Future[str]:
        """Have the holder of a token trust the service user with the holder's roles in its project; the id of
        the trust. `Refused` where Keystone does not allow that."""
        return self._ask(self._create_trust(holder))

    def log_in_with_trust(self, trust_id: str) -> Future[SecurityContext]:
        """A token in the name of who has trusted. `Refused` where the trust does not hold any more."""

        async def log_in() -> SecurityContext:
            text, token = await self._log_in_with_trust(trust_id)
            return context_of(text, token, self.settings)

        return self._ask(log_in())

    def delete_trust(self, trust_id: str) -> Future[None]:
        """End a trust; one that has ended is no error."""
        return self._ask(self._delete_trust(trust_id))

    def close(self) -> None:
        """Break off what is asked at the moment, and close all connections."""
        with self._lock:
            self._stopped = True
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # -- the thread

    def _ask(self, question: Coroutine[Any, Any, T]) -> Future[T]:
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()  # one of several who wait may leave, and takes nothing away

        def answered(done: Future[T]) -> None:
            error = CancelledError() if done.cancelled() else done.exception()
            if isinstance(error, CancelledError):
                error = Unavailable("The service is shutting down")
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result())

        with self._lock:
            if self._stopped:
                question.close()
                answer.set_exception(Unavailable("The service is shutting down"))
                return answer
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, name="keystone", daemon=True)
                self._thread.start()
            asked = asyncio.run_coroutine_threadsafe(question, self._loop)
        asked.add_done_callback(answered)
        return answer

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # -- in the loop

    async def _validate(self, token: str, allow_expired: bool) -> Token:
        headers = {"X-Subject-Token": token}
        path = "/auth/tokens?allow_expired=1" if allow_expired else "/auth/tokens"
        answer = await self._as_service("GET", path, headers)
        if answer.status in (400, 404):
            raise Unauthorized("Auth token is invalid")
        return _token_of(_expected(answer, 200))

    async def _create_trust(self, holder: SecurityContext) -> str:
        _, own = await self._log_in()
        trust = {
            "trustor_user_id": holder.user_id,
            "trustee_user_id": own.user_id,
            "project_id": holder.project_id,
            "impersonation": True,
            "roles": [{"name": role} for role in holder.roles],
            "allow_redelegation": False,
        }
        headers = {"X-Auth-Token": holder.auth_token or ""}
        answer = await self._send("POST", "/OS-TRUST/trusts", headers, {"trust": trust})
        if answer.status in (400, 401, 403, 404):
            raise Refused(f"Keystone does not let the service be trusted with this token: {_said(answer)}")
        trust_id: str = msgspec.json.decode(_expected(answer, 201).body)["trust"]["id"]
        return trust_id

    async def _log_in_with_trust(self, trust_id: str) -> tuple[str, Token]:
        scope = {"OS-TRUST:trust": {"id": trust_id}}
        answer = await self._send("POST", "/auth/tokens", {}, self._identity(scope))
        if answer.status in (401, 403, 404):
            raise Refused(f"The trust {trust_id} does not hold any more: {_said(answer)}")
        return _expected(answer, 201).token, _token_of(answer)

    async def _delete_trust(self, trust_id: str) -> None:
        path = f"/OS-TRUST/trusts/{trust_id}"
        try:
            token, _ = await self._log_in_with_trust(trust_id)
        except Refused:  # somebody has ended it, or lost the roles; then the service user may try itself
            answer = await self._as_service("DELETE", path, {})
        else:
            answer = await self._send("DELETE", path, {"X-Auth-Token": token})
        if answer.status not in (204, 404):
            raise Refused(f"The trust {trust_id} cannot be removed: {_said(answer)}")

    async def _as_service(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        """Ask with the service user's token, with another one if Keystone does not take it any more."""
        token, _ = await self._log_in()
        answer = await self._send(method, path, {**headers, "X-Auth-Token": token})
        if answer.status == 401:
            self._forget(token)
            token, _ = await self._log_in()
            answer = await self._send(method, path, {**headers, "X-Auth-Token": token})
            if answer.status == 401:
                self._forget(token)
                raise self._unavailable("it does not take the token that it gave to the service user")
        return answer

    def _forget(self, token: str) -> None:
        if self._own is not None and self._own[0] == token:
            self._own = None

    async def _log_in(self) -> tuple[str, Token]:
        """The service user's own token."""
        async with self._logging_in:
            own = self._own
            if own is not None and own[1].expires_at / 1e6 - RENEWED_BEFORE > self._clock():
                return own
            settings = self.settings
            domain = _domain(settings.project_domain_id, settings.project_domain_name)
            scope = {"project": {"name": settings.project_name, "domain": domain}}
            answer = await self._send("POST", "/auth/tokens", {}, self._identity(scope))
            if answer.status == 401:
                user = settings.username
                raise self._unavailable(f"it does not let the service user '{user}' in: {_said(answer)}")
            self._own = _expected(answer, 201).token, _token_of(answer)
            return self._own

    def _identity(self, scope: dict[str, Any]) -> dict[str, Any]:
        settings = self.settings
        user = {
            "name": settings.username,
            "password": settings.password,
            "domain": _domain(settings.user_domain_id, settings.user_domain_name),
        }
        return {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> Answer:
        """One request. `Unavailable` for no answer, and for one that says so."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=AT_A_TIME, ssl=self._ssl),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self.settings.timeout),
                headers={"User-Agent": f"maestrale/{__version__}", "Accept": "application/json"},
            )
        url, data = self.settings.url + path, None if body is None else msgspec.json.encode(body)
        headers = headers if data is None else {**headers, "Content-Type": "application/json"}
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response:
                token = response.headers.get("X-Subject-Token", "")
                answer = Answer(response.status, await _read(response), token)
        except TimeoutError:
            raise self._unavailable(f"no answer within {self.settings.timeout:g} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(str(error) or type(error).__name__) from None
        if answer.status == 429 or answer.status >= 500:
            raise self._unavailable(f"its answer has the status {answer.status}")
        return answer

    def _unavailable(self, reason: str) -> Unavailable:
        """The error for a caller, who need not know why; the log says it."""
        log.warning("Keystone at %s cannot be asked: %s", self.settings.url, reason)
        return unavailable()


def unavailable() -> Unavailable:
    """Nobody can say who is asking."""
    return Unavailable(
        "The identity service cannot be asked now", "try again in a moment", retry_after=RETRY_AFTER
    )


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. `ValueError` for one that is too large."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise ValueError(f"its answer is larger than {LARGEST_ANSWER} bytes")
    return body


def _domain(identifier: str, name: str) -> dict[str, str]:
    return {"id": identifier} if identifier else {"name": name}


def _expected(answer: Answer, status: int) -> Answer:
    """The answer, if it has this status. `Unavailable` for one that makes no sense."""
    if answer.status == status:
        return answer
    log.warning("Keystone gives an unexpected answer: %s: %s", answer.status, _said(answer))
    raise unavailable()


def _token_of(answer: Answer) -> Token:
    try:
        return read_token(answer.body)
    except (msgspec.MsgspecError, ValueError) as error:
        log.warning("What Keystone says of a token cannot be read: %s", error)
        raise unavailable() from None


def _said(answer: Answer) -> str:
    """Why Keystone refuses, in its words."""
    try:
        return str(msgspec.json.decode(answer.body)["error"]["message"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return f"status {answer.status}"


def _trust(settings: KeystoneSettings) -> ssl.SSLContext | bool:
    if not settings.url.startswith("https://"):
        return True
    try:
        context = ssl.create_default_context(cafile=settings.cafile or None)
        if settings.certfile:
            context.load_cert_chain(settings.certfile, settings.keyfile or None)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"the certificate files of Keystone cannot be read: {error}") from None
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
