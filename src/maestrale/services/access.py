"""Who is asking, and what they may do."""

from __future__ import annotations

from typing import Final

import msgspec

from maestrale.model.errors import Forbidden
from maestrale.store.selection import Viewer

DEFAULT_PROJECT: Final = "<default-project>"
ADMIN_ONLY: Final = frozenset(
    {
        "workflows:publicize",
        "workbooks:publicize",
        "actions:publicize",
        "environments:publicize",
        "workflows:list:all_projects",
        "executions:list:all_projects",
        "maintenance:update",
        *(
            f"{collection}:{verb}"
            for collection in ("code_sources", "dynamic_actions")
            for verb in ("list", "get", "create", "update", "delete", "publicize")
        ),
    }
)
"""Rules that need an administrator; every other rule lets any known caller pass."""


class Caller(msgspec.Struct, frozen=True):
    """The person or program behind a request. An administrator sees every project."""

    project_id: str
    user_id: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False

    @property
    def viewer(self) -> Viewer:
        """The same for the store."""
        return Viewer(self.project_id, self.is_admin)


OPERATOR: Final = Caller(DEFAULT_PROJECT, is_admin=True)
"""Everybody, on a server without authentication."""


def authorise(caller: Caller, rule: str) -> None:
    """Forbidden unless the caller may do what `rule` (e.g. "workflows:create") stands for."""
    if rule in ADMIN_ONLY and not caller.is_admin:
        raise Forbidden("Operation forbidden (insufficient permissions)", f"rule {rule}")
