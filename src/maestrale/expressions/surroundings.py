"""What an expression can ask for besides its data: the port behind `task()`, `env()` and the like."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from maestrale.model.values import Json, Microseconds


class Passthrough(Exception):
    """Marks what leaves the evaluators unchanged: not an evaluation error but a request of the caller's.

    Whatever a method of `Surroundings` (or a layer) raises of this kind arrives where the evaluation
    was asked for, even if an expression would have swallowed it.
    """


class LazyMap(Mapping[str, Json]):
    """A map of which some values are worked out only when they are read, by what `later` says.

    All keys stand in `values`, for their order.
    """

    __slots__ = ("_later", "_values")

    def __init__(self, values: dict[str, Json], later: dict[str, Callable[[], Json]]) -> None:
        self._values = values
        self._later = later

    def plain(self) -> dict[str, Json]:
        """Everything, as an ordinary map."""
        for key in list(self._later):
            self[key]
        return self._values

    def __getitem__(self, key: str) -> Json:
        work_out = self._later.get(key)
        if work_out is not None:
            self._values[key] = work_out()
            del self._later[key]
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Surroundings(Protocol):
    """Answers the service's own functions for one evaluation.

    Any method may raise a need (a `Passthrough` of the engine's); it is not an evaluation error. An
    expression may ask the same thing twice, and gets the same answer; only `uuid` and `random` are asked
    as often as the expression says, for they answer something else each time.
    """

    def task(self, name: str | None) -> Mapping[str, Json] | None: ...

    def tasks(
        self, execution_id: str | None, recursive: bool, state: str | None, flat: bool
    ) -> list[dict[str, Json]]: ...

    def execution(self) -> dict[str, Json] | None: ...

    def executions(
        self,
        execution_id: str | None,
        root_execution_id: str | None,
        state: str | None,
        from_time: str | None,
        to_time: str | None,
    ) -> list[dict[str, Json]]: ...

    def env(self) -> Mapping[str, Json] | None: ...

    def global_variable(self, name: str) -> Json: ...

    def uuid(self) -> str: ...

    def random(self) -> float: ...

    def now(self) -> Microseconds: ...


class Elsewhere(Protocol):
    """A place where costly expressions are evaluated without delaying anybody."""

    @property
    def texts(self) -> Collection[str]:
        """The texts of which one has been evaluated there already."""
        ...

    def evaluated(self, key: str, request: Any, *, ask: bool) -> Json:
        """The outcome of a request (see `leaving`); `key` tells it from other requests.

        `msgspec.UNSET` while it is not known, unless it is to be asked for: that raises a `Passthrough`.
        """
        ...


class Scope(msgspec.Struct, frozen=True):
    """What one expression sees: layers of variables, the first layer that has a name wins.

    `root`, when given, is what `$` and `_` mean instead of the merged layers (any value, e.g. the
    result that an ad-hoc action's `output` transforms). `elsewhere`: who finishes what takes too long here.
    `is_killable`: whoever evaluates can be ended at any time, and so may take long.
    """

    layers: Sequence[Mapping[str, Json]] = ()
    surroundings: Surroundings | None = None
    root: Json = msgspec.UNSET
    elsewhere: Elsewhere | None = None
    is_killable: bool = False


NO_SCOPE: Final = Scope()
"""For what depends on no value."""
