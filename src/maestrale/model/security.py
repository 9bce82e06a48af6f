"""In whose name work is done: what an action needs to act for the caller in a cloud."""

from __future__ import annotations

import datetime
from typing import Any, Final

import msgspec

from maestrale.model.values import MASK, Json, Microseconds

ADMIN: Final = "admin"
"""The role of administrators."""


class SecurityContext(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The caller, and how to reach other services in the caller's name; what is not known is None.

    `auth_token` is a secret, good until `expires_at` (ISO 8601) at the Keystone of `auth_uri`, whose
    certificates are those of the file `auth_cacert` (`insecure`: of anybody). `service_catalog`: the services
    of the caller's cloud and their addresses. `trust_id`: of the trust by which the service acts for the
    caller; `is_trust_scoped`: the token was made with it, and no other can be made from it. `is_target`: all
    of this is about another cloud than the one that the caller has logged in to.
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
    service_catalog: Json = None
    region_name: str | None = None
    trust_id: str | None = None
    is_trust_scoped: bool = False
    expires_at: str | None = None
    is_target: bool = False

    def __repr__(self) -> str:
        return f"<SecurityContext of user {self.user_id} in project {self.project_id}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("user_id", self.user_id), ("project_id", self.project_id)]

    @property
    def ends_at(self) -> Microseconds | None:
        """When the token ends, None if nobody knows."""
        if self.expires_at is None:
            return None
        moment = datetime.datetime.fromisoformat(self.expires_at)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=datetime.UTC)
        return round(moment.timestamp() * 1_000_000)

    def shown(self) -> dict[str, Json]:
        """What expressions see of it, as `$.openstack`: nothing that is secret."""
        return {
            "project_id": self.project_id,
            "project_name": self.project_name,
            "user_id": self.user_id,
            "user_name": self.user_name,
            "roles": list(self.roles),
            "is_admin": ADMIN in self.roles,
            "auth_uri": self.auth_uri,
            "region_name": self.region_name,
            "is_target": self.is_target,
            "is_trust_scoped": self.is_trust_scoped,
            "auth_token": MASK,
            "service_catalog": MASK,
        }
