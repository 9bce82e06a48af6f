"""One provider of identities: its addresses, its keys, and what it says of a token when asked."""

from __future__ import annotations

import asyncio
import logging
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from maestrale.api.identity_settings import OidcSettings
from maestrale.config import ConfigError
from maestrale.model.errors import Unavailable

DISCOVERY: Final = "/.well-known/openid-configuration"
RETRY: Final = 5.0
"""Seconds between two attempts to get the keys of a provider, whatever the reason."""

LARGEST_ANSWER: Final = 1024 * 1024
MOST_KEYS: Final = 100
WEAKEST_RSA: Final = 2048
MOST_QUESTIONS: Final = 8
LONGEST_QUEUE: Final = 200
"""Questions about tokens under way at the same time, and waiting for that."""

Key = RSAKey | ECKey | OKPKey

log = logging.getLogger(__name__)


class ProviderFailed(Exception):
    """The provider gave no usable answer; the text says why, without anything secret."""


class _Known(msgspec.Struct, frozen=True):
    """What a provider said of itself, and when (on the clock of the `Provider`)."""

    keys: Mapping[str, Key]
    introspection: str
    userinfo: str
    at: float


class Provider:
    """The provider with the address `issuer`, which is asked for its keys when they are needed.

    Requests to it run in threads: whatever waits here holds up no other request.
    """

    def __init__(
        self, issuer: str, settings: OidcSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.issuer = issuer
        self._settings = settings
        self._clock = clock
        host = urlsplit(issuer).hostname or ""
        self._http = httpx.Client(
            verify=_trust(settings),
            timeout=settings.timeout,
            trust_env=host not in ("localhost", "127.0.0.1", "::1"),  # a proxy cannot reach this machine
        )
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._tried_at: float | None = None
        self._failed = False
        self._under_way: Future[None] | None = None
        self._questions = ThreadPoolExecutor(MOST_QUESTIONS, "identity-questions")
        self._waiting = threading.Semaphore(MOST_QUESTIONS + LONGEST_QUEUE)

    async def key(self, kid: str) -> Key | None:
        """The key with this id, None if the provider has none. Raises `Unavailable` if that is not known."""
        known = self._known
        age = self._age(known)
        if known is None or age > self._settings.keys_max_age or kid not in known.keys:
            known = await self._refreshed()
        elif age > self._settings.refresh_after:
            self._refresh()
        key = known.keys.get(kid)
        if key is None and self._failed:
            raise self._unavailable()
        return key

    async def active(self, token: str) -> dict[str, Any] | None:
        """What the provider says of a token, None if it does not accept it. Raises `Unavailable`."""
        known = self._known
        if known is None or self._age(known) > self._settings.refresh_after:
            known = await self._refreshed()
        ask = self._introspect if self._settings.ask == "introspection" else self._ask_userinfo
        if not self._waiting.acquire(blocking=False):
            raise Unavailable("Too many tokens wait to be checked", retry_after=int(RETRY))
        question = self._questions.submit(ask, known, token)
        question.add_done_callback(lambda _: self._waiting.release())
        try:
            return await asyncio.wrap_future(question)
        except ProviderFailed as error:
            log.warning("%s cannot be asked about a token: %s", self.issuer, error)
            raise self._unavailable() from None

    async def _refreshed(self) -> _Known:
        """What is known after another attempt, if it is time for one. Raises `Unavailable`."""
        attempt = self._refresh()
        if attempt is not None:
            await asyncio.shield(asyncio.wrap_future(attempt))
        known = self._known
        if known is None or self._age(known) > self._settings.keys_max_age:
            raise self._unavailable()
        return known

    def _refresh(self) -> Future[None] | None:
        """The attempt that is under way, or a new one if the last one is not too recent."""
        with self._lock:
            if self._under_way is None:
                now = self._clock()
                if self._tried_at is not None and now - self._tried_at < RETRY:
                    return None
                self._tried_at = now
                self._under_way = Future()
                threading.Thread(target=self._attempt, name="identity-keys", daemon=True).start()
            return self._under_way

    def _attempt(self) -> None:
        try:
            self._known = self._fetch()
            if self._failed:
                log.warning("%s answers again", self.issuer)
            self._failed = False
        except ProviderFailed as error:
            self._failed = True
            log.warning("The keys of %s cannot be had: %s", self.issuer, error)
        finally:
            with self._lock:
                ended, self._under_way = self._under_way, None
            if ended is not None:
                ended.set_result(None)

    def _fetch(self) -> _Known:
        document = self._ask("GET", self.issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != self.issuer:
            raise ProviderFailed(f"it calls itself {document.get('issuer')!r}; write that into oidc.issuers")
        jwks = self._ask("GET", self._address(document, "jwks_uri"))
        asks = self._settings.ask
        return _Known(
            keys=_keys(jwks),
            introspection=self._address(document, "introspection_endpoint")
            if asks == "introspection"
            else "",
            userinfo=self._address(document, "userinfo_endpoint") if asks == "userinfo" else "",
            at=self._clock(),
        )

    def _address(self, document: Mapping[str, Any], name: str) -> str:
        """An address out of the description of the provider; one with HTTPS names none without."""
        address = document.get(name)
        schemes = ("https",) if self.issuer.startswith("https:") else ("http", "https")
        if not isinstance(address, str) or urlsplit(address).scheme not in schemes:
            raise ProviderFailed(f"its description has no usable {name}")
        return address

    def _introspect(self, known: _Known, token: str) -> dict[str, Any] | None:
        answer = self._ask(
            "POST",
            known.introspection,
            data={"token": token, "token_type_hint": "access_token"},
            auth=(self._settings.client_id, self._settings.client_secret),
        )
        return answer if answer.get("active") is True else None

    def _ask_userinfo(self, known: _Known, token: str) -> dict[str, Any] | None:
        try:
            return self._ask("GET", known.userinfo, headers={"Authorization": f"Bearer {token}"})
        except _Refused:
            return None

    def _ask(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        """An answer that is a map in JSON. Bounded in time and bytes, and not followed elsewhere."""
        deadline = time.monotonic() + 2 * self._settings.timeout
        try:
            with self._http.stream(method, address, **more) as answer:
                body = b""
                for part in answer.iter_bytes():
                    body += part
                    if len(body) > LARGEST_ANSWER or time.monotonic() > deadline:
                        raise ProviderFailed(f"the answer of {address} is too long")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderFailed(f"{address}: {error or type(error).__name__}") from None
        if answer.status_code in (401, 403):
            raise _Refused(f"{address} answers {answer.status_code}")
        if answer.status_code != httpx.codes.OK:
            raise ProviderFailed(f"{address} answers {answer.status_code}")
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            raise ProviderFailed(f"the answer of {address} is no map in JSON") from None

    def _age(self, known: _Known | None) -> float:
        return 0.0 if known is None else self._clock() - known.at

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"Tokens of {self.issuer} cannot be checked now: the provider of identities does not answer",
            retry_after=int(RETRY),
        )


class _Refused(ProviderFailed):
    """The provider does not accept what was sent."""


def _keys(jwks: Mapping[str, Any]) -> dict[str, Key]:
    """The keys to check signatures with, by their ids; no others (for encryption, shared secrets)."""
    entries = jwks.get("keys")
    if not isinstance(entries, list):
        raise ProviderFailed("its set of keys holds no list")
    found: dict[str, Key] = {}
    for entry in entries[:MOST_KEYS]:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str) or entry.get("use") == "enc":
            continue
        try:
            key = JWKRegistry.import_key(entry)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            log.debug("A key of %d cannot be used: %s", len(entries), type(error).__name__)
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < WEAKEST_RSA:
            log.warning("The key %r is left out: it has less than %d bits", entry["kid"], WEAKEST_RSA)
        elif isinstance(key, RSAKey | ECKey | OKPKey):
            found[entry["kid"]] = key
    return found


def _trust(settings: OidcSettings) -> ssl.SSLContext:
    """How to check the provider's certificate, and which one to show to it. Raises `ConfigError`."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"The certificate files of [oidc] cannot be used: {error.strerror or error}",
            f"ca_file: {settings.ca_file or '-'}, cert_file: {settings.cert_file or '-'}, "
            f"key_file: {settings.key_file or '-'}",
        ) from None
    if settings.insecure:
        log.warning("oidc.insecure: whoever stands between here and the provider can log in as anybody")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
