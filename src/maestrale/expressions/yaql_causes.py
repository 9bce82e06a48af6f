"""Why the official library refused a call, in words: what it was given, and what it takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any, Final, NamedTuple

from yaql.language import exceptions, runner, specs, utils, yaqltypes
from yaql.language import expressions as tree

from maestrale.expressions.problems import cause_in_words, did_you_mean, kind_in_words

_RESOLUTION: Final = re.compile(r'(Unknown|No|Ambiguous) (method|function) "([^"]*)"')
_OPERATOR: Final = re.compile(r"#(?:unary_)?operator_(.+)")
_PROPERTY: Final = "#property#"
_MOST_SIGNATURES: Final = 3

_MEANT: Final = {
    "length": "len", "size": "len", "strip": "trim", "extend": "+", "has_key": "containsKey",
    "sort": "orderBy", "sorted": "orderBy", "unique": "distinct", "lower": "toLower", "upper": "toUpper",
}  # fmt: skip
"""Names of other languages, and what is written instead."""


class _Call(NamedTuple):
    """A refused call: what it was given (the receiver of a method first), and the functions of its name."""

    args: tuple[Any, ...]
    functions: tuple[Any, ...]
    has_receiver: bool
    knows_receiver: bool


def cause_of(error: BaseException, names: Collection[str]) -> str:
    """The cause of a failed evaluation in words; `names` are those of all functions.

    The library's own texts may quote data: not these.
    """
    if isinstance(error, exceptions.WrappedException):
        error = error.wrapped
    resolution = _RESOLUTION.match(str(error)) if isinstance(error, exceptions.ResolutionError) else None
    if resolution is None:
        return cause_in_words(error)
    problem, kind, name = resolution.groups()
    call = _refused(error)
    if name.startswith(_PROPERTY):
        return _property(name, call)
    if operator := _OPERATOR.match(name):
        return _operator(operator[1], call)
    if name == "#indexer":
        return _index(call)
    if problem == "Unknown":
        return _unknown(kind, name, names)
    return _misfit(problem, kind, name, call)


def missing_name_of(error: BaseException) -> object:
    """The key that a value does not have, None if the error is about something else."""
    if isinstance(error, KeyError) and error.args:
        return error.args[0]
    resolution = _RESOLUTION.match(str(error)) if isinstance(error, exceptions.ResolutionError) else None
    is_property = resolution is not None and resolution[3].startswith(_PROPERTY)
    return resolution[3].removeprefix(_PROPERTY) if resolution and is_property else None


def _property(name: str, call: _Call | None) -> str:
    """The library's own words stand first: they are known."""
    attribute = name.removeprefix(_PROPERTY)
    value = call.args[0] if call and call.args else None
    words = f"Unknown function \"{name}\": the value before '.{attribute}' is {_kind(value)}, not a map"
    if value is None:
        return f"{words}; '?.{attribute}' gives null instead"
    if value == "_":
        return f"{words}; YAQL reads variables as $.{attribute}"
    return words


def _operator(operator: str, call: _Call | None) -> str:
    args = _evaluated(call.args) if call else ()
    kinds = [_kind(value) for value in args]
    words = f"operator '{operator}' cannot take {' and '.join(kinds)}"
    for each in args:
        if isinstance(each, tree.KeywordConstant):
            return f"{words}; a bare word is a text: write $.{each.value} for the variable"
    if operator == "+" and "a text" in kinds and "a number" in kinds:
        return f"{words}; str(value) makes a text of a number"
    return words


def _index(call: _Call | None) -> str:
    value, key = (*call.args, None, None)[:2] if call else (None, None)
    kind = _kind(value)
    if kind == "a list":
        return f"a list is read with a number in [ ], not with {_kind(key)}"
    hint = "; write value.substring(start, length)" if kind == "a text" else ""
    return f"{kind} has no elements to read with [ ]{hint}"


def _unknown(kind: str, name: str, names: Collection[str]) -> str:
    if name in names:
        right_way = f"value.{name}()" if kind == "function" else f"{name}()"
        return f"'{name}' exists, but not as a {kind}: write {right_way}"
    if meant := _MEANT.get(name):
        return f"unknown {kind} '{name}'; did you mean '{meant}'?"
    return f"unknown {kind} '{name}'{did_you_mean(name, names)}"


def _misfit(problem: str, kind: str, name: str, call: _Call | None) -> str:
    if call is None or problem == "Ambiguous":
        return f"more than one {kind} '{name}' fits these values"
    args = call.args[1:] if call.has_receiver else call.args
    if call.has_receiver and not call.knows_receiver:
        return f"{_kind(call.args[0])} has no {kind} '{name}'"
    written = f"; write {' or '.join(_signatures(name, call))}"
    if not any(_takes_number(function, call.has_receiver, args) for function in call.functions):
        count = f"with {len(args)} argument{'' if len(args) == 1 else 's'}" if args else "without arguments"
        return f"{kind} '{name}' cannot be called {count}{written}"
    return f"{kind} '{name}' cannot take {_kinds(_evaluated(args))}{written}"


def _signatures(name: str, call: _Call) -> list[str]:
    """How the functions of a name are called, the shortest first."""
    start = f"value.{name}" if call.has_receiver else name
    found = {f"{start}({', '.join(_parameters(function, call.has_receiver))})" for function in call.functions}
    return sorted(found, key=lambda text: (len(text), text))[:_MOST_SIGNATURES]


def _parameters(function: Any, has_receiver: bool) -> Iterator[str]:
    for parameter in _written(function, has_receiver):
        name = (parameter.alias or parameter.name).strip("_")
        yield name if parameter.default is specs.NO_DEFAULT else f"[{name}]"
    if "*" in function.parameters:
        yield "..."
    if "**" in function.parameters:
        yield "name => value"


def _takes_number(function: Any, has_receiver: bool, args: tuple[Any, ...]) -> bool:
    """Whether a function takes so many arguments."""
    if any(isinstance(each, tree.MappingRuleExpression) for each in args):
        return True
    parameters = _written(function, has_receiver)
    least = sum(parameter.default is specs.NO_DEFAULT for parameter in parameters)
    return least <= len(args) and (len(args) <= len(parameters) or "*" in function.parameters)


def _written(function: Any, has_receiver: bool) -> list[Any]:
    """The parameters of a function that stand between its brackets."""
    shown = [
        parameter
        for key, parameter in function.parameters.items()
        if parameter.position is not None
        and key != "*"
        and not isinstance(parameter.value_type, yaqltypes.HiddenParameterType)
    ]
    shown.sort(key=lambda parameter: parameter.position)
    return shown[int(has_receiver) :]


def _refused(error: BaseException) -> _Call | None:
    """The call that raised the error, by the library's frames: its exceptions do not tell what was given."""
    frame = None
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code in (runner.call.__code__, runner.choose_overload.__code__):
            frame = trace.tb_frame
        trace = trace.tb_next
    return None if frame is None else _call_of(frame)


def _call_of(frame: FrameType) -> _Call:
    given = frame.f_locals
    args, receiver = tuple(given["args"]), given["receiver"]
    has_receiver = receiver is not utils.NO_VALUE
    if frame.f_code is runner.call.__code__:
        return _Call((receiver, *args) if has_receiver else args, (), has_receiver, False)
    functions = tuple(function for level in given["candidates"] for function in level)
    known = functions
    if has_receiver:
        known = tuple(each for each in functions if _takes(each, receiver, given))
    return _Call(args, known or functions, has_receiver, bool(known))


def _takes(function: Any, receiver: Any, given: dict[str, Any]) -> bool:
    """Whether a method is one of values like the receiver."""
    parameters = _written(function, False) or [function.parameters["*"]]
    return bool(parameters[0].value_type.check(receiver, given["context"], given["engine"]))


def _kind(value: Any) -> str:
    if isinstance(value, tree.Constant):
        value = value.value
    return kind_in_words(value)


def _evaluated(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Those that have values: constants, and what was evaluated before the call was refused."""
    return tuple(
        value
        for value in values
        if isinstance(value, tree.Constant) or not isinstance(value, tree.Expression)
    )


def _kinds(values: tuple[Any, ...]) -> str:
    """The kinds of several values."""
    found = [_kind(value) for value in values]
    return ", ".join(found[:-1]) + f" and {found[-1]}" if len(found) > 1 else "".join(found) or "these values"
