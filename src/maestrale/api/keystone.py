"""Callers as Keystone knows them, by the token in `X-Auth-Token` or `Authorization: Bearer`."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers

from maestrale.api.authentication import REFUSED, token_of
from maestrale.keystone.client import Keystone
from maestrale.keystone.holders import Holders
from maestrale.keystone.tokens import Token, context_of
from maestrale.model.errors import Unauthorized
from maestrale.services.access import ADMIN, LONGEST_PROJECT_ID, Caller

SERVICE_TOKEN: Final = "x-service-token"
REGION: Final = "x-region-name"


class KeystoneTokens:
    """Asks Keystone who holds a token.

    Together with a valid token of a service in `X-Service-Token`, a token may have expired (what a service
    does for somebody may take long), or be missing: then the service itself is the caller.
    """

    def __init__(self, keystone: Keystone) -> None:
        self._settings = keystone.settings
        self._holders = Holders(keystone)

    async def caller(self, headers: Headers, _address: str | None) -> Caller:
        """Who sent these headers. Raises `Unauthorized`, or `Unavailable` while Keystone does not say it."""
        service = headers.get(SERVICE_TOKEN)
        is_for_service = bool(service) and await self._is_service(str(service))
        try:
            text = token_of(headers)
        except Unauthorized:
            if not is_for_service:
                raise
            text = str(service)
        holder = await self._holder(text, allow_expired=is_for_service)
        return self._caller(text, holder, headers.get(REGION) or None)

    async def _is_service(self, text: str) -> bool:
        holder = await self._holder(text)
        return any(role in self._settings.service_roles for role in holder.roles)

    async def _holder(self, text: str, *, allow_expired: bool = False) -> Token:
        try:
            return await asyncio.wrap_future(self._holders.holder(text, allow_expired=allow_expired))
        except Unauthorized as error:
            raise Unauthorized(f"{REFUSED}: {error.message}") from None

    def _caller(self, text: str, holder: Token, region_name: str | None) -> Caller:
        if holder.project_id is None:
            raise Unauthorized(
                f"{REFUSED}: Auth token is not for a project", "log in with the name of a project"
            )
        if not 0 < len(holder.project_id) <= LONGEST_PROJECT_ID:
            raise Unauthorized(
                f"{REFUSED}: The id of the project has more than {LONGEST_PROJECT_ID} characters"
            )
        context = context_of(text, holder, self._settings, region_name)
        return Caller(
            holder.project_id,
            holder.user_id,
            holder.user_name,
            holder.roles,
            ADMIN in holder.roles,
            security=context,
        )
