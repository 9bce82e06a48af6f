"""Calls of functions and methods in compiled YAQL expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from yaql.language import expressions as tree
from yaql.language import utils

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.yaql_closures import Closure, Names
from maestrale.expressions.yaql_overloads import Argument, Library, Plan, construct


class Written(NamedTuple):
    """The arguments of a call as they are written; `arguments` has also their parts, by `id` of the node."""

    nodes: tuple[Any, ...]
    arguments: dict[int, Argument]


class _Call:
    """A call as it is written, with what is known of the functions that it may mean."""

    def __init__(self, library: Library, name: str, written: Written, receiver: Any = utils.NO_VALUE) -> None:
        """`receiver` is a value of the type that the receiver will have."""
        self._library = library
        self._name = name
        self._has_receiver = receiver is not utils.NO_VALUE
        given = (receiver, *written.nodes) if self._has_receiver else written.nodes
        candidates = library.candidates(name, library.overloads(name, self._has_receiver), given, {})
        if not candidates.levels:
            raise NotCompiled(construct(name))
        self._levels = candidates.levels
        self.evaluated: list[Closure] = []
        """The arguments that are evaluated before the call, in their order."""
        first = int(self._has_receiver)
        self._args: list[int | Argument] = [0] if self._has_receiver else []
        for place, node in enumerate(candidates.args[first:], first):
            self._args.append(self._sorted(written.arguments[id(node)], place in candidates.lazy))
        self._kwargs = {
            key: self._sorted(written.arguments[id(node)], key in candidates.lazy)
            for key, node in candidates.kwargs.items()
        }
        self._plans: dict[tuple[type, ...], Plan] = {}

    def _sorted(self, argument: Argument, is_lazy: bool) -> int | Argument:
        if is_lazy or isinstance(argument.node, tree.Constant):
            return argument
        self.evaluated.append(argument.closure)
        return len(self.evaluated) - 1 + int(self._has_receiver)

    def plan(self, values: Sequence[Any]) -> Plan:
        """The plan for values of these types; the first is the receiver, if there is one."""
        kinds = tuple(map(type, values))
        found = self._plans.get(kinds)
        if found is None:
            found = self._plans[kinds] = self._plan(values)
        return found

    def _plan(self, values: Sequence[Any]) -> Plan:
        args = tuple(_sample(argument, values) for argument in self._args)
        kwargs = {name: _sample(argument, values) for name, argument in self._kwargs.items()}
        receiver = values[0] if self._has_receiver else utils.NO_VALUE
        function = self._library.choose(self._name, self._levels, receiver, args, kwargs)
        return self._library.plan(function, self._args, self._kwargs)


def _sample(argument: int | Argument, values: Sequence[Any]) -> Any:
    return values[argument] if isinstance(argument, int) else argument.node


def function_call(library: Library, name: str, written: Written) -> Closure:
    """`name(arguments)`."""
    call = _Call(library, name, written)
    evaluated = call.evaluated

    def evaluate(names: Names, dollar: Any) -> Any:
        values = [argument(names, dollar) for argument in evaluated]
        return call.plan(values)(values, names, dollar)

    return evaluate


def method_call(library: Library, receiver: Closure, name: str, written: Written, if_any: bool) -> Closure:
    """`receiver.name(arguments)`; with `if_any`, null if the receiver is null."""
    calls: dict[type, _Call] = {}

    def evaluate(names: Names, dollar: Any) -> Any:
        value = receiver(names, dollar)
        if if_any and value is None:
            return None
        call = calls.get(type(value))
        if call is None:
            call = calls[type(value)] = _Call(library, name, written, value)
        values = [value, *[argument(names, dollar) for argument in call.evaluated]]
        return call.plan(values)(values, names, dollar)

    return evaluate


def with_variables(values: Sequence[Closure], named: Mapping[str, Closure], then: Closure) -> Closure:
    """`let(values, named) -> then`."""

    def evaluate(names: Names, dollar: Any) -> Any:
        given = [value(names, dollar) for value in values]
        bound = dict(names)
        bound.update((f"${place}", value) for place, value in enumerate(given[1:], 2))
        bound.update({name: value(names, dollar) for name, value in named.items()})
        return then(bound, given[0] if given else dollar)

    return evaluate
