"""The service's own functions, the same in both languages: task(), execution(), env(), json_parse() ..."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from maestrale.expressions.guards import count
from maestrale.expressions.problems import kind_in_words
from maestrale.expressions.results import cleared, json_default, to_json
from maestrale.expressions.surroundings import Passthrough, Surroundings
from maestrale.expressions.views import CURRENT, Evaluation
from maestrale.expressions.yaml_text import dump_yaml, parse_yaml, steps_of
from maestrale.model.values import Json

Function = Callable[..., Any]
"""`function(context, ...)`: `context` is the scope as a read-only map, the rest plain data; returns data."""

DATA_FUNCTIONS: Final = ("json_parse", "json_dump", "yaml_parse", "yaml_dump")
"""Functions of their first argument alone, which makes them useful as filters."""


def _task(name: Json = None) -> Json:
    return _surroundings("task").task(name)


def _tasks(
    workflow_execution_id: Json = None, recursive: Json = False, state: Json = None, flat: Json = False
) -> Json:
    if recursive and workflow_execution_id is None:
        raise ValueError("tasks(): 'recursive' needs a workflow execution id")
    return _surroundings("tasks").tasks(workflow_execution_id, bool(recursive), state, bool(flat))


def _execution() -> Json:
    return _surroundings("execution").execution()


def _executions(
    id: Json = None,  # noqa: A002 - the documented name of the argument
    root_execution_id: Json = None,
    state: Json = None,
    from_time: Json = None,
    to_time: Json = None,
) -> Json:
    return _surroundings("executions").executions(id, root_execution_id, state, from_time, to_time)


def _env() -> Json:
    return _surroundings("env").env()


def _global(name: Json) -> Json:
    return _surroundings("global").global_variable(name)


def _uuid() -> Json:
    CURRENT.get().meter().stay()
    return _surroundings("uuid").uuid()


def _json_parse(text: Json) -> Json:
    _require_text("json_parse", text)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"json_parse(): {error.msg} at line {error.lineno}, column {error.colno}") from None


def _json_dump(data: Json) -> Json:
    return json.dumps(data, indent=4, default=json_default)


def _yaml_parse(text: Json) -> Json:
    _require_text("yaml_parse", text)
    count(steps_of(text))
    return to_json(parse_yaml(text), CURRENT.get())


def _yaml_dump(data: Json) -> Json:
    return dump_yaml(data)


def _surroundings(name: str) -> Any:
    return CURRENT.get().surroundings(name)


def _require_text(name: str, value: Json) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name}() needs a text, not {kind_in_words(value)}")


_OWN: Final[dict[str, Function]] = {
    "task": _task,
    "tasks": _tasks,
    "execution": _execution,
    "executions": _executions,
    "env": _env,
    "global": _global,
    "uuid": _uuid,
    "json_parse": _json_parse,
    "json_dump": _json_dump,
    "yaml_parse": _yaml_parse,
    "yaml_dump": _yaml_dump,
}


OF_NOTHING: Final[dict[str, Callable[[Surroundings], Json]]] = {
    "task": lambda surroundings: surroundings.task(None),
    "execution": lambda surroundings: surroundings.execution(),
    "env": lambda surroundings: surroundings.env(),
}
"""What those of our own ask for that give a map, or null, when they are called without arguments."""


def asked(name: str, ask: Callable[[Surroundings], Json]) -> Any:
    """What such a function gives in the current evaluation, wrapped."""
    evaluation = CURRENT.get()
    try:
        return evaluation.wrap(ask(evaluation.surroundings(name)))
    except Passthrough as need:
        evaluation.need = need
        raise


class Functions:
    """All functions by name: the service's own and those an installation adds (which win)."""

    def __init__(self, added: Mapping[str, Function] | None = None) -> None:
        self._added = dict(added or {})

    @property
    def names(self) -> list[str]:
        """The names of all functions, sorted."""
        return sorted({*_OWN, *self._added})

    @property
    def added(self) -> list[str]:
        """The names of the functions that the installation adds."""
        return sorted(self._added)

    def bound(self, name: str) -> Callable[..., Any]:
        """The function as the languages call it: within an evaluation, values in and values out wrapped."""
        added = self._added.get(name)
        function = added or _OWN[name]
        signature = _signature(function)
        fitting: set[tuple[int, tuple[str, ...]]] = set()

        def call(*args: Any, **kwargs: Any) -> Any:
            evaluation = CURRENT.get()
            positional = [cleared(value, evaluation) for value in args]
            named = {_spelled(key, signature): cleared(value, evaluation) for key, value in kwargs.items()}
            if added:
                evaluation.meter().stay()
                positional.insert(0, evaluation.root)
            shape = (len(positional), tuple(named))
            if shape not in fitting:
                _check_arguments(name, signature, positional, named)
                fitting.add(shape)
            result = _guarded(evaluation, function, positional, named)
            return evaluation.wrap(to_json(result, evaluation) if added else result)

        call.__name__ = name
        return call


def _guarded(
    evaluation: Evaluation, function: Function, positional: Iterable[Any], named: Mapping[str, Any]
) -> Any:
    try:
        return function(*positional, **named)
    except Passthrough as need:
        evaluation.need = need
        raise


def _signature(function: Function) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except ValueError:
        return None


def _check_arguments(
    name: str, signature: inspect.Signature | None, positional: list[Any], named: dict[str, Any]
) -> None:
    if signature is None:
        return
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        raise TypeError(f"{name}(): {error}") from None


def _spelled(name: str, signature: inspect.Signature | None) -> str:
    """YAQL authors may write `rootExecutionId`, Jinja authors write `root_execution_id`."""
    if signature is None or name in signature.parameters:
        return name
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: f"_{match[1].lower()}", name)
