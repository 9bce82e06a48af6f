"""Actions that were written for Mistral: classes of `mistral_lib`, and plain ones with a method `run`.

The constructor's parameters are the input, `run` does the work, and `is_sync` says whether its value is the
result. The library itself is asked for only where a class of its own runs, so that nobody else needs it.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from maestrale.actions.base import ActionContext, input_text
from maestrale.model import states
from maestrale.model.actions import REQUIRED, ActionFacts, ActionResult, Parameter
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json

LIBRARY: Final = "mistral_lib"

_SECURITY: Final = (
    "auth_uri", "auth_cacert", "insecure", "service_catalog", "region_name", "is_trust_scoped",
    "expires_at", "trust_id", "is_target", "project_id", "project_name", "user_name", "auth_token",
)  # fmt: skip

GOES_ON: Final = ActionResult(states.RUNNING)
"""What comes of an action that turns out to be completed from outside."""


class Surroundings(Protocol):
    """What actions of a package expect of the service that runs them."""

    def acting(self, name: str, context: ActionContext) -> AbstractContextManager[None]:
        """What stands around an action of this name while it runs."""

    def data(self, value: Any) -> Any:
        """What a value of `run` says, without the objects that it is made of."""


class LegacyAction:
    """A class as an action. It runs in a thread, whose time it may take.

    `attributes` become fields of the class before it is used. `description` and `parameters` (a list as the
    API shows it) stand in for what the class itself says. `surroundings`: what it expects around it.
    """

    is_async = False

    def __init__(
        self,
        name: str,
        kind: Any,
        *,
        attributes: Mapping[str, Any] | None = None,
        description: str = "",
        parameters: str = "",
        surroundings: Surroundings | None = None,
    ) -> None:
        self._surroundings = surroundings
        if not callable(getattr(kind, "run", None)):
            raise TypeError(f"the class of the action '{name}' has no method 'run': {kind!r}")
        self._kind = type(kind.__name__, (kind,), dict(attributes)) if attributes else kind
        self.description = description or described(kind)
        parameters = parameters or getattr(_constructor(kind), "__arguments__", "")
        known, takes_any = read_parameters(parameters) if parameters else parameters_of(kind)
        self.input_text = parameters or input_text(known, takes_any)
        self.facts = ActionFacts(
            name,
            known,
            takes_any,
            waits_outside=always_waits(kind),
            class_name=f"{kind.__module__}.{kind.__name__}",
        )

    def __repr__(self) -> str:
        return f"<LegacyAction {self.name}: {self.facts.class_name}>"

    @property
    def name(self) -> str:
        """The name that tasks use."""
        return self.facts.name

    def run(self, context: ActionContext, given: dict[str, Json]) -> object:
        """What comes of the action. Raises whatever it raises."""
        self.facts.check_input(given)
        if self._surroundings is None:
            return self._outcome(context, given)
        with self._surroundings.acting(self.name, context):
            return self._outcome(context, given)

    def _outcome(self, context: ActionContext, given: dict[str, Json]) -> object:
        instance = carried(made(self._kind, given))
        value = run(instance, context)
        if self._surroundings is not None:
            value = self._surroundings.data(value)
        return outcome(instance, value, waits=self.facts.waits_outside)


def made(kind: Callable[..., Any], given: Mapping[str, Json]) -> Any:
    """An object of the class. Raises `RuntimeError` where its constructor fails."""
    try:
        return kind(**given)
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise RuntimeError(f"Failed to instantiate an action: {reason}") from error


def carried(instance: Any) -> Any:
    """What another machine would get of an object whose class has registered a serializer of its own.

    Such a class may rely on being read back; others are used as their constructor left them.
    """
    library = sys.modules.get(f"{LIBRARY}.serialization")
    key = getattr(instance, "get_serialization_key", None)
    if library is None or key is None:
        return instance
    serializer = library.get_polymorphic_serializer()
    own = key()
    base = sys.modules[f"{LIBRARY}.actions"].Action.get_serialization_key()
    if own == base or own not in serializer.serializers:
        return instance
    return serializer.deserialize(serializer.serialize(instance))


def run(instance: Any, context: ActionContext) -> object:
    """The value of the method `run`, which gets what classes of its kind expect."""
    if not inspect.signature(instance.run).parameters:
        return instance.run()
    return instance.run(library_context(context) if is_of_library(instance) else None)


def outcome(instance: Any, value: object, *, waits: bool = False) -> object:
    """What a value of `run` says about the end of the action, which is known to be outside if it `waits`."""
    types = sys.modules.get(f"{LIBRARY}.actions.types")
    if types is not None and isinstance(value, types.Result):
        if value.is_cancel():
            return ActionResult(states.CANCELLED, plain(value.error))
        if value.is_error():
            return ActionResult(states.ERROR, plain(value.error))
        value = value.data
    if not waits and hasattr(instance, "is_sync") and not instance.is_sync():
        return GOES_ON
    return plain(value) if is_of_library(instance) else value


def is_of_library(instance: Any) -> bool:
    """Whether an object is an action of the library, to which `run` gives a context."""
    library = sys.modules.get(f"{LIBRARY}.actions")
    return library is not None and isinstance(instance, library.Action)


def plain(value: Any) -> Any:
    """Data as the library sends it: objects become maps of their fields, times become texts."""
    from oslo_serialization import jsonutils

    return jsonutils.to_primitive(value, convert_instances=True)


def library_context(context: ActionContext) -> Any:
    """The same context in the library's own form."""
    from mistral_lib.actions import context as library

    security = context.security or SecurityContext()
    caller = {name: getattr(security, name) for name in _SECURITY}
    caller |= {"redelivered": False, "service_catalog": library_catalog(security)}
    execution = {
        "workflow_execution_id": context.workflow_execution_id,
        "task_execution_id": context.task_execution_id,
        "action_execution_id": context.action_execution_id,
        "workflow_name": context.workflow_name,
        "callback_url": context.callback_path,
        "with_items_index": context.item_index or 0,
    }
    return library.ActionContext(library.SecurityContext(**caller), library.ExecutionContext(**execution))


def library_catalog(security: SecurityContext) -> Json:
    """The catalogue as actions of Mistral expect it: what Keystone says of a token, with the catalogue in it.

    One that a request has brought for another cloud stays as it is.
    """
    catalog = security.service_catalog
    if not isinstance(catalog, list):
        return catalog
    return {
        "methods": ["token"],
        "expires_at": security.expires_at,
        "user": {"id": security.user_id, "name": security.user_name},
        "project": {"id": security.project_id, "name": security.project_name},
        "roles": [{"name": name} for name in security.roles],
        "catalog": catalog,
    }


def described(kind: Callable[..., Any]) -> str:
    """The docstring of a class, or that of the nearest of its bases but the library's own."""
    text = inspect.getdoc(kind) or ""
    library = sys.modules.get(f"{LIBRARY}.actions")
    return "" if library is not None and text == inspect.getdoc(library.Action) else text


def always_waits(kind: Any) -> bool:
    """Whether every object of the class is completed from outside; others may say so when they run."""
    method = inspect.getattr_static(kind, "is_sync", None)
    if not inspect.isfunction(method) or method.__code__.co_names or method.__code__.co_argcount != 1:
        return False
    return not method(None)


def _constructor(kind: Any) -> Any:
    return kind.__init__ if inspect.isclass(kind) else kind


def parameters_of(kind: Any) -> tuple[tuple[Parameter, ...], bool]:
    """The parameters of the constructor, and whether it takes any others too."""
    if _constructor(kind) is object.__init__:
        return (), False
    given = [*inspect.signature(_constructor(kind)).parameters.values()][1 if inspect.isclass(kind) else 0 :]
    known = tuple(
        Parameter(p.name, REQUIRED if p.default is p.empty else p.default)
        for p in given
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    )
    return known, any(p.kind is p.VAR_KEYWORD for p in given)


def read_parameters(text: str) -> tuple[tuple[Parameter, ...], bool]:
    """The parameters in a text such as `url, method="GET", **kwargs`, and whether others are taken too."""
    known = []
    for part in _parts(text):
        name, equals, default = part.partition("=")
        if name.startswith("*"):
            continue
        known.append(Parameter(name.strip(), _value(default.strip()) if equals else REQUIRED))
    return tuple(known), "**" in text


def _value(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parts(text: str) -> Iterator[str]:
    """The parts between commas that stand in no brackets and no quotes."""
    depth, quote, start = 0, "", 0
    for place, sign in enumerate(text):
        if quote:
            if sign == quote and text[place - 1] != "\\":
                quote = ""
        elif sign in "\"'":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        elif sign == "," and not depth:
            yield text[start:place].strip()
            start = place + 1
    if text[start:].strip():
        yield text[start:].strip()


def public_fields(kind: Any) -> dict[str, Any]:
    """The fields of a class that others may see, without its methods and properties."""
    found = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    return {
        name: value
        for name, value in found.items()
        if not (inspect.isroutine(value) or isinstance(value, property))
    }
