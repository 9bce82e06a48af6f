"""What a token says: its signature and claims are checked, and a caller made of them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from joserfc import jws, jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    JoseError,
    MissingClaimError,
)

from maestrale.api.authentication import REFUSED
from maestrale.api.identity_settings import OidcSettings, realm
from maestrale.api.oidc_provider import Key
from maestrale.model.errors import Unauthorized
from maestrale.services.access import ADMIN, LONGEST_PROJECT_ID, Caller

LONGEST_TOKEN: Final = 16 * 1024
LONGEST_HEADER: Final = 4096
LONGEST_KEY_ID: Final = 256
NOT_FOR_ACCESS: Final = frozenset({"ID", "Refresh", "Offline", "Logout"})
"""What Keycloak calls tokens that are not to be shown to a service like this one."""

Claims = Mapping[str, Any]


class Peeked(msgspec.Struct, frozen=True):
    """What a token says of itself before its signature is checked: only good for finding the key."""

    issuer: str
    key_id: str


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""


class _Payload(msgspec.Struct, frozen=True):
    iss: str


class _Registry(jws.JWSRegistry):
    """Headers of any names, also long ones (certificates); none that has to be understood is let pass."""

    max_header_length = LONGEST_HEADER
    max_payload_length = LONGEST_TOKEN


def refused(reason: str) -> Unauthorized:
    """Nobody known; `reason` never has anything of the token in it."""
    return Unauthorized(f"{REFUSED}: {reason}")


def peek(token: str, algorithms: Collection[str]) -> Peeked | None:
    """Who says to have made a token, and with which key; None if it is no JWT at all.

    Raises `Unauthorized` for a JWT that is not signed as it must be.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header = msgspec.json.decode(_decoded(parts[0]), type=_Header)
        payload = msgspec.json.decode(_decoded(parts[1]), type=_Payload)
    except (msgspec.DecodeError, binascii.Error, ValueError, RecursionError):
        return None
    if header.alg not in algorithms:
        raise refused("the token is not signed with an algorithm that is allowed here")
    if not 0 < len(header.kid) <= LONGEST_KEY_ID:
        raise refused("the token does not name the key of its signature (kid)")
    return Peeked(payload.iss, header.kid)


def verified(token: str, key: Key, settings: OidcSettings) -> dict[str, Any]:
    """The claims of a token whose signature this key shows to be right. Raises `Unauthorized`."""
    registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
    try:
        payload = jws.deserialize_compact(token, key, registry=registry).payload
        return msgspec.json.decode(payload or b"", type=dict[str, Any])
    except BadSignatureError:
        raise refused("the signature of the token is wrong") from None
    except (JoseError, msgspec.DecodeError, ValueError, RecursionError):
        raise refused("Auth token is invalid") from None


def check_claims(claims: Claims, issuer: str, settings: OidcSettings, now: float) -> None:
    """Raises `Unauthorized` unless these are claims of the issuer, for us, and in force `now` (seconds)."""
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=settings.leeway,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "values": list(settings.audience)},
        exp={"essential": True},
    )
    try:
        registry.validate(dict(claims))
    except ExpiredTokenError:
        raise refused("the token has expired") from None
    except MissingClaimError as error:
        raise refused(f"the token lacks what it must say: {error.claim}") from None
    except ClaimError as error:
        reasons = {
            "iss": "the token is of another issuer",
            "aud": "the token is for another audience",
            "nbf": "the token is not valid yet",
            "iat": "the token was issued in the future",
        }
        raise refused(reasons.get(error.claim, "Auth token is invalid")) from None
    if claims.get("typ") in NOT_FOR_ACCESS:
        raise refused("this is no access token")


def caller_from(claims: Claims, issuer: str, settings: OidcSettings) -> Caller:
    """The caller whom checked claims of an issuer describe. Raises `Unauthorized` if they say too little."""
    project = _claim(claims, settings.project_claim) if settings.project_claim else realm(issuer)
    user = _claim(claims, settings.user_id_claim)
    for name, value in ((settings.project_claim or "realm", project), (settings.user_id_claim, user)):
        if not (isinstance(value, str) and 0 < len(value) <= LONGEST_PROJECT_ID):
            raise refused(f"the claim '{name}' is no text of 1 to {LONGEST_PROJECT_ID} characters")
    user_name = _claim(claims, settings.user_name_claim)
    roles = _roles(_claim(claims, settings.roles_claim))
    if settings.admin_issuers and issuer not in settings.admin_issuers:
        roles = tuple(role for role in roles if role != ADMIN)
    return Caller(project, user, user_name if isinstance(user_name, str) else None, roles, ADMIN in roles)


def _claim(claims: Claims, name: str) -> Any:
    """A claim by its name, or by a path with dots into maps; None if there is none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _roles(value: Any) -> tuple[str, ...]:
    """Roles are a list of texts, or one text with blanks or commas between them."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    if isinstance(value, list):
        return tuple(role for role in value if isinstance(role, str))
    return ()


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
