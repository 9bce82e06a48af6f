"""What executors run: the actions of the registry, those that packages find late, and dynamic ones in
processes.
"""

from __future__ import annotations

import asyncio
from typing import Final

from maestrale.actions.base import ActionContext
from maestrale.actions.dynamic import run_order
from maestrale.actions.process_settings import ProcessSettings
from maestrale.actions.registry import Registry
from maestrale.model import states
from maestrale.model.actions import DYNAMIC, PROVIDED, ActionFacts, ActionResult
from maestrale.model.values import Json
from maestrale.runtime.executor import Runnable
from maestrale.store.database import Database
from maestrale.store.lookups import find_order

SWITCHED_OFF: Final = (
    "Dynamic actions are switched off on this server (the operator can switch them on: enabled = true in the"
    " section [dynamic_actions] of the settings)"
)


class Runnables:
    """Finds actions by name, and dynamic ones and those of providers by their key."""

    def __init__(self, registry: Registry, database: Database, settings: ProcessSettings) -> None:
        self._registry = registry
        self._database = database
        self._settings = settings

    def find(self, name: str) -> Runnable | None:
        """The action of this name or key."""
        if name.startswith(DYNAMIC):
            return _Dynamic(name, self._database, self._settings)
        if name.startswith(PROVIDED):
            return _Provided(name, self._registry)
        found = self._registry.find(name)
        if found is None and self._registry.plugins.may_have_more:
            return _Late(name, self._registry)
        return found


class _Dynamic:
    """One dynamic action, whose text is read anew each time it runs."""

    is_async = True

    def __init__(self, key: str, database: Database, settings: ProcessSettings) -> None:
        self.facts = ActionFacts(key, takes_any=True, title="dynamic action")
        self._id = key.removeprefix(DYNAMIC)
        self._database = database
        self._settings = settings

    async def run(self, context: ActionContext, given: dict[str, Json]) -> ActionResult:
        """The result of a process that runs the class."""
        if not self._settings.enabled:
            return ActionResult(states.ERROR, SWITCHED_OFF)
        order = await asyncio.wrap_future(self._database.read(find_order, self._id))
        if order is None:
            return ActionResult(states.ERROR, f"The dynamic action was deleted before it ran [id={self._id}]")
        return await run_order(order, context, given, self._settings)


class _Late:
    """An action whose package is not loaded yet. Its kind is known all the same: it runs in a thread."""

    is_async = False

    def __init__(self, name: str, registry: Registry) -> None:
        self.facts = ActionFacts(name, takes_any=True)
        self._registry = registry

    def run(self, context: ActionContext, given: dict[str, Json]) -> object:
        """What comes of the action, once its package is loaded."""
        name = self.facts.name
        self._registry.plugins.discover(name, "")
        action = self._registry.find(name)
        if action is None:
            raise LookupError(f"the action '{name}' is not installed here")
        return action.run(context, given)


class _Provided:
    """An action of a provider, which is asked for it anew each time it runs."""

    is_async = False

    def __init__(self, key: str, registry: Registry) -> None:
        self._provider, self._namespace, name = key.removeprefix(PROVIDED).split(":", 2)
        self.facts = ActionFacts(name, takes_any=True, title=name)
        self._registry = registry

    def run(self, context: ActionContext, given: dict[str, Json]) -> object:
        """What comes of the action."""
        return self._registry.plugins.run_provided(
            self._provider, self.facts.name, self._namespace, context, given
        )
