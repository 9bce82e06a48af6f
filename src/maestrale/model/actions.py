"""What the engine has to know of an action: its signature before it runs, its result afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from maestrale.model import states
from maestrale.model.errors import InvalidInput
from maestrale.model.secrets import marked_headers
from maestrale.model.values import Json, Secret


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of an action; `default` is `REQUIRED` where the caller must give a value."""

    name: str
    default: Any = REQUIRED


class Signature(msgspec.Struct, frozen=True):
    """The names that a dynamic action takes, and whether it is completed by an outside party."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    takes_any: bool = False
    waits_outside: bool = False


DYNAMIC: Final = "dynamic:"
"""How the keys of dynamic actions begin; their ids follow. No text of an author names an action like that."""

PROVIDED: Final = "provided:"
"""How the keys of actions of providers begin; provider, namespace and name follow, with colons between."""


class ActionFacts(msgspec.Struct, frozen=True):
    """The signature and the nature of one action.

    `waits_outside`: completed by an outside party through the API. `repeatable`: may run again after its
    executor was lost. `pure`: a quick function without side effects that the engine calls itself with the
    input as keyword arguments; None for every action that an executor has to run. `pure_when`: which
    (already checked) inputs `pure` is for, None = all; ask `is_pure`. A pure action that `waits_outside` is
    not dispatched at all. `title`: what messages about failures call it, by default its name.
    `key`: what an executor finds it by, if that is not its name. `secrets`: parameters whose values nobody
    gets to see; see `sealed`. `heartbeat`: seconds after which an action that has said nothing fails.
    `acts_for_caller`: whether it wants to know in whose name it runs.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    takes_any: bool = False
    waits_outside: bool = False
    repeatable: bool = False
    pure: Callable[..., Json] | None = None
    class_name: str = ""
    title: str = ""
    pure_when: Callable[[dict[str, Json]], bool] | None = None
    key: str = ""
    secrets: frozenset[str] = frozenset()
    heartbeat: float | None = None
    acts_for_caller: bool = True

    def is_pure(self, given: dict[str, Json]) -> bool:
        """Whether the engine may call `pure` with this input, instead of asking an executor."""
        return self.pure is not None and (self.pure_when is None or self.pure_when(given))

    def sealed(self, given: dict[str, Json]) -> dict[str, Json]:
        """The same input, with what is given for the parameters in `secrets` marked as secret, and those
        `headers` whose names say that they are."""
        if "headers" in given and self.pure is None:
            given = {**given, "headers": marked_headers(given["headers"])}
        if self.secrets.isdisjoint(given):
            return given
        return {
            name: Secret(value) if name in self.secrets and value else value for name, value in given.items()
        }

    def check_input(self, given: dict[str, Json]) -> None:
        """Raise `InvalidInput` if required parameters are missing or unknown ones are given."""
        if self.takes_any:
            return
        known = {parameter.name for parameter in self.parameters}
        missing = [p.name for p in self.parameters if p.default is REQUIRED and p.name not in given]
        unexpected = [name for name in given if name not in known]
        if missing or unexpected:
            raise invalid_input(self.name, self.class_name or self.name, missing, unexpected)


def invalid_input(name: str, class_name: str, missing: list[str], unexpected: list[str]) -> InvalidInput:
    """The error for wrong names in an input, in the words that clients look for."""
    parts = [f"name={name}", f"class={class_name}"]
    if missing:
        parts.append(f"missing={missing}")
    if unexpected:
        parts.append(f"unexpected={unexpected}")
    return InvalidInput(f"Invalid input [{', '.join(parts)}]")


class ActionFailure(Exception):
    """Raised by an action that fails with a result of its own (not just a text)."""

    def __init__(self, result: Json) -> None:
        super().__init__(str(result))
        self.result = result


class ActionResult(msgspec.Struct, frozen=True):
    """How an action execution ended: SUCCESS, ERROR or CANCELLED, and with what; or that it goes on, RUNNING,
    until somebody outside reports its end."""

    state: str
    result: Json = None


def result_of_error(error: BaseException, action_name: str, action_execution_id: str) -> ActionResult:
    """The result of an action that raised `error`: its own structured one, or a text without traceback."""
    if isinstance(error, ActionFailure):
        return ActionResult(states.ERROR, error.result)
    text = str(error) or type(error).__name__
    return ActionResult(
        states.ERROR,
        f"The action raised an exception "
        f"[action={action_name}, action_ex_id={action_execution_id}, msg='{text}']",
    )
