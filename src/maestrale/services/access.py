"""Who is asking, and what they may do."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from maestrale.model.errors import Forbidden
from maestrale.model.security import ADMIN as ADMIN
from maestrale.model.security import SecurityContext
from maestrale.store.selection import Viewer

DEFAULT_PROJECT: Final = "<default-project>"
LONGEST_PROJECT_ID: Final = 80
"""Characters, as the database has room for them."""

Who = Literal["anybody", "administrators"]


def _rules(kind: str, *operations: str, publish: bool = False, who: Who = "anybody") -> dict[str, Who]:
    found: dict[str, Who] = {f"{kind}:{operation}": who for operation in operations}
    return found | ({f"{kind}:publicize": "administrators"} if publish else {})


_CHANGED: Final = ("create", "delete", "get", "list", "update")

RULES: Final[dict[str, Who]] = {
    **_rules("action_executions", *_CHANGED),
    **_rules("actions", *_CHANGED, publish=True),
    **_rules("code_sources", *_CHANGED, publish=True, who="administrators"),
    **_rules("cron_triggers", "create", "delete", "get", "list", publish=True),
    **_rules("dynamic_actions", *_CHANGED, publish=True, who="administrators"),
    **_rules("environments", *_CHANGED, publish=True),
    **_rules("event_triggers", *_CHANGED, publish=True),
    **_rules("executions", *_CHANGED),
    **_rules("members", *_CHANGED),
    **_rules("services", "list"),
    **_rules("tasks", "get", "list", "update"),
    **_rules("workbooks", *_CHANGED, publish=True),
    **_rules("workflows", *_CHANGED, publish=True),
    "cron_triggers:list:all_projects": "administrators",
    "event_triggers:list:all_projects": "administrators",
    "executions:list:all_projects": "administrators",
    "workflows:list:all_projects": "administrators",
    "maintenance:update": "administrators",
}
"""Every rule, by its name in Mistral's policy files, and whom it lets pass.

Only the last one is not Mistral's. `anybody` is every known caller: whose an object is, the queries see to.
"""


class Caller(msgspec.Struct, frozen=True):
    """The person or program behind a request. An administrator sees every project.

    `security`: what actions need to act for the caller in a cloud; None where the server does not know it.
    `target`: the same for another cloud, where that was asked for.
    """

    project_id: str
    user_id: str | None = None
    user_name: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
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
        """Whether a rule of `RULES` lets this caller pass."""
        return RULES[rule] == "anybody" or self.is_admin


OPERATOR: Final = Caller(DEFAULT_PROJECT, is_admin=True)
"""Everybody, on a server without authentication."""


def authorise(caller: Caller, rule: str) -> None:
    """Forbidden unless the caller may do what `rule` (e.g. "workflows:create") stands for."""
    if not caller.may(rule):
        raise Forbidden("Operation forbidden (insufficient permissions)", f"rule {rule}")
