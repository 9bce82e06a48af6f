"""Callers that a proxy in front has found out: identity headers, as Keystone's middleware sends them."""

from __future__ import annotations

import hmac
from typing import Final

from starlette.datastructures import Headers

from maestrale.api.addresses import Addresses
from maestrale.api.authentication import REFUSED
from maestrale.api.identity_settings import ProxySettings
from maestrale.config import ConfigError, Settings
from maestrale.model.errors import Unauthorized
from maestrale.services.access import ADMIN, LONGEST_PROJECT_ID, Caller

CONFIRMED: Final = "Confirmed"


class Proxy:
    """Believes what certain addresses say of callers, and nobody else."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._trusted = Addresses(settings.trusted)

    async def caller(self, headers: Headers, address: str | None) -> Caller:
        settings = self._settings
        if address not in self._trusted:
            raise _refused("Requests have to come through the proxy")
        if settings.secret and not _same(_one(headers, settings.secret_header), settings.secret):
            raise _refused(f"The proxy did not prove itself in {settings.secret_header}")
        if settings.status_header and _one(headers, settings.status_header) != CONFIRMED:
            raise _refused("Authentication required")
        project, user = (_one(headers, name) for name in (settings.project_header, settings.user_header))
        if not project or not user:
            missing = settings.user_header if project else settings.project_header
            raise _refused(f"The proxy sent no {missing}")
        if max(len(project), len(user)) > LONGEST_PROJECT_ID:
            raise _refused(f"An id has more than {LONGEST_PROJECT_ID} characters")
        name = _one(headers, settings.user_name_header) if settings.user_name_header else ""
        roles = tuple(
            role.strip() for role in _one(headers, settings.roles_header).split(",") if role.strip()
        )
        return Caller(project, user, name or None, roles, ADMIN in roles)


def proxy(argument: str, settings: Settings) -> Proxy:
    """The way of authentication `proxy`. Raises `ConfigError`."""
    if argument:
        raise ConfigError("Nothing may follow 'proxy' in server.auth", "its settings are in [proxy]")
    if not settings.proxy.trusted:
        raise ConfigError(
            "proxy.trusted names no proxy, so nobody could log in",
            'name the addresses that requests come from, as in trusted = ["10.0.0.5", "10.1.0.0/16"]',
        )
    if Addresses(settings.proxy.trusted).has_all and not settings.proxy.secret:
        raise ConfigError("proxy.trusted trusts everybody", "name the proxies only, or set proxy.secret")
    return Proxy(settings.proxy)


def _one(headers: Headers, name: str) -> str:
    """The only value of a header, empty if there is none.

    Two mean that the proxy added its own to one that the client had sent: neither can be believed.
    """
    values = headers.getlist(name)
    if len(values) > 1:
        raise _refused(f"{name} came more than once: the proxy has to replace what clients send")
    return _text(values[0]) if values else ""


def _text(value: str) -> str:
    """What a header holds, which is UTF-8 where proxies write names that are not ASCII."""
    try:
        return value.encode("latin-1").decode().strip()
    except UnicodeDecodeError:
        return value.strip()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(f"{REFUSED}: {reason}")
