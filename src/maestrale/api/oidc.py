"""Callers known by tokens of providers of identities (OpenID Connect), such as Keycloak."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from starlette.datastructures import Headers

from maestrale.api.authentication import token_of
from maestrale.api.identity_settings import OidcSettings, realm
from maestrale.api.oidc_provider import Provider
from maestrale.api.oidc_tokens import (
    LONGEST_TOKEN,
    caller_from,
    check_claims,
    peek,
    refused,
    verified,
)
from maestrale.config import ConfigError, Settings
from maestrale.services.access import Caller

REMEMBERED_ANSWERS: Final = 10_000


class OpenIdConnect:
    """Checks tokens with the keys of their providers; only providers that the settings name count.

    `clock` is a steady one, `now` the time of the day, both in seconds.
    """

    def __init__(
        self,
        settings: OidcSettings,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._now = now
        self._providers = {issuer: Provider(issuer, settings, clock) for issuer in settings.issuers}
        self._answers: OrderedDict[bytes, tuple[float, dict[str, Any] | None]] = OrderedDict()

    async def caller(self, headers: Headers, _address: str | None) -> Caller:
        token = token_of(headers)
        if len(token) > LONGEST_TOKEN:
            raise refused(f"the token is longer than {LONGEST_TOKEN} characters")
        peeked = peek(token, self._settings.algorithms)
        if peeked is None:
            return await self._caller_by_answer(token)
        provider = self._providers.get(peeked.issuer)
        if provider is None:
            raise refused("the token is of another issuer")
        key = await provider.key(peeked.key_id)
        if key is None:
            raise refused("the token is signed with a key that its issuer does not have")
        claims = verified(token, key, self._settings)
        check_claims(claims, provider.issuer, self._settings, self._now())
        if self._settings.ask != "never":
            await self._answer(provider, token)
        return caller_from(claims, provider.issuer, self._settings)

    async def _caller_by_answer(self, token: str) -> Caller:
        """The caller behind a token that only its provider can read."""
        if self._settings.ask != "introspection" or len(self._providers) != 1:
            raise refused("Auth token is invalid")
        (provider,) = self._providers.values()
        # An answer need not repeat who gives it.
        claims = {"iss": provider.issuer, **await self._answer(provider, token)}
        check_claims(claims, provider.issuer, self._settings, self._now())
        return caller_from(claims, provider.issuer, self._settings)

    async def _answer(self, provider: Provider, token: str) -> dict[str, Any]:
        """What the provider says of a token, now or not long ago. Raises `Unauthorized`."""
        digest = hashlib.sha256(token.encode()).digest()
        remembered = self._answers.get(digest)
        if remembered is None or self._clock() - remembered[0] > self._settings.answer_max_age:
            remembered = (self._clock(), await provider.active(token))
            self._answers[digest] = remembered
            self._answers.move_to_end(digest)
            if len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        if remembered[1] is None:
            raise refused("the provider of identities does not accept the token")
        return remembered[1]


def oidc(argument: str, settings: Settings) -> OpenIdConnect:
    """The way of authentication `oidc`. Raises `ConfigError`."""
    if argument:
        raise ConfigError("Nothing may follow 'oidc' in server.auth", "its settings are in [oidc]")
    own = settings.oidc
    if not own.issuers:
        raise ConfigError(
            "oidc.issuers names no provider", 'as in ["https://keycloak.example.org/realms/web"]'
        )
    if not own.audience:
        raise ConfigError(
            "oidc.audience is missing, so tokens made for any other service would be taken",
            'name what the provider writes into `aud` for this one; Keycloak writes "account" by default',
        )
    if not own.project_claim:
        realms = [realm(issuer) for issuer in own.issuers]
        if not all(realms):
            raise ConfigError("oidc.project_claim is missing", "only a realm of a Keycloak can do without it")
        if len(set(realms)) < len(realms):
            raise ConfigError(
                "oidc.issuers has two realms of one name, which would share a project", "set project_claim"
            )
    if unknown := [issuer for issuer in own.admin_issuers if issuer not in own.issuers]:
        raise ConfigError(f"oidc.admin_issuers: '{unknown[0]}' is not in oidc.issuers")
    if own.ask == "introspection" and not own.client_id:
        raise ConfigError("oidc.client_id is missing", "providers answer to introspection only to a client")
    return OpenIdConnect(own)
