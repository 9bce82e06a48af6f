"""The native contract: a typed function is an action.

    @action("acme.greet", repeatable=True)
    async def greet(context: ActionContext, name: str, polite: bool = True) -> str:
        \"\"\"Greet somebody.\"\"\"

Parameters, defaults and description come from the signature and the docstring. A parameter
annotated `ActionContext` is filled in by the executor and is not part of the action's input. A class is an
action too: its constructor takes the input, its method `run` (which may want the context) does the work.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec

from maestrale.actions.settings import ActionSettings
from maestrale.actions.signals import SILENT, Interrupted, Signals
from maestrale.actions.typed_input import TypedInput
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
    "Interrupted",
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
    logger: logging.Logger = logging.getLogger("maestrale.actions")
    settings: ActionSettings = ActionSettings()
    security: SecurityContext | None = None
    signals: Signals = SILENT

    def progress(self, message: str, fraction: float | None = None) -> None:
        """Say how far the action is, for those who look at its execution; counts as a heartbeat.

        `fraction` is between 0 and 1, or ValueError is raised.
        """
        if fraction is not None and not 0 <= fraction <= 1:
            raise ValueError(f"a fraction is between 0 and 1, not {fraction}")
        self.signals.progress(message if fraction is None else f"{fraction:.0%}: {message}")

    def heartbeat(self) -> None:
        """Show that the action goes on, where its `heartbeat` demands it."""
        self.signals.heartbeat()

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody waits for the result any more: the action should end."""
        return self.signals.is_cancelled


class Action(Generic[P, R]):
    """A function or class that tasks can call. Calling the action itself calls it, for use in Python.

    `description` is the docstring, `returns` the return annotation (`typing.Any` if there is none) and
    `is_async` says whether it is a coroutine function (others want a thread).
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
        check_types: bool,
        heartbeat: float | None,
        acts_for_caller: bool,
    ) -> None:
        work = _work(function, name)
        signature = _signature(function, name)
        parameters = signature.parameters.values()
        injected = [p.name for p in parameters if p.annotation is ActionContext]
        self.function = function
        self.is_async = inspect.iscoroutinefunction(work)
        self.description = inspect.getdoc(function) or ""
        returned = (
            signature.return_annotation if work is function else _signature(work, name).return_annotation
        )
        self.returns: Any = Any if returned is signature.empty else returned
        self._context_names = injected
        self._run_takes_context = work is not function and len(inspect.signature(work).parameters) > 1
        self._types = TypedInput(name, parameters) if check_types else None
        if pure is True and (self.is_async or injected or work is not function):
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
        if heartbeat is not None and heartbeat <= 0:
            raise TypeError(f"Action '{name}': heartbeat is a number of seconds, more than 0")
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
            heartbeat=heartbeat,
            acts_for_caller=acts_for_caller and (bool(injected) or self._run_takes_context),
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
        """Do the work with this input; an async action returns its coroutine.

        Raises `InvalidInput` if required parameters are missing, unknown ones are given or one has a value
        of another type than the signature says, and whatever the function raises.
        """
        self.facts.check_input(given)
        values = given if self._types is None else self._types.converted(given)
        call: Callable[..., R] = self.function
        made = call(**{**values, **dict.fromkeys(self._context_names, context)})
        if not inspect.isclass(self.function):
            return made
        work: Callable[..., R] = made.run  # type: ignore[attr-defined]  # known of a class only here
        return work(context) if self._run_takes_context else work()


def action(
    name: str,
    *,
    pure: bool | Callable[..., Json] = False,
    pure_when: Callable[[dict[str, Json]], bool] | None = None,
    repeatable: bool = False,
    waits_outside: bool = False,
    title: str = "",
    secrets: Iterable[str] = (),
    check_types: bool = True,
    heartbeat: float | None = None,
    acts_for_caller: bool = True,
) -> Callable[[Callable[P, R]], Action[P, R]]:
    """Make a function (sync or async) or a class with a method `run` the action `name`; see `ActionFacts`
    for the flags.

    `pure=True` lets the engine call the function itself; a function given as `pure` is called instead of
    the decorated one, for the inputs that `pure_when` accepts. Values are checked against the annotations,
    and become what those say (dataclasses, enumerations, times), unless `check_types` is False. Raises
    `TypeError` for a signature that cannot be called with named values.
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
            check_types=check_types,
            heartbeat=heartbeat,
            acts_for_caller=acts_for_caller,
        )

    return decorate


def _work(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """What does the work: the function itself, or the method of a class."""
    if not inspect.isclass(function):
        return function
    method: Callable[..., Any] | None = getattr(function, "run", None)
    if method is None:
        raise TypeError(f"Action '{name}': the class {function.__name__} has no method 'run'")
    return method


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
