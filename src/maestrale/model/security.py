"""In whose name work is done: what an action needs to act for the caller in a cloud."""

from __future__ import annotations

from typing import Any

import msgspec

from maestrale.model.values import Json, Microseconds

MASKED = "***"


class SecurityContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The caller behind an execution or an action, as actions see it.

    `auth_token` is good until `expires_at`, at the Keystone of `auth_uri`, whose certificates are those of
    the file `auth_cacert` (`insecure`: of anybody). `service_catalog`: where the services of the cloud are.
    `trust_id`: of the trust by which the service acts for the caller; `is_trust_scoped`: the token was made
    with it, and no other can be made from it. `is_target`: all of this is about another cloud than the one
    that the caller has logged in to.
    """

    project_id: str | None = None
    project_name: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    roles: tuple[str, ...] = ()
    auth_token: str | None = None
    auth_uri: str | None = None
    auth_cacert: str | None = None
    insecure: bool = False
    service_catalog: Any = None
    region_name: str | None = None
    trust_id: str | None = None
    is_trust_scoped: bool = False
    expires_at: Microseconds | None = None
    is_target: bool = False

    def __repr__(self) -> str:
        return f"<SecurityContext of user {self.user_id} in project {self.project_id}>"

    def __rich_repr__(self) -> Any:
        yield "user_id", self.user_id
        yield "project_id", self.project_id

    def shown(self, *, is_admin: bool) -> dict[str, Json]:
        """What expressions see of it, as `$.openstack`: nothing that is secret."""
        return {
            "project_id": self.project_id,
            "project_name": self.project_name,
            "user_id": self.user_id,
            "user_name": self.user_name,
            "roles": list(self.roles),
            "is_admin": is_admin,
            "auth_uri": self.auth_uri,
            "region_name": self.region_name,
            "is_target": self.is_target,
            "is_trust_scoped": self.is_trust_scoped,
            "auth_token": MASKED,
            "service_catalog": MASKED,
        }
