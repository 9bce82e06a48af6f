"""What Keystone says of a token."""

from __future__ import annotations

import datetime
from typing import Any, Final

import msgspec

from maestrale.keystone.settings import KeystoneSettings
from maestrale.model.security import SecurityContext
from maestrale.model.values import Microseconds

SYSTEM: Final = "<system>"
"""Stands for a project where somebody acts for the whole cloud."""


class Token(msgspec.Struct, frozen=True):
    """Who holds a token, of what project, with which roles, and until when. `catalog`: where the services of
    the cloud are. `trust_id`: of the trust it was made with. Without `project_id` it is good for no project.
    """

    user_id: str
    user_name: str
    project_id: str | None
    project_name: str | None
    roles: tuple[str, ...]
    expires_at: Microseconds
    is_for_system: bool = False
    domain_id: str | None = None
    trust_id: str | None = None
    catalog: tuple[dict[str, Any], ...] = ()


class _Named(msgspec.Struct):
    id: str
    name: str = ""


class _Role(msgspec.Struct):
    name: str


class _Trust(msgspec.Struct):
    id: str


class _Body(msgspec.Struct):
    user: _Named
    expires_at: str
    project: _Named | None = None
    domain: _Named | None = None
    system: dict[str, Any] | None = None
    roles: tuple[_Role, ...] = ()
    trust: _Trust | None = msgspec.field(default=None, name="OS-TRUST:trust")
    catalog: tuple[dict[str, Any], ...] = ()


class _Answer(msgspec.Struct):
    token: _Body


def read_token(answer: bytes) -> Token:
    """The token of an answer of `/v3/auth/tokens`. Raises `msgspec.MsgspecError` or `ValueError`."""
    body = msgspec.json.decode(answer, type=_Answer).token
    expires = datetime.datetime.fromisoformat(body.expires_at)
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=datetime.UTC)
    is_for_system = bool((body.system or {}).get("all"))
    project = _Named(SYSTEM, "") if is_for_system else body.project
    return Token(
        user_id=body.user.id,
        user_name=body.user.name,
        project_id=project.id if project else None,
        project_name=project.name if project else None,
        roles=tuple(role.name for role in body.roles),
        expires_at=round(expires.timestamp() * 1_000_000),
        is_for_system=is_for_system,
        domain_id=body.domain.id if body.domain else None,
        trust_id=body.trust.id if body.trust else None,
        catalog=body.catalog,
    )


def context_of(
    text: str, token: Token, settings: KeystoneSettings, region_name: str | None = None
) -> SecurityContext:
    """What actions need to act for the holder of a token, in a region that was asked for."""
    ends = datetime.datetime.fromtimestamp(token.expires_at // 1_000_000, datetime.UTC)
    return SecurityContext(
        project_id=token.project_id,
        project_name=token.project_name,
        user_id=token.user_id,
        user_name=token.user_name,
        roles=token.roles,
        auth_token=text,
        auth_uri=settings.url,
        auth_cacert=settings.cafile or None,
        insecure=settings.insecure,
        service_catalog=list(token.catalog),
        region_name=region_name,
        trust_id=token.trust_id,
        is_trust_scoped=token.trust_id is not None,
        expires_at=ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
