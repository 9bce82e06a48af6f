"""Expressions that are evaluated elsewhere: what is sent there, what comes back, and the evaluation itself.

Only variables whose names stand in the text are sent along. What the expression asks for besides (another
variable, `task()` and the like) comes back as a question; it is answered here and sent with the next try.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from maestrale.expressions.surroundings import Elsewhere, LazyMap, Passthrough, Scope
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Json, Microseconds, Secret

MOST_TRIES: Final = 8
"""How often an expression may ask for something before it is given up."""

VARIABLES: Final = "variables"
"""The question for all variables."""

Call = tuple[str, list[Json], Json]
"""A function, its arguments and its result."""


class Request(msgspec.Struct, frozen=True):
    """A text to evaluate, and all that it needs for that, as far as it is known.

    `names` are those of the variables of each layer in their order; `layers` has the values that were sent.
    """

    text: str
    names: tuple[tuple[str, ...], ...]
    layers: tuple[dict[str, Json], ...]
    root: Json = msgspec.UNSET
    calls: tuple[Call, ...] = ()


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of it: a value; or an error for people; or a limit and its option; or a question.

    A question is the name of a function and its arguments, or `VARIABLES`.
    """

    value: Json = msgspec.UNSET
    error: str = ""
    refused: tuple[str, str] | None = None
    asks: tuple[str, list[Json]] | None = None


def as_data(outcome: Outcome) -> Json:
    """An outcome as it is recorded."""
    given = {name: getattr(outcome, name) for name in Outcome.__struct_fields__}
    data = {name: value for name, value in given.items() if value or name == "value"}
    if outcome.value is msgspec.UNSET:
        del data["value"]
    return data


class Refused(Exception):
    """A limit was exceeded elsewhere: what, and by which option."""

    def __init__(self, what: str, option: str) -> None:
        super().__init__(f"{what} ([expressions] {option})")


class _Asked(Passthrough):
    """The expression wants to know what was not sent along."""

    def __init__(self, function: str, args: list[Json]) -> None:
        super().__init__(function)
        self.function = function
        self.arguments = args


def evaluate_elsewhere(elsewhere: Elsewhere, text: str, scope: Scope, *, ask: bool) -> Json:
    """The value of a text that is too costly to be evaluated here; `UNSET` if it is not to be asked for.

    Raises `EvaluationError`, or `Refused`, or what asking raises.
    """
    calls: tuple[Call, ...] = ()
    is_complete = False
    for _ in range(MOST_TRIES):
        request = _request(text, scope, calls, is_complete)
        answer = elsewhere.evaluated(_key(request), request, ask=ask)
        if answer is msgspec.UNSET:
            return answer
        outcome = msgspec.convert(answer, Outcome)
        if outcome.error:
            raise EvaluationError(outcome.error)
        if outcome.refused is not None:
            raise Refused(*outcome.refused)
        if outcome.asks is None:
            return outcome.value
        function, args = outcome.asks
        if function == VARIABLES:
            is_complete = True
        else:
            calls = (*calls, (function, args, _answer(scope, function, args)))
        ask = True
    raise Refused(
        f"it takes long and asks for more than {MOST_TRIES} things, one after the other", "steps_in_place"
    )


def _request(text: str, scope: Scope, calls: tuple[Call, ...], is_complete: bool) -> Request:
    return Request(
        text,
        tuple(tuple(layer) for layer in scope.layers),
        tuple(
            {name: _plain(layer[name]) for name in layer if is_complete or name in text}
            for layer in scope.layers
        ),
        _plain(scope.root),
        calls,
    )


def _plain(value: Json) -> Json:
    return value.plain() if isinstance(value, LazyMap) else value


def _key(request: Request) -> str:
    data = msgspec.json.encode(request, enc_hook=_distinct)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _distinct(value: Any) -> Any:
    if isinstance(value, Secret):
        return {"$secret": value.reveal()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"it is of type {type(value).__name__}")


def _answer(scope: Scope, function: str, args: list[Json]) -> Json:
    if scope.surroundings is None:
        raise EvaluationError(f"{function}() is not available here")
    answer = getattr(scope.surroundings, function)(*args)
    return _plain(answer)


class _Sent:
    """The surroundings of an evaluation elsewhere: what was sent along, and questions for the rest."""

    def __init__(self, calls: tuple[Call, ...]) -> None:
        self._calls = calls

    def _call(self, function: str, *args: Json) -> Json:
        wanted = list(args)
        for known, known_args, result in self._calls:
            if known == function and known_args == wanted:
                return result
        raise _Asked(function, wanted)

    def task(self, name: str | None) -> Mapping[str, Json] | None:
        found: Mapping[str, Json] | None = self._call("task", name)
        return found

    def tasks(
        self, execution_id: str | None, recursive: bool, state: str | None, flat: bool
    ) -> list[dict[str, Json]]:
        found: list[dict[str, Json]] = self._call("tasks", execution_id, recursive, state, flat)
        return found

    def execution(self) -> dict[str, Json] | None:
        found: dict[str, Json] | None = self._call("execution")
        return found

    def executions(
        self,
        execution_id: str | None,
        root_execution_id: str | None,
        state: str | None,
        from_time: str | None,
        to_time: str | None,
    ) -> list[dict[str, Json]]:
        found: list[dict[str, Json]] = self._call(
            "executions", execution_id, root_execution_id, state, from_time, to_time
        )
        return found

    def env(self) -> Mapping[str, Json] | None:
        found: Mapping[str, Json] | None = self._call("env")
        return found

    def global_variable(self, name: str) -> Json:
        return self._call("global_variable", name)

    def uuid(self) -> str:
        raise LookupError("uuid() is not available here")

    def random(self) -> float:
        raise LookupError("random() is not available here")

    def now(self) -> Microseconds:
        found: int = self._call("now")
        return found


def evaluate_request(request: Request, evaluate: Callable[[Json, Scope], Json]) -> Outcome:
    """Evaluate what somebody else has sent, however long it takes."""
    layers = [_layer(names, sent) for names, sent in zip(request.names, request.layers, strict=True)]
    scope = Scope(layers, _Sent(request.calls), request.root, is_killable=True)
    try:
        return Outcome(value=evaluate(request.text, scope))
    except _Asked as asked:
        return Outcome(asks=(asked.function, asked.arguments))
    except EvaluationError as error:
        return Outcome(error=error.message)


def _layer(names: tuple[str, ...], sent: dict[str, Json]) -> Mapping[str, Json]:
    def ask() -> Json:
        raise _Asked(VARIABLES, [])

    values = {name: sent.get(name) for name in names}
    return LazyMap(values, {name: ask for name in names if name not in sent})
