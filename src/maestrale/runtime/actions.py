"""What the names of actions mean: the registry, and the ad-hoc and dynamic actions in the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final

from sqlalchemy import Connection

from maestrale.actions.plugins import PluginFailure, Provided
from maestrale.actions.registry import Registry
from maestrale.engine.adhoc import base_not_found
from maestrale.engine.decision import ActionCatalogue
from maestrale.engine.execution import Places
from maestrale.engine.needs import AdHocLayer, FindAction, FoundAction, ProvidedAction
from maestrale.lang.parse import load_action
from maestrale.lang.spec import ActionSpec
from maestrale.model.actions import REQUIRED, ActionFacts, Signature
from maestrale.model.errors import InvalidDefinition
from maestrale.runtime.steps import Steps, carry_out
from maestrale.store.database import Database
from maestrale.store.lookups import (
    FoundDefinition,
    FoundDynamic,
    action_names_among,
    find_action_definitions,
    find_dynamic_actions,
)

LONGEST_SEARCH: Final = 30.0
"""Seconds that packages may take to find an action, before it counts as one that cannot be used."""


class KnownActions:
    """The registry as decisions see it, and which of its names stored actions have as well.

    Safe from any thread: sets of names are replaced as a whole.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._shadowed: frozenset[str] = frozenset()
        self._compared = frozenset(action.name for action in registry)
        """What is not added later: of that it is known, from the start on, whether it is shadowed."""
        self._reading = threading.Lock()

    def find(self, name: str) -> ActionFacts | None:
        """The facts about an action of the registry."""
        action = self._registry.find(name)
        return None if action is None else action.facts

    def suggestions(self, name: str) -> list[str]:
        """Known names that resemble an unknown one."""
        return list(self._registry.suggestions(name))

    def is_shadowed(self, name: str) -> bool:
        """Whether an ad-hoc or dynamic action of some project has the name of this action, or may have it."""
        return name in self._shadowed or name not in self._compared

    def refresh(self, connection: Connection) -> None:
        """Read which names are shadowed now."""
        with self._reading:  # or an older reading could replace a newer one
            names = [action.name for action in self._registry]
            self._shadowed = action_names_among(connection, names)
            self._compared = frozenset(names)

    @property
    def may_have_more(self) -> bool:
        """Whether packages may have an action that nobody has asked for yet."""
        return self._registry.plugins.may_have_more

    def discover(self, name: str, namespace: str) -> Future[Provided | None]:
        """Have packages look for an action in a thread of its own: it becomes known, or is provided.

        The future raises `PluginFailure` if there is one that cannot be used.
        """
        found: Future[Provided | None] = Future()
        ended = threading.Lock()

        def end(provided: Provided | None, error: Exception | None) -> None:
            if not ended.acquire(blocking=False):
                return
            timer.cancel()
            if error is None:
                found.set_result(provided)
            else:
                found.set_exception(error)

        def look() -> None:
            try:
                provided, error = self._registry.plugins.discover(name, namespace), None
            except Exception as failure:  # noqa: BLE001 - it belongs to whoever waits
                provided, error = None, failure
            end(provided, error)

        late = PluginFailure(f"The action '{name}' was not found by the packages in {LONGEST_SEARCH:g} s")
        timer = threading.Timer(LONGEST_SEARCH, end, (None, late))
        timer.daemon = True
        timer.start()
        threading.Thread(target=look, name="action packages", daemon=True).start()
        return found


def find_action(
    database: Database, actions: KnownActions, question: FindAction
) -> Future[FoundAction | None]:
    """What an action name means, by committed data or else by what packages have; see `resolve`."""

    def steps() -> Steps[FoundAction | None]:
        found: FoundAction | None = yield database.read(resolve_action, actions, question)
        name = _missing(question, found)
        if name is None or not actions.may_have_more:
            return found
        try:
            provided: Provided | None = yield actions.discover(name, question.namespace)
        except PluginFailure as failure:
            return FoundAction(name, problem=str(failure))
        if provided is None and actions.find(name) is None:
            return found
        yield database.read(actions.refresh)
        described = None if provided is None else _provided(name, provided)
        found = yield database.read(resolve_action, actions, question, described)
        return found

    return carry_out(steps())


def _missing(question: FindAction, found: FoundAction | None) -> str | None:
    """The name that nothing known has."""
    if found is None:
        return question.name
    return found.name if found.problem == base_not_found(found.name, question.namespace) else None


def _provided(name: str, provided: Provided) -> ProvidedAction:
    signature = Signature(
        required=tuple(p.name for p in provided.parameters if p.default is REQUIRED),
        optional=tuple(p.name for p in provided.parameters if p.default is not REQUIRED),
        takes_any=provided.takes_any,
        waits_outside=provided.waits_outside,
    )
    return ProvidedAction(name, provided.provider, provided.namespace, provided.class_name, signature)


def resolve_action(
    connection: Connection,
    actions: ActionCatalogue,
    question: FindAction,
    provided: ProvidedAction | None = None,
) -> FoundAction | None:
    """What an action name means, by committed data; see `resolve`."""
    namespaces = [question.namespace, ""] if question.namespace else [""]

    def find(name: str) -> list[FoundDefinition]:
        return find_action_definitions(connection, question.project_id, name, namespaces)

    def find_dynamic(name: str) -> list[FoundDynamic]:
        return find_dynamic_actions(connection, question.project_id, name, namespaces)

    return resolve(question, actions, find, find_dynamic, provided)


def resolve(
    question: FindAction,
    actions: ActionCatalogue,
    find: Callable[[str], list[FoundDefinition]],
    find_dynamic: Callable[[str], list[FoundDynamic]] = lambda _: [],
    provided: ProvidedAction | None = None,
) -> FoundAction | None:
    """What an action name means: the whole chain of ad-hoc actions down to the real one.

    A member of the asking workbook comes first, then an ad-hoc action of the project, then a dynamic one,
    then one of the registry, then what another project has made public; bases are looked up likewise. `find`
    and `find_dynamic` give the actions of a name that are visible, the project's own first. `provided` is
    meant where nothing else has its name.
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
            if provided is not None and provided.name == name:
                return FoundAction(name, tuple(layers), provided=provided)
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
