"""How an operation, described once, becomes a method that blocks and one that is awaited.

A kind of object is a class with operations, and generic in how they are carried out: `Executions[Blocking]`
belongs to a `Client`, `Executions[Awaited]` to an `AsyncClient`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from maestrale.client.conversation import Session
from maestrale.client.steps import ItemSteps, Steps

if TYPE_CHECKING:
    from maestrale.client.aio import AsyncItems
    from maestrale.client.sync import Items

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Mode:
    """How operations are carried out."""


class Blocking(Mode):
    """The caller waits, as with a `Client`."""


class Awaited(Mode):
    """The caller awaits, as with an `AsyncClient`."""


M = TypeVar("M", bound=Mode)


class Described(Protocol[T_co]):
    """What has a result."""

    def steps(self, session: Session) -> Steps[T_co]:
        """How to come by it."""


class DescribedItems(Protocol[T]):
    """What gives objects one by one."""

    def steps(self, session: Session) -> ItemSteps[T]:
        """How to come by them."""


class Carrier(Protocol):
    """A client, as its kinds of objects see it."""

    def finish(self, described: Described[Any], /) -> Any:
        """The result, or what to await for it."""

    def go_through(self, described: DescribedItems[Any], /) -> Any:
        """The objects one by one."""


class Kind(Generic[M]):
    """One kind of objects of the API, and what can be done with it."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier

    def carry_out(self, described: Described[Any]) -> Any:
        """The result, or what to await for it."""
        return self.carrier.finish(described)

    def go_through(self, described: DescribedItems[Any]) -> Any:
        """The objects one by one."""
        return self.carrier.go_through(described)


class operation(Generic[P, T]):  # noqa: N801 (a decorator)
    """Makes a method of the description of what to ask: its result, or what to await for it."""

    def __init__(self, describe: Callable[Concatenate[Any, P], Described[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Kind[Blocking], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Kind[Awaited], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.carry_out(self._describe(instance, *args, **kwargs))

        return update_wrapper(call, self._describe)


class items(Generic[P, T]):  # noqa: N801 (a decorator)
    """The same for objects that come one by one: an iterator."""

    def __init__(self, describe: Callable[Concatenate[Any, P], DescribedItems[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Kind[Blocking], owner: type) -> Callable[P, Items[T]]: ...
    @overload
    def __get__(self, instance: Kind[Awaited], owner: type) -> Callable[P, AsyncItems[T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        def call(*args: P.args, **kwargs: P.kwargs) -> Any:
            return instance.go_through(self._describe(instance, *args, **kwargs))

        return update_wrapper(call, self._describe)
