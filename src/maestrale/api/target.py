"""Work in another cloud than the caller's: the headers `X-Target-*`."""

from __future__ import annotations

import base64
import binascii
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers

from maestrale.model.errors import BadRequest
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json

AUTH_URI: Final = "X-Target-Auth-Uri"
_FLAGS: Final = {"True": True, "False": False}


def target_of(headers: Headers) -> SecurityContext | None:
    """In whose name actions are to work in another cloud; None where none is named.

    Raises `BadRequest`, which names the header and never its value.
    """
    uri = headers.get(AUTH_URI)
    if uri is None:
        return None
    if urlsplit(uri).scheme not in ("http", "https") or not urlsplit(uri).netloc:
        raise BadRequest(f"{AUTH_URI} must be an address that begins with http:// or https://")
    token = headers.get("X-Target-Auth-Token")
    if not token or not (token.isascii() and token.isprintable()):
        raise BadRequest("X-Target-Auth-Token must be a token of the other cloud", f"{AUTH_URI} names it")
    insecure = headers.get("X-Target-Insecure", "False")
    if insecure not in _FLAGS:
        raise BadRequest("X-Target-Insecure must be True or False")
    return SecurityContext(
        project_id=headers.get("X-Target-Project-Id"),
        user_id=headers.get("X-Target-User-Id"),
        user_name=headers.get("X-Target-User-Name"),
        auth_token=token,
        auth_uri=uri,
        insecure=_FLAGS[insecure],
        service_catalog=_catalog(headers.get("X-Target-Service-Catalog")),
        region_name=headers.get("X-Target-Region-Name"),
        is_target=True,
    )


def _catalog(text: str | None) -> Json:
    if not text:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):  # msgspec's error is one
        raise BadRequest("X-Target-Service-Catalog must be JSON in base64") from None
