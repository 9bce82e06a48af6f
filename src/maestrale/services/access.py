"""Who is asking, and what they may do."""

from __future__ import annotations

from typing import Final

import msgspec

from maestrale.model.errors import Forbidden
from maestrale.model.security import ADMIN as ADMIN
from maestrale.model.security import SecurityContext
from maestrale.services.policy import BY_DEFAULT, Attributes, Policy
from maestrale.store.selection import Viewer

DEFAULT_PROJECT: Final = "<default-project>"
LONGEST_PROJECT_ID: Final = 80
"""Characters, as the database has room for them."""


class Caller(msgspec.Struct, frozen=True):
    """The person or program behind a request. An administrator sees every project.

    `policy` says what the roles and the rest of it allow.
    `security`: what actions need to act for the caller in a cloud; None where the server does not know it.
    `target`: the same for another cloud, where that was asked for.
    """

    project_id: str
    user_id: str | None = None
    user_name: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    policy: Policy = BY_DEFAULT
    security: SecurityContext | None = None
    target: SecurityContext | None = None

    @property
    def acting(self) -> SecurityContext | None:
        """In whose name actions work that the caller starts."""
        return self.target or self.security

    @property
    def viewer(self) -> Viewer:
        """The same for the store."""
        return Viewer(self.project_id, self.is_admin)

    def may(self, rule: str) -> bool:
        """Whether a rule of `policy.RULES` lets this caller pass."""
        return self.policy.allows(rule, self.attributes)

    @property
    def attributes(self) -> Attributes:
        """What checks of a policy may ask about."""
        return Attributes(self.project_id, self.user_id, self.user_name, self.roles, self.is_admin)


OPERATOR: Final = Caller(DEFAULT_PROJECT, is_admin=True)
"""Everybody, on a server without authentication."""


def authorise(caller: Caller, rule: str) -> None:
    """Forbidden unless the caller may do what `rule` (e.g. "workflows:create") stands for."""
    if not caller.may(rule):
        raise Forbidden("Operation forbidden (insufficient permissions)", f"rule {rule}")
