"""Name -> action: the built-in ones and those of installed plug-ins."""

from __future__ import annotations

import difflib
import inspect
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

from maestrale.actions.base import Action, ActionContext
from maestrale.actions.base import action as make_action
from maestrale.actions.plugins import (
    CLASSES,
    GENERATORS,
    PROVIDERS,
    Host,
    Installed,
    PluginRules,
    Plugins,
    lets_in,
)
from maestrale.model.actions import ActionFacts
from maestrale.model.errors import Conflict
from maestrale.model.values import Json

GROUP = "maestrale.actions"

logger = logging.getLogger(__name__)


class AnyAction(Protocol):
    """An action of whatever kind. `run` gives a coroutine if it `is_async`; others want a thread."""

    is_async: bool
    facts: ActionFacts
    description: str

    @property
    def name(self) -> str: ...

    @property
    def input_text(self) -> str: ...

    def run(self, context: ActionContext, given: dict[str, Json]) -> Any: ...


class Registry:
    """The actions that this process knows; safe from any thread.

    `allow` and `deny` are shell patterns over names (case matters). If there are `allow` patterns they
    alone decide. An action that is not allowed is unknown. `plugins` have actions that become known later;
    `hosts` has what the packages of some modules need.
    """

    def __init__(
        self,
        *,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        hosts: Mapping[str, Host] = MappingProxyType({}),
    ) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._actions: dict[str, AnyAction] = {}
        self._adding = threading.Lock()
        self.plugins = Plugins(self._add_all, self.allows, hosts)

    def allows(self, name: str) -> bool:
        """Whether the lists let an action of this name in."""
        return lets_in(name, self._allow, self._deny)

    def add(self, action: AnyAction) -> None:
        """Make an action known if the lists allow it. Raises `Conflict` if another one has its name."""
        with self._adding:
            self._actions = self._with(self._actions, action)

    def _with(self, actions: dict[str, AnyAction], action: AnyAction) -> dict[str, AnyAction]:
        known = actions.get(action.name)
        if known is not None and known is not action:
            raise Conflict(
                f"There are two actions named '{action.name}': "
                f"{known.facts.class_name} and {action.facts.class_name}",
                "rename one of them",
            )
        return {**actions, action.name: action} if self.allows(action.name) else actions

    def _add_all(self, actions: Sequence[AnyAction], origin: str) -> None:
        """Make the actions of a package known; one whose name is taken is left out with a warning."""
        with self._adding:
            for action in actions:
                try:
                    self._actions = self._with(self._actions, action)
                except Conflict as conflict:
                    logger.warning("%s: %s", origin, conflict)

    def find(self, name: str) -> AnyAction | None:
        """The action of this name, None if it is unknown."""
        return self._actions.get(name)

    def __iter__(self) -> Iterator[AnyAction]:
        """All actions, sorted by name."""
        return iter(sorted(self._actions.values(), key=lambda action: action.name))

    def __len__(self) -> int:
        return len(self._actions)

    def knows(self, name: str) -> bool:
        """Whether there is an action of this name, as far as that is known without loading any."""
        return name in self._actions or name in self.plugins.names

    def suggestions(self, name: str) -> list[str]:
        """Up to three known names that resemble an unknown one, the best first."""
        return difflib.get_close_matches(name, [*self._actions, *self.plugins.names], n=3)

    def load_entry_points(self, rules: PluginRules | None = None, *, only_built_in: bool = False) -> None:
        """Add what the installed packages offer in the entry point group `maestrale.actions`, and note what
        they offer in the way of Mistral; with `only_built_in` nothing of other packages.

        An entry point names a module (then every decorated function or class in it), or one function or
        class. One that cannot be loaded, and an action whose name is taken, is left out with a warning. The
        built-in actions come first, so no plug-in replaces one of them.
        """
        every = entry_points()
        groups = (GROUP, CLASSES, GENERATORS, PROVIDERS)
        installed: Installed = {group: list(every.select(group=group)) for group in groups}
        for point in sorted(installed[GROUP], key=_load_order):
            if _is_built_in(point) or not only_built_in:
                self._add_all(_actions_of(point), _origin(point))
        if not only_built_in:
            self.plugins.find_packages(installed, rules or PluginRules())


def _is_built_in(point: EntryPoint) -> bool:
    return point.value.startswith("maestrale.")


def _load_order(point: EntryPoint) -> tuple[bool, str, str]:
    return (not _is_built_in(point), point.name, point.value)


def _actions_of(point: EntryPoint) -> list[AnyAction]:
    try:
        found = point.load()
        if (inspect.isroutine(found) or inspect.isclass(found)) and not isinstance(found, Action):
            found = make_action(point.name)(found)
    except (Exception, SystemExit):
        logger.warning("%s cannot be loaded; its actions are unknown", _origin(point), exc_info=True)
        return []
    if isinstance(found, Action):
        return [found]
    members = vars(found).values() if isinstance(found, ModuleType) else ()
    actions: list[AnyAction] = [member for member in members if isinstance(member, Action)]
    if not actions:
        logger.warning("%s names neither a function, nor a class, nor a module with @action", _origin(point))
    return actions


def _origin(point: EntryPoint) -> str:
    package = point.dist.name if point.dist else "unknown package"
    return f"Entry point {GROUP}: {point.name} = {point.value} ({package})"
