"""The data of an evaluation as the languages see it: immutable, converted only where it is looked at.

Maps are wrapped without touching what is in them; a list becomes a sequence of wrapped items when it is
read. What comes out of an expression unchanged is the very value that went in. A `Secret` is opened when
it is read, and the evaluation remembers that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextvars import ContextVar
from typing import Any, Final

import msgspec

from maestrale.expressions.meter import Meter
from maestrale.expressions.options import Options
from maestrale.expressions.problems import MissingName
from maestrale.expressions.surroundings import LazyMap, Passthrough, Scope, Surroundings
from maestrale.model.values import Json, Secret

CONTEXT_VARIABLES: Final = ("__env", "__execution", "__task_execution")
"""Names of layers that are also variables of their own (`$__env`, `__env`)."""

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_DICT_ALONE: Final = frozenset({dict})
_NO_ROOT: Final = msgspec.UNSET
_SHORT: Final = 256
"""Characters or items of values that no limit is about."""


class Evaluation:
    """One expression (or text with several) while it is evaluated."""

    __slots__ = (
        "_make_list",
        "expression",
        "need",
        "options",
        "root",
        "scope",
        "touched_secret",
        "used_meter",
    )

    def __init__(
        self, scope: Scope, make_list: Callable[[Evaluation, Sequence[Json]], Any], options: Options
    ) -> None:
        self.scope = scope
        self.options = options
        self.used_meter: Meter | None = None
        self.expression = ""
        """What an error names as its place."""
        self.need: Passthrough | None = None
        """A need that a function or a layer raised; remembered because expressions may swallow exceptions."""
        self.touched_secret = False
        """Whether a `Secret` was read, which makes the result one."""
        self._make_list = make_list
        self.root: Any = ScopeView(self) if scope.root is _NO_ROOT else self.wrap(scope.root)

    def meter(self) -> Meter:
        """What counts the steps; most evaluations need none."""
        found = self.used_meter
        if found is None:
            scope = self.scope
            may_leave = scope.elsewhere is not None and not scope.is_killable
            found = Meter(self.options, may_leave=may_leave, is_killable=scope.is_killable)
            self.used_meter = found
        return found

    @property
    def is_stopped(self) -> bool:
        """Whether a limit has ended the evaluation."""
        return self.used_meter is not None and self.used_meter.stopped is not None

    def end(self) -> None:
        """Let go of the views: they refer to the evaluation, and would wait for the garbage collector."""
        self.root = None

    def begin_again(self, touched_secret: bool) -> None:
        """Forget what was read since `touched_secret` was so; views made until now are not to be used."""
        self.touched_secret = touched_secret
        self.root = ScopeView(self) if self.scope.root is _NO_ROOT else self.wrap(self.scope.root)

    def wrap(self, value: Json) -> Any:
        """`value` as an expression sees it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is dict:
            return MapView(self, value)
        if kind is list or kind is tuple:
            return self._make_list(self, value)
        if kind is Secret:
            self.touched_secret = True
            return self.wrap(value.reveal())
        if kind is LazyMap:
            return LazyView(self, value)
        if isinstance(value, Mapping):
            return MapView(self, value)
        if isinstance(value, list | tuple):
            return self._make_list(self, value)
        return value

    def clear(self, value: Json) -> Json:
        """A copy of stored data that shares nothing, with every `Secret` opened."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is Secret:
            self.touched_secret = True
            return self.clear(value.reveal())
        if isinstance(value, Mapping):
            return {key: self.clear(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clear(item) for item in value]
        return value

    def variable(self, name: str, default: Json = None) -> Any:
        """A variable of the layers, wrapped; `default` if no layer has it."""
        for layer in self.scope.layers:
            if name in layer:
                return self.wrap(layer[name])
        return default

    def surroundings(self, asking: str) -> Surroundings:
        """The port behind the service's functions; a clear error where there is none."""
        if self.scope.surroundings is None:
            raise LookupError(f"{asking}() is not available here")
        return self.scope.surroundings


def stored_at(path: Sequence[str], layers: Sequence[Mapping[str, Json]]) -> Json:
    """What stands at a path, where that is what an evaluation certainly gives too; otherwise UNSET.

    Data that are worked out when they are read, secrets and large values are left to an evaluation, as is
    what is not there.
    """
    first = path[0]
    value: Json = None
    for layer in layers:
        if type(layer) is not dict:
            return msgspec.UNSET
        if first in layer:
            value = layer[first]
            break
    else:
        return msgspec.UNSET
    for key in path[1:]:
        if type(value) is not dict or key not in value:
            return msgspec.UNSET
        value = value[key]
    kind = type(value)
    if kind is dict or (kind is not str and kind in _PLAIN):
        return value
    if kind is str:
        return value if len(value) <= _SHORT else msgspec.UNSET
    if kind is list and len(value) <= _SHORT:
        kinds = set(map(type, value))
        if kinds <= _PLAIN or kinds == _DICT_ALONE:
            return value
    return msgspec.UNSET


CURRENT: Final[ContextVar[Evaluation]] = ContextVar("evaluation")
"""The evaluation under way in this thread: functions and filters find their data by it."""


class MapView(Mapping[Any, Any]):
    """A read-only map over stored data; values are wrapped when they are read."""

    __slots__ = ("_containers", "_hash", "_stored", "evaluation")

    def __init__(self, evaluation: Evaluation, stored: Mapping[Any, Json]) -> None:
        self.evaluation = evaluation
        self._stored = stored
        self._containers: dict[Any, Any] | None = None

    @property
    def stored(self) -> Mapping[Any, Json]:
        """The data behind the view, as it is stored."""
        return self._stored

    def _missing(self, key: Any) -> MissingName:
        return MissingName(key, lambda: self.stored, is_variable=False)

    def __getitem__(self, key: Any) -> Any:
        try:
            value = self._stored[key]
        except KeyError:
            raise self._missing(key) from None
        except Passthrough as need:
            self.evaluation.need = need
            raise
        return value if type(value) in _PLAIN else self._container(key, value)

    def _container(self, key: Any, value: Json) -> Any:
        """What is not plain is wrapped once."""
        containers = self._containers
        if containers is None:
            containers = self._containers = {}
        elif key in containers:
            return containers[key]
        wrapped = containers[key] = self.evaluation.wrap(value)
        return wrapped

    def __contains__(self, key: object) -> bool:
        return key in self.stored

    def __iter__(self) -> Iterator[Any]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def keys(self) -> Any:
        return self.stored.keys()

    def values(self) -> Any:
        return self.copy().values()

    def items(self) -> Any:
        return self.copy().items()

    def copy(self) -> dict[Any, Any]:
        """A plain map of the same keys and (wrapped) values."""
        return {key: self[key] for key in self}

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash: int = 0
        for pair in self.items():
            self._hash ^= hash(pair)
        return self._hash

    def __repr__(self) -> str:
        return repr(self.copy())


class LazyView(MapView):
    """A `LazyMap`; only what has to be handed out as a whole works out all of it."""

    __slots__ = ()

    _stored: LazyMap

    @property
    def stored(self) -> Mapping[Any, Json]:
        return self._stored.plain()

    def __contains__(self, key: object) -> bool:
        return key in self._stored

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def keys(self) -> Any:
        return self._stored.keys()


class ScopeView(MapView):
    """All variables of a scope as one map; merged only if somebody asks for all of them."""

    __slots__ = ("_merged",)

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation
        self._containers = None
        self._merged: dict[Any, Json] | None = None

    @property
    def stored(self) -> Mapping[Any, Json]:
        if self._merged is None:
            self._merged = {}
            for layer in self.evaluation.scope.layers:
                for name in layer:
                    if name not in self._merged:
                        self._merged[name] = layer[name]
        return self._merged

    def _missing(self, key: Any) -> MissingName:
        return MissingName(key, lambda: self.stored, is_variable=True)

    def __getitem__(self, key: Any) -> Any:
        try:
            for layer in self.evaluation.scope.layers:
                if key in layer:
                    value = layer[key]
                    return value if type(value) in _PLAIN else self._container(key, value)
        except Passthrough as need:
            self.evaluation.need = need
            raise
        raise self._missing(key)

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self.evaluation.scope.layers)


class TupleView(tuple[Any, ...]):
    """A stored list as an immutable, hashable sequence."""

    stored: Sequence[Json]

    def __new__(cls, evaluation: Evaluation, stored: Sequence[Json]) -> TupleView:
        kinds = set(map(type, stored))
        if kinds <= _PLAIN:
            view = super().__new__(cls, stored)
        elif kinds == _DICT_ALONE:
            view = super().__new__(cls, [MapView(evaluation, item) for item in stored])
        else:
            view = super().__new__(cls, [evaluation.wrap(item) for item in stored])
        view.stored = stored
        return view


class ListView(list[Any]):
    """A stored list as a list; whoever hands it out sees to it that nobody changes it."""

    __slots__ = ("stored",)

    def __init__(self, evaluation: Evaluation, stored: Sequence[Json]) -> None:
        super().__init__([evaluation.wrap(item) for item in stored])
        self.stored = stored


_VIEWS: Final = frozenset({MapView, LazyView, ScopeView, TupleView, ListView})


def is_view(value: object) -> bool:
    """Whether `value` stands for stored data (and has it as `stored`)."""
    return type(value) in _VIEWS


def is_view_kind(kind: type) -> bool:
    """Whether values of a kind are views."""
    return kind in _VIEWS


def is_set(value: object) -> bool:
    """Whether a collection is unordered; keys and items of a map have an order."""
    return isinstance(value, Set) and not isinstance(value, type({}.keys()) | type({}.items()))
