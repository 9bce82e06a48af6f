"""Actions that installed packages offer in the way of Mistral: classes, generators and providers.

At the start only the metadata of packages are read. A class is imported when its action is first used, all
of them when somebody lists actions. What cannot be loaded is left out with one warning.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Any, Final, Protocol

import msgspec

from maestrale.actions import legacy
from maestrale.actions.base import ActionContext
from maestrale.model.actions import Parameter
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json

CLASSES: Final = "mistral.actions"
GENERATORS: Final = "mistral.generators"
PROVIDERS: Final = "mistral.action.providers"

Installed = Mapping[str, Sequence[EntryPoint]]
"""The entry points of installed packages, by group."""

_EXTRA: Final = "pip install 'maestrale[mistral]'"

log = logging.getLogger(__name__)


class PluginFailure(MaestraleError):
    """An action is there, but the package that brings it cannot be used."""


class Provided(msgspec.Struct, frozen=True):
    """An action that a provider describes, as it is now; executors find it by `provider` and names."""

    provider: str
    name: str
    namespace: str
    input: str
    description: str
    class_name: str
    waits_outside: bool
    parameters: tuple[Parameter, ...]
    takes_any: bool


class PluginRules(msgspec.Struct, frozen=True):
    """What may be loaded: classes, generators, and those providers whose names the lists let in."""

    classes: bool = True
    generators: bool = True
    allow_providers: tuple[str, ...] = ()
    deny_providers: tuple[str, ...] = ()


class Host(legacy.Surroundings, Protocol):
    """What a package expects whose generators need more than an entry point."""

    def prepare(self) -> None:
        """Called once, before the generators are imported."""

    def namespace(self, generator: Any) -> str:
        """How the names of a generator's actions begin, without the dot."""

    def problem(self, generator: Any) -> str:
        """Why a generator cannot make its actions, empty if it can."""


def lets_in(name: str, allow: Sequence[str], deny: Sequence[str]) -> bool:
    """Whether lists of shell patterns let a name in: if there are any in `allow`, they alone decide."""
    if allow:
        return any(fnmatchcase(name, pattern) for pattern in allow)
    return not any(fnmatchcase(name, pattern) for pattern in deny)


class Plugins:
    """What packages for Mistral offer. `add` makes actions known, `allows` says which names are let in,
    `hosts` what the packages of these modules need."""

    def __init__(
        self,
        add: Callable[[Sequence[legacy.LegacyAction], str], None],
        allows: Callable[[str], bool],
        hosts: Mapping[str, Host],
    ) -> None:
        self._add = add
        self._allows = allows
        self._hosts = hosts
        self._lock = threading.RLock()
        self._classes: dict[str, EntryPoint] = {}
        self._generators: list[EntryPoint] = []
        self._unloaded_providers: list[EntryPoint] = []
        self._providers: dict[str, Any] = {}
        self._failures: dict[str, str] = {}
        self._missing: dict[str, str] = {}
        """Why there are no actions whose names begin like this."""
        self.may_have_more = False
        """Whether packages offer anything, so that a name that is unknown so far may be known here."""

    def find_packages(self, installed: Installed, rules: PluginRules) -> None:
        """Note which packages offer something, and warn where they lack the library that they need."""
        if rules.classes:
            classes = reversed(_points(installed, CLASSES))
            self._classes = {point.name: point for point in classes if self._allows(point.name)}
        if rules.generators:
            self._generators = _points(installed, GENERATORS)
        self._unloaded_providers = [
            point
            for point in _points(installed, PROVIDERS)
            if lets_in(point.name, rules.allow_providers, rules.deny_providers)
        ]
        points = [*self._classes.values(), *self._generators, *self._unloaded_providers]
        self.may_have_more = bool(points)
        if points and find_spec(legacy.LIBRARY) is None:
            needy = sorted({_package(point) for point in points if _needs_library(point)})
            if needy:
                log.warning(
                    "Packages with actions for Mistral need the package mistral-lib, which is not installed"
                    " beside the service, and will not work: %s (install it with: %s)",
                    ", ".join(needy),
                    _EXTRA,
                )

    @property
    def names(self) -> list[str]:
        """The names of actions whose classes are not loaded yet."""
        return list(self._classes)

    def discover(self, name: str, namespace: str) -> Provided | None:
        """Make the action of this name known if there is one; the description of one that a provider has.

        May take as long as packages take to load. Raises `PluginFailure` if its package cannot be used.
        """
        with self._lock:
            point = self._classes.pop(name, None)
            if point is not None:
                self._load_class(name, point)
                return None
            if name in self._failures:
                raise PluginFailure(self._failures[name])
            self._load_generators()
            problem = self._missing.get(name.partition(".")[0])
            if problem is not None and self._allows(name):
                raise PluginFailure(f"The action '{name}' cannot be used: {problem}")
            self._load_providers()
        for provider in self._providers if self._allows(name) else ():
            descriptor = self._descriptor(provider, name, namespace)
            if descriptor is not None:
                return self._provided(provider, descriptor)
        return None

    def load(self) -> None:
        """Make everything known that needs no provider."""
        with self._lock:
            while self._classes:
                name, point = self._classes.popitem()
                try:
                    self._load_class(name, point)
                except PluginFailure:
                    continue  # it has been logged
            self._load_generators()
            self._load_providers()

    def provided(self) -> list[Provided]:
        """What providers have now."""
        found: dict[tuple[str, str], Provided] = {}
        for name, provider in self._providers.items():
            try:
                for descriptor in provider.find_all() or ():
                    provided = self._provided(name, descriptor)
                    if provided is not None:
                        found.setdefault((provided.namespace, provided.name), provided)
            except Exception as error:  # noqa: BLE001 - a broken plug-in must not stop the service
                log.warning("The action provider '%s' cannot list its actions: %s", name, error)
        return list(found.values())

    def run_provided(
        self, provider: str, name: str, namespace: str, context: ActionContext, given: dict[str, Json]
    ) -> object:
        """What comes of an action of a provider, as it is now. Raises whatever it raises."""
        self.load()
        descriptor = self._descriptor(provider, name, namespace) if provider in self._providers else None
        if descriptor is None:
            raise LookupError(f"the provider '{provider}' has no action '{name}' here")
        descriptor.check_parameters(given)
        instance = legacy.carried(legacy.made(lambda **values: descriptor.instantiate(values, {}), given))
        return legacy.outcome(instance, _processed(descriptor, legacy.run(instance, context)))

    def _load_class(self, name: str, point: EntryPoint) -> None:
        try:
            self._add([legacy.LegacyAction(name, point.load())], _origin(point))
        except (Exception, SystemExit) as error:
            reason = f"{_origin(point)} cannot be loaded: {_reason(error)}"
            self._failures[name] = f"The action '{name}' cannot be used: {reason}"
            log.warning("%s", reason)
            raise PluginFailure(self._failures[name]) from error

    def _load_generators(self) -> None:
        while self._generators:
            point = self._generators.pop()
            host = self._hosts.get(point.module.partition(".")[0])
            try:
                if host is not None:
                    host.prepare()
                generators = list(point.load()() or ())
            except (Exception, SystemExit) as error:  # noqa: BLE001
                log.warning("%s cannot be loaded: %s", _origin(point), _reason(error))
                continue
            for generator in generators:
                problem = "" if host is None else host.problem(generator)
                if host is not None and problem:
                    self._missing[host.namespace(generator)] = problem
                    log.warning("%s: %s", _origin(point), problem)
                else:
                    self._add(list(_generated(generator, point, host)), _origin(point))

    def _load_providers(self) -> None:
        while self._unloaded_providers:
            point = self._unloaded_providers.pop(0)
            try:
                self._providers[point.name] = point.load()(point.name)
            except (Exception, SystemExit) as error:  # noqa: BLE001
                log.warning("%s cannot be loaded: %s", _origin(point), _reason(error))

    def _descriptor(self, provider: str, name: str, namespace: str) -> Any:
        for home in dict.fromkeys((namespace or None, None)):
            try:
                descriptor = self._providers[provider].find(name, home)
            except Exception as error:
                raise PluginFailure(
                    f"The action provider '{provider}' failed when asked for '{name}': {_reason(error)}"
                ) from error
            if descriptor is not None:
                return descriptor
        return None

    def _provided(self, provider: str, descriptor: Any) -> Provided | None:
        """The description of an action; None if the lists deny it, or it belongs to some project alone."""
        if not self._allows(descriptor.name) or (descriptor.project_id and descriptor.scope != "public"):
            return None
        text = descriptor.params_spec or ""
        parameters, takes_any = legacy.read_parameters(text)
        return Provided(
            provider,
            descriptor.name,
            descriptor.namespace or "",
            text,
            descriptor.description or "",
            descriptor.action_class_name or descriptor.name,
            legacy.always_waits(getattr(descriptor, "action_class", None)),
            parameters,
            takes_any,
        )


def _processed(descriptor: Any, value: object) -> object:
    """The result after what the descriptor does to results."""
    types = sys.modules.get(f"{legacy.LIBRARY}.actions.types")
    if types is None:
        return value
    return descriptor.post_process_result(value if isinstance(value, types.Result) else types.Result(value))


def _generated(generator: Any, point: EntryPoint, host: Host | None) -> Iterator[legacy.LegacyAction]:
    try:
        for entry in generator.create_actions():
            yield legacy.LegacyAction(
                entry["name"],
                generator.base_action_class,
                attributes=legacy.public_fields(entry["class"]),
                description=entry.get("description") or "",
                parameters=entry.get("arg_list") or "",
                surroundings=host,
            )
    except Exception as error:  # noqa: BLE001 - a broken plug-in must not stop the service
        log.warning("%s: the generator %r cannot make its actions: %s", _origin(point), generator, error)


def _points(installed: Installed, group: str) -> list[EntryPoint]:
    """The entry points of other packages, in an order that does not change. Mistral's own, where it is
    installed too, stand for what is built in here."""
    found = [point for point in installed.get(group, ()) if point.module.partition(".")[0] != "mistral"]
    return sorted(found, key=lambda point: (point.name, point.value))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown package"


def _origin(point: EntryPoint) -> str:
    return f"Entry point {point.group}: {point.name} = {point.value} ({_package(point)})"


def _needs_library(point: EntryPoint) -> bool:
    wanted = point.dist.requires if point.dist else None
    return any(text.replace("_", "-").lower().startswith("mistral-lib") for text in wanted or ())


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == legacy.LIBRARY:
        return f"{text} (install it with: {_EXTRA})"
    return text
