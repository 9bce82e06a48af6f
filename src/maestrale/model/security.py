"""On whose behalf something runs, as far as that is kept for actions that ask other services."""

from __future__ import annotations

import msgspec

from maestrale.model.values import Json


class SecurityContext(msgspec.Struct, frozen=True, kw_only=True):
    """The caller, and how to reach other services in the caller's name; what is not known is None.

    `auth_token` is a secret. `service_catalog`: the services of the caller's cloud and their addresses.
    `trust_id`: of the trust by which the token was got. `expires_at`: when the token ends. `is_target`:
    whether all of this belongs to another cloud than the service's own.
    """

    project_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    project_name: str | None = None
    auth_token: str | None = None
    auth_uri: str | None = None
    auth_cacert: str | None = None
    insecure: bool = False
    service_catalog: Json = None
    region_name: str | None = None
    trust_id: str | None = None
    is_trust_scoped: bool = False
    expires_at: str | None = None
    is_target: bool = False
