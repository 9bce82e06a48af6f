"""What the names of actions mean: the registry, and the ad-hoc and dynamic actions in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from maestrale.actions.registry import Registry
from maestrale.engine.adhoc import base_not_found
from maestrale.engine.decision import ActionCatalogue
from maestrale.engine.execution import Places
from maestrale.engine.needs import AdHocLayer, FindAction, FoundAction
from maestrale.lang.parse import load_action
from maestrale.lang.spec import ActionSpec
from maestrale.model.actions import ActionFacts
from maestrale.model.errors import InvalidDefinition
from maestrale.store.lookups import (
    FoundDefinition,
    FoundDynamic,
    action_names_among,
    find_action_definitions,
    find_dynamic_actions,
)


class KnownActions:
    """The registry as decisions see it, and which of its names stored actions have as well.

    Safe from any thread: the set of names is replaced as a whole.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._shadowed: frozenset[str] = frozenset()
        self._reading = threading.Lock()

    def find(self, name: str) -> ActionFacts | None:
        """The facts about an action of the registry."""
        action = self._registry.find(name)
        return None if action is None else action.facts

    def suggestions(self, name: str) -> list[str]:
        """Known names that resemble an unknown one."""
        return list(self._registry.suggestions(name))

    def is_shadowed(self, name: str) -> bool:
        """Whether an ad-hoc or dynamic action of some project has the name of this action."""
        return name in self._shadowed

    def refresh(self, connection: Connection) -> None:
        """Read which names are shadowed now."""
        with self._reading:  # or an older reading could replace a newer one
            self._shadowed = action_names_among(connection, [action.name for action in self._registry])


def resolve_action(
    connection: Connection, actions: ActionCatalogue, question: FindAction
) -> FoundAction | None:
    """What an action name means, by committed data; see `resolve`."""
    namespaces = [question.namespace, ""] if question.namespace else [""]

    def find(name: str) -> list[FoundDefinition]:
        return find_action_definitions(connection, question.project_id, name, namespaces)

    def find_dynamic(name: str) -> list[FoundDynamic]:
        return find_dynamic_actions(connection, question.project_id, name, namespaces)

    return resolve(question, actions, find, find_dynamic)


def resolve(
    question: FindAction,
    actions: ActionCatalogue,
    find: Callable[[str], list[FoundDefinition]],
    find_dynamic: Callable[[str], list[FoundDynamic]] = lambda _: [],
) -> FoundAction | None:
    """What an action name means: the whole chain of ad-hoc actions down to the real one.

    A member of the asking workbook comes first, then an ad-hoc action of the project, then a dynamic one,
    then one of the registry, then what another project has made public; bases are looked up likewise. `find`
    and `find_dynamic` give the actions of a name that are visible, the project's own first.
    """
    layers: list[AdHocLayer] = []
    seen: set[str] = set()
    name, workbook = question.name, question.workbook
    while True:
        definition = _meaning(actions, find, find_dynamic, name, workbook)
        if isinstance(definition, FoundDynamic):
            return FoundAction(name, tuple(layers), dynamic=definition.action)
        if definition is None:
            if actions.find(name) is not None:
                return FoundAction(name, tuple(layers))
            if not layers:
                return None
            return FoundAction(name, problem=base_not_found(name, question.namespace))
        if definition.id in seen:
            return FoundAction(
                name,
                problem=f"Found a cycle in an ad-hoc action chain"
                f" [action_name={question.name}, duplicate_action_name={name}]",
            )
        seen.add(definition.id)
        try:
            spec = load_action(definition.text, definition.name)
        except InvalidDefinition as error:
            problem = f"The stored definition of the action cannot be read [action_name={name}]: {error}"
            return FoundAction(name, problem=problem)
        layers.append(_layer(spec))
        name, workbook = spec.base, definition.workbook


def _meaning(
    actions: ActionCatalogue,
    find: Callable[[str], list[FoundDefinition]],
    find_dynamic: Callable[[str], list[FoundDynamic]],
    name: str,
    workbook: str,
) -> FoundDefinition | FoundDynamic | None:
    """The stored action that a name means; None where it means one of the registry, or nothing."""
    if workbook:
        members = find(f"{workbook}.{name}")
        if members:
            return members[0]
    found: list[FoundDefinition | FoundDynamic] = [*find(name)[:1], *find_dynamic(name)[:1]]
    own = [one for one in found if one.is_own]
    if not own and actions.find(name) is not None:
        return None
    return next(iter([*own, *found]), None)


def _layer(spec: ActionSpec) -> AdHocLayer:
    sections = ("base", "base-input", "output")
    places: Places = {
        ".".join(str(part) for part in path): (position.line, position.column)
        for path, position in spec.positions.items()
        if 0 < len(path) <= 2 and path[0] in sections
    }
    return AdHocLayer(spec.name, spec.input, spec.base_input, spec.inline, spec.output, places)
