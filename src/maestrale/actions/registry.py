"""Name -> action: the built-in ones and those of installed plug-ins."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from maestrale.actions.base import Action
from maestrale.model.errors import Conflict

GROUP = "maestrale.actions"

logger = logging.getLogger(__name__)

AnyAction = Action[..., Any]


class Registry:
    """The actions that this process knows.

    `allow` and `deny` are shell patterns over names (case matters). If there are `allow` patterns they
    alone decide. An action that is not allowed is unknown.
    """

    def __init__(self, *, allow: Sequence[str] = (), deny: Sequence[str] = ()) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._actions: dict[str, AnyAction] = {}

    def allows(self, name: str) -> bool:
        """Whether the lists let an action of this name in."""
        if self._allow:
            return any(fnmatchcase(name, pattern) for pattern in self._allow)
        return not any(fnmatchcase(name, pattern) for pattern in self._deny)

    def add(self, action: AnyAction) -> None:
        """Make an action known if the lists allow it. Raises `Conflict` if another one has its name."""
        known = self._actions.get(action.name)
        if known is not None and known is not action:
            raise Conflict(
                f"There are two actions named '{action.name}': "
                f"{known.facts.class_name} and {action.facts.class_name}",
                "rename one of them",
            )
        if self.allows(action.name):
            self._actions[action.name] = action

    def find(self, name: str) -> AnyAction | None:
        """The action of this name, None if it is unknown."""
        return self._actions.get(name)

    def __iter__(self) -> Iterator[AnyAction]:
        """All actions, sorted by name."""
        return iter(sorted(self._actions.values(), key=lambda action: action.name))

    def __len__(self) -> int:
        return len(self._actions)

    def suggestions(self, name: str) -> list[str]:
        """Up to three known names that resemble an unknown one, the best first."""
        return difflib.get_close_matches(name, self._actions, n=3)

    def load_entry_points(self) -> None:
        """Add what the installed packages offer in the entry point group `maestrale.actions`.

        An entry point names a decorated function, or a module: then every action in it. One that cannot
        be loaded, and an action whose name is taken, is left out with a warning. The built-in actions
        come first, so no plug-in replaces one of them.
        """
        for point in sorted(entry_points(group=GROUP), key=_load_order):
            for action in _actions_of(point):
                try:
                    self.add(action)
                except Conflict as conflict:
                    logger.warning("%s: %s", _origin(point), conflict)


def _load_order(point: EntryPoint) -> tuple[bool, str, str]:
    return (not point.value.startswith("maestrale."), point.name, point.value)


def _actions_of(point: EntryPoint) -> list[AnyAction]:
    try:
        found = point.load()
    except Exception:
        logger.warning("%s cannot be loaded; its actions are unknown", _origin(point), exc_info=True)
        return []
    if isinstance(found, Action):
        return [found]
    members = vars(found).values() if isinstance(found, ModuleType) else ()
    actions = [member for member in members if isinstance(member, Action)]
    if not actions:
        logger.warning(
            "%s names neither a function decorated with @action nor a module with such functions",
            _origin(point),
        )
    return actions


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "unknown package"
    return f"Entry point {GROUP}: {point.name} = {point.value} ({package})"
