"""Which of the library's functions a call means, found out once for each combination of types.

The library decides it at every call by trying all functions of the name, which is nearly all of what an
evaluation costs. But its decision depends on nothing but the form of the call and the types of the values:
so it is asked once, with the first values, and remembered as a `Plan`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from yaql.language import exceptions, runner, specs, utils, yaqltypes
from yaql.language import expressions as tree

from maestrale.expressions.fallbacks import NotCompiled
from maestrale.expressions.guards import count_items, counted, handle
from maestrale.expressions.views import CURRENT, LazyView, MapView
from maestrale.expressions.yaql_closures import SEQUENCES, SIMPLE, Closure, Limits, Names, Operation, measured
from maestrale.expressions.yaql_limits import HASHED, LARGE, CountedIterable, measured_result

Maker = Callable[[Sequence[Any], Names, Any], Any]
"""Makes one argument of a function from the values of a call, the variables and `$`."""

SMALL: Final = frozenset({float, bool, type(None), map, filter, MapView, LazyView, utils.FrozenDict})
"""Kinds of values that take few bytes without what they refer to."""
_SAME: Final = frozenset({yaqltypes.PythonType, yaqltypes.Integer, yaqltypes.Number, yaqltypes.Sequence})
_LEAVES_ITS_CONTEXT: Final = frozenset({"then_by", "then_by_descending", "search", "search_all"})
"""Functions that are given their context and neither read nor write it, unless they have a selector."""


class Argument(msgspec.Struct, frozen=True):
    """An argument as it is written: what the parser made of it, and compiled (twice for `a => b`)."""

    node: Any
    closure: Closure
    source: Closure | None = None
    destination: Closure | None = None


Levels = list[list[tuple[Any, Any]]]
"""Functions that a call may mean, each with how it would take the arguments; the first level wins."""


class Candidates(NamedTuple):
    """What is known of a call before its arguments are evaluated."""

    levels: Levels
    lazy: frozenset[int | str]
    """Places and names of arguments that the function itself evaluates, if and when it wants to."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Plan:
    """A function of the library and how its arguments come about."""

    __slots__ = ("_keywords", "_makers", "_payload", "_quota")

    def __init__(
        self, payload: Callable[..., Any], makers: list[Maker], keywords: dict[str, Maker], quota: int
    ) -> None:
        self._payload = payload
        self._makers = makers
        self._keywords = keywords
        self._quota = quota

    def __call__(self, values: Sequence[Any], names: Names, dollar: Any) -> Any:
        args = [make(values, names, dollar) for make in self._makers]
        try:
            if self._keywords:
                keywords = {name: make(values, names, dollar) for name, make in self._keywords.items()}
                result = self._payload(*args, **keywords)
            else:
                result = self._payload(*args)
        except StopIteration:
            # an iterator around this call must not take it for its own end
            raise NotCompiled("StopIteration") from None
        if type(result) not in SMALL:
            if sys.getsizeof(result, 0) > LARGE:
                if 0 < self._quota < sys.getsizeof(result, 0):
                    raise NotCompiled("large value")
                CURRENT.get().meter().handle(sys.getsizeof(result, 0))
            measured_result(result)
        return result


class Delegate:
    """A function of the library under one name, called with values."""

    __slots__ = ("_is_method", "_library", "_overloads", "_plans", "name")

    def __init__(self, library: Library, name: str, is_method: bool, use_convention: bool) -> None:
        self.name = name
        self._library = library
        self._is_method = is_method
        self._overloads = library.overloads(name, is_method, use_convention)
        self._plans: dict[tuple[type, ...], Plan] = {}

    def __call__(self, *values: Any) -> Any:
        for value in values:
            if type(value) is str:
                measured(value, self._library.limits.size)
        kinds = tuple(map(type, values))
        plan = self._plans.get(kinds)
        if plan is None:
            plan = self._plans[kinds] = self._plan(values)
        return plan(values, {}, None)

    def _plan(self, values: tuple[Any, ...]) -> Plan:
        library = self._library
        candidates = library.candidates(self.name, self._overloads, values, {})
        receiver = values[0] if self._is_method else utils.NO_VALUE
        function = library.choose(self.name, candidates.levels, receiver, values, {})
        return library.plan(function, list(range(len(values))), {})


class Library:
    """The functions of a root context."""

    def __init__(
        self,
        root: Any,
        engine: Any,
        limits: Limits,
        shortcuts: Mapping[str, Callable[[Operation, Limits], Operation]],
    ) -> None:
        self.limits = limits
        self._root = root
        self._engine = engine
        self._shortcuts = shortcuts
        self._delegates: dict[tuple[str, bool, bool], Operation] = {}

    def overloads(self, name: str, is_method: bool, use_convention: bool = False) -> list[set[Any]]:
        """All functions of a name, by level."""

        def fits(function: Any, _context: Any) -> bool:
            return bool(function.is_method if is_method else function.is_function)

        return self._root.collect_functions(name, fits, use_convention)  # type: ignore[no-any-return]

    def why_not(self, name: str, is_method: bool) -> str | None:
        """Why calls of a function are not compiled, if they are not."""
        functions = [function for level in self.overloads(name, is_method) for function in level]
        if not functions:
            return "unknown method" if is_method else "unknown function"
        if any(_wants_context(function) for function in functions):
            return construct(name)
        return None

    def delegate(self, name: str, is_method: bool = False, use_convention: bool = False) -> Operation:
        """The function of a name, to be called with values."""
        key = (name, is_method, use_convention)
        found = self._delegates.get(key)
        if found is None:
            found = Delegate(self, name, is_method, use_convention)
            if not is_method and (shortcut := self._shortcuts.get(name)):
                found = shortcut(found, self.limits)
            self._delegates[key] = found
        return found

    def property(self, key: str) -> Operation:
        """The function behind `value.key`; not remembered, for authors may write any key."""
        return Delegate(self, f"#property#{key}", is_method=False, use_convention=False)

    def candidates(
        self, name: str, overloads: list[set[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Candidates:
        """What the library's `choose_overload` finds out before it evaluates arguments."""
        levels: Levels = []
        lazy: frozenset[int | str] | None = None
        no_kwargs: bool | None = None
        for level in overloads:
            fitting = []
            for function in level:
                if no_kwargs is None:
                    no_kwargs = function.no_kwargs
                    try:
                        args, kwargs = runner.translate_args(no_kwargs, args, kwargs)
                    except exceptions.YaqlException:
                        raise NotCompiled(construct(name)) from None
                elif no_kwargs != function.no_kwargs:
                    raise NotCompiled(construct(name))
                mapping = function.map_args(args, kwargs, self._root, self._engine)
                if mapping is None:
                    continue
                if lazy is None:
                    lazy = _lazy_places(mapping)
                elif lazy != _lazy_places(mapping):
                    raise NotCompiled(construct(name))
                fitting.append((function, mapping))
            if fitting:
                levels.append(fitting)
        return Candidates(levels, lazy or frozenset(), tuple(args), dict(kwargs))

    def choose(
        self, name: str, levels: Levels, receiver: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The function that the library's `choose_overload` chooses for evaluated arguments."""
        for level in levels:
            chosen = chosen_mapping = None
            for function, mapping in level:
                try:
                    function.get_delegate(receiver, self._engine, self._root, args, kwargs)
                except exceptions.ArgumentException:
                    continue
                if chosen is not None:
                    if runner._is_specialization_of(chosen_mapping, mapping):
                        continue
                    if not runner._is_specialization_of(mapping, chosen_mapping):
                        raise NotCompiled(construct(name))
                chosen, chosen_mapping = function, mapping
            if chosen is not None:
                return chosen
        raise NotCompiled(construct(name))

    def plan(
        self, function: Any, args: Sequence[int | Argument], kwargs: Mapping[str, int | Argument]
    ) -> Plan:
        """How to call a function; an argument is the place of a value, or as it is written."""
        left = dict(kwargs)
        shown = [
            parameter
            for key, parameter in function.parameters.items()
            if parameter.position is not None and key != "*"
        ]
        shown.sort(key=lambda parameter: parameter.position)
        makers: list[Maker] = []
        taken = 0
        for parameter in shown:
            if isinstance(parameter.value_type, yaqltypes.HiddenParameterType):
                makers.append(self._injected(function, parameter))
                continue
            if taken < len(args):
                makers.append(self._maker(function, parameter, args[taken]))
                taken += 1
            elif (name := parameter.alias or parameter.name) in left:
                makers.append(self._maker(function, parameter, left.pop(name)))
            else:
                makers.append(self._default(function, parameter))
        if "*" in function.parameters:
            makers += [self._maker(function, function.parameters["*"], each) for each in args[taken:]]
        keywords: dict[str, Maker] = {}
        for key, parameter in function.parameters.items():
            if parameter.position is None and key != "**":
                raise NotCompiled(construct(function.name))
        keywords.update(
            {name: self._maker(function, function.parameters["**"], each) for name, each in left.items()}
        )
        return Plan(function.payload, makers, keywords, utils.get_memory_quota(self._engine))

    def _injected(self, function: Any, parameter: Any) -> Maker:
        kind = parameter.value_type
        match kind:
            case yaqltypes.Engine():
                return _fixed(self._engine)
            case yaqltypes.Delegate(name=str(name), with_context=False):
                return _fixed(self.delegate(name, kind.method, kind.use_convention))
            case yaqltypes.Context() if function.payload.__name__ in _LEAVES_ITS_CONTEXT:
                return _fixed(self._root)
        raise NotCompiled(construct(function.name))

    def _default(self, function: Any, parameter: Any) -> Maker:
        if parameter.default is specs.NO_DEFAULT:
            raise NotCompiled(construct(function.name))
        if isinstance(parameter.value_type, yaqltypes.LazyParameterType):
            if parameter.default is not None:
                raise NotCompiled(construct(function.name))
            return _fixed(None)
        return _fixed(self._convert(function, parameter, parameter.default))

    def _maker(self, function: Any, parameter: Any, argument: int | Argument) -> Maker:
        kind = parameter.value_type
        if isinstance(argument, int):
            return self._of_value(function, parameter, argument)
        if type(kind) is yaqltypes.Lambda and not kind.with_context and not kind.method:
            make = _hashed_lambda if parameter.name == HASHED else _lambda
            return make(argument.closure)
        if type(kind) is yaqltypes.MappingRule and argument.source and argument.destination:
            return _rule(argument.source, argument.destination)
        if isinstance(kind, yaqltypes.LazyParameterType) or not isinstance(argument.node, tree.Constant):
            raise NotCompiled(construct(function.name))
        return _fixed(self._convert(function, parameter, argument.node))

    def _of_value(self, function: Any, parameter: Any, place: int) -> Maker:
        kind = type(parameter.value_type)
        if kind in _SAME:
            return lambda values, _names, _dollar: values[place]
        if kind is yaqltypes.String:
            return lambda values, _names, _dollar: _text(values[place])
        if kind is CountedIterable or kind is yaqltypes.Iterator:
            limit = self.limits.items
            return lambda values, _names, _dollar: _items(values[place], limit)
        if issubclass(kind, yaqltypes.LazyParameterType):
            raise NotCompiled(construct(function.name))
        return lambda values, _names, _dollar: self._convert(function, parameter, values[place])

    def _convert(self, function: Any, parameter: Any, value: Any) -> Any:
        return parameter.value_type.convert(value, utils.NO_VALUE, self._root, function, self._engine)


def construct(name: str) -> str:
    """A function's name as it is counted: all properties together, for they may have any name."""
    return "#property" if name.startswith("#property#") else name


def _wants_context(function: Any) -> bool:
    return function.payload.__name__ not in _LEAVES_ITS_CONTEXT and any(
        isinstance(parameter.value_type, yaqltypes.Context) for parameter in function.parameters.values()
    )


def _lazy_places(mapping: tuple[tuple[Any, ...], dict[str, Any]]) -> frozenset[int | str]:
    places: list[tuple[int | str, Any]] = [*enumerate(mapping[0]), *mapping[1].items()]
    return frozenset(
        place for place, parameter in places if isinstance(parameter.value_type, yaqltypes.LazyParameterType)
    )


def _text(value: Any) -> Any:
    return value if type(value) is str or value is None else str(value)


def _items(value: Any, limit: int) -> Any:
    if type(value) in SEQUENCES and (limit < 0 or len(value) <= limit):
        CURRENT.get().meter().spend(len(value))
        return value
    if value is None:
        return None
    if not hasattr(value, "__len__"):
        return counted(value, limit)
    return count_items(utils.limit_iterable(value, limit))


def _fixed(value: Any) -> Maker:
    return lambda _values, _names, _dollar: value


def _lambda(closure: Closure) -> Maker:
    """An argument that the function evaluates itself, with `$` (and `$2` ...) as it likes."""

    def make(_values: Sequence[Any], names: Names, dollar: Any) -> Any:
        def call(first: Any = dollar, *others: Any) -> Any:
            if not others:
                return closure(names, first)
            return closure({**names, **{f"${place}": other for place, other in enumerate(others, 2)}}, first)

        return call

    return make


def _hashed_lambda(closure: Closure) -> Maker:
    """The same for a function that hashes the values, which goes through all that is in them."""

    def make(_values: Sequence[Any], names: Names, dollar: Any) -> Any:
        def call(first: Any = dollar) -> Any:
            value = closure(names, first)
            if type(value) not in SIMPLE:
                handle(value)
            return value

        call.is_hashed = True  # type: ignore[attr-defined]
        return call

    return make


def _rule(source: Closure, destination: Closure) -> Maker:
    def make(_values: Sequence[Any], names: Names, dollar: Any) -> Any:
        return utils.MappingRule(lambda: source(names, dollar), lambda: destination(names, dollar))

    return make
