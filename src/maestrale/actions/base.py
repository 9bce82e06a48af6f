"""The native contract: a typed function is an action.

    @action("acme.greet", repeatable=True)
    async def greet(context: ActionContext, name: str, polite: bool = True) -> str:
        \"\"\"Greet somebody.\"\"\"

Parameters, defaults and description come from the signature and the docstring. A parameter
annotated `ActionContext` is filled in by the executor and is not part of the action's input.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec

from maestrale.actions.settings import ActionSettings
from maestrale.model import states
from maestrale.model.actions import (
    REQUIRED,
    ActionFacts,
    ActionFailure,
    ActionResult,
    Parameter,
    result_of_error,
)
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json, Secret

__all__ = [
    "Action",
    "ActionContext",
    "ActionFailure",
    "ActionResult",
    "ActionSettings",
    "action",
    "input_text",
    "result_of_error",
    "result_of_timeout",
    "result_of_value",
]

P = ParamSpec("P")
R = TypeVar("R")


class ActionContext(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf an action runs. The ids are None for an action that was started without a task.

    `attempt` counts the retries of the task and starts at 1. `idempotency_key` stays the same when this
    action execution is delivered again and is new for each retry. `callback_path` is the path (without
    host) where an outside party reports the result. `item_index` starts at 0 (None without with-items).
    `security`: the caller, as far as known.
    """

    workflow_execution_id: str | None = None
    workflow_name: str | None = None
    task_execution_id: str | None = None
    task_name: str | None = None
    action_execution_id: str = ""
    attempt: int = 1
    idempotency_key: str = ""
    callback_path: str = ""
    item_index: int | None = None
    security: SecurityContext | None = None
    logger: logging.Logger = logging.getLogger("maestrale.actions")
    settings: ActionSettings = ActionSettings()


class Action(Generic[P, R]):
    """A function that tasks can call. Calling the action itself calls the function, for use in Python.

    `description` is the docstring, `returns` the return annotation (`typing.Any` if there is none) and
    `is_async` says whether the function is a coroutine function (others want a thread).
    """

    def __init__(
        self,
        function: Callable[P, R],
        name: str,
        *,
        pure: bool | Callable[..., Json],
        pure_when: Callable[[dict[str, Json]], bool] | None,
        repeatable: bool,
        waits_outside: bool,
        title: str,
        secrets: Iterable[str],
        acts_for_caller: bool,
    ) -> None:
        signature = _signature(function, name)
        parameters = signature.parameters.values()
        injected = [p.name for p in parameters if p.annotation is ActionContext]
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.description = inspect.getdoc(function) or ""
        self.returns: Any = (
            Any if signature.return_annotation is signature.empty else signature.return_annotation
        )
        self._context_names = injected
        if pure is True and (self.is_async or injected):
            raise TypeError(f"Action '{name}': a pure action is an ordinary function without ActionContext")
        if pure is True:
            pure = function
        if pure and secrets:
            raise TypeError(
                f"Action '{name}': a pure action cannot have secrets: the engine must not see them"
            )
        unknown = set(secrets) - signature.parameters.keys()
        if unknown:
            raise TypeError(f"Action '{name}': there is no parameter {sorted(unknown)} to be kept secret")
        self.facts = ActionFacts(
            name=name,
            parameters=tuple(
                Parameter(p.name, REQUIRED if p.default is p.empty else p.default)
                for p in parameters
                if p.name not in injected and p.kind is not p.VAR_KEYWORD
            ),
            takes_any=any(p.kind is p.VAR_KEYWORD for p in parameters),
            waits_outside=waits_outside,
            repeatable=repeatable or bool(pure),
            pure=pure or None,
            class_name=f"{function.__module__}.{function.__qualname__}",
            pure_when=pure_when,
            title=title,
            secrets=frozenset(secrets),
            acts_for_caller=acts_for_caller and bool(injected),
        )

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Action {self.name}: {self.facts.class_name}>"

    @property
    def name(self) -> str:
        """The name that tasks use."""
        return self.facts.name

    @property
    def input_text(self) -> str:
        """The parameters as the API shows them."""
        return input_text(self.facts.parameters, self.facts.takes_any)

    def run(self, context: ActionContext, given: dict[str, Json]) -> R:
        """Call the function with this input; an async action returns its coroutine.

        Raises `InvalidInput` if required parameters are missing or unknown ones are given, and whatever
        the function raises.
        """
        self.facts.check_input(given)
        call: Callable[..., R] = self.function
        return call(**{**given, **dict.fromkeys(self._context_names, context)})


def action(
    name: str,
    *,
    pure: bool | Callable[..., Json] = False,
    pure_when: Callable[[dict[str, Json]], bool] | None = None,
    repeatable: bool = False,
    waits_outside: bool = False,
    title: str = "",
    secrets: Iterable[str] = (),
    acts_for_caller: bool = True,
) -> Callable[[Callable[P, R]], Action[P, R]]:
    """Make a function (sync or async) the action `name`; see `ActionFacts` for the flags.

    `pure=True` lets the engine call the function itself; a function given as `pure` is called instead of
    the decorated one, for the inputs that `pure_when` accepts. Raises `TypeError` for a signature that
    cannot be called with named values.
    """

    def decorate(function: Callable[P, R]) -> Action[P, R]:
        return Action(
            function,
            name,
            pure=pure,
            pure_when=pure_when,
            repeatable=repeatable,
            waits_outside=waits_outside,
            title=title,
            secrets=tuple(secrets),
            acts_for_caller=acts_for_caller,
        )

    return decorate


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise TypeError(
            f"Action '{name}': {error} at run time; names in annotations must be importable"
        ) from error
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise TypeError(f"Action '{name}': parameter '{parameter.name}' cannot be given by name")
    return signature


def input_text(parameters: Iterable[Parameter], takes_any: bool = False) -> str:
    """`url, method="GET", params=null`: names in order, defaults as JSON (left out if they are not JSON)."""
    return ", ".join([*map(_parameter_text, parameters), *(["**kwargs"] if takes_any else [])])


def _parameter_text(parameter: Parameter) -> str:
    if parameter.default is REQUIRED:
        return parameter.name
    try:
        return f"{parameter.name}={json.dumps(parameter.default)}"
    except (TypeError, ValueError):
        return parameter.name


def result_of_value(value: object, action_name: str, action_execution_id: str) -> ActionResult:
    """The result of an action that returned `value`.

    Dataclasses, structs, times, enumerations, tuples and sets become JSON. ERROR if something in it has no
    JSON form. An `ActionResult` says itself how the action ended.
    """
    if isinstance(value, ActionResult):
        return value
    try:
        return ActionResult(states.SUCCESS, _as_json(value))
    except (TypeError, RecursionError) as error:
        wrong = TypeError(f"The returned value is not JSON: {error}")
        return result_of_error(wrong, action_name, action_execution_id)


def _as_json(value: Any) -> Json:
    if value is None or isinstance(value, (str, int, float, Secret)):
        return value
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {_as_key(key): _as_json(item) for key, item in value.items()}
    return _as_json(msgspec.to_builtins(value, str_keys=True))


def _as_key(key: object) -> str:
    return key if isinstance(key, str) else str(msgspec.to_builtins(key))


def result_of_timeout(seconds: float) -> ActionResult:
    """The result of an action that did not end in time."""
    return ActionResult(states.ERROR, f"Timeout after {seconds:g} seconds")
