"""What a method of a path takes and answers: declared at its endpoint, told by the OpenAPI document.

The declaration also binds: `routing.py` refuses query arguments that it does not name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from maestrale.api.listing import ListQuery
from maestrale.model.errors import MaestraleError

Endpoint = Callable[[Request], Awaitable[Response]]
E = TypeVar("E", bound=Callable[..., Any])

JSON: Final = "application/json"

Document = dict[str, Any]
"""An OpenAPI document, or a part of one."""

_OPERATION: Final = "maestrale_operation"


class Argument(msgspec.Struct, frozen=True):
    """An argument of a query. `type` may be annotated with `msgspec.Meta`."""

    name: str
    description: str
    type: Any = str
    required: bool = False


class Media(msgspec.Struct, frozen=True):
    """A body that is no JSON. `schema`: of each event, if it is a stream of them; otherwise it is a text."""

    type: str
    description: str
    example: str | None = None
    schema: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "string"})


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """How to call an endpoint, and what can come back.

    `answers`: the type of the JSON (or the `Media`) that it answers with `status`; None for no body. `also`:
    the same for further statuses of success. `takes`: the type of the JSON, or the `Media`, of the request's
    body. `query`: its arguments, a `ListQuery` for lists; None where any are ignored. `fails`: errors that
    it can answer with besides those of every request. `example`: a body that makes sense. `open`: whether
    strangers may ask it. `unlisted`: whether it is the answer to a mistake, and no way to get something.
    """

    answers: Any = None
    status: int = 200
    also: Mapping[int, Any] = {}
    takes: Any = None
    query: tuple[Argument, ...] | ListQuery | None = ()
    fails: tuple[type[MaestraleError], ...] = ()
    example: Any = None
    open: bool = False
    unlisted: bool = False

    @property
    def known(self) -> frozenset[str] | None:
        """The names that its query may have; None for any."""
        if self.query is None:
            return None
        if isinstance(self.query, ListQuery):
            return self.query.known
        return frozenset(argument.name for argument in self.query)


def operation(
    *,
    answers: Any = None,
    status: int = 200,
    also: Mapping[int, Any] | None = None,
    takes: Any = None,
    query: tuple[Argument, ...] | ListQuery | None = (),
    fails: tuple[type[MaestraleError], ...] = (),
    example: Any = None,
    open: bool = False,  # noqa: A002 - as it is called everywhere else
    unlisted: bool = False,
) -> Callable[[E], E]:
    """Declare an endpoint; see `Operation`. Its docstring is what the document says of it."""
    declared = Operation(
        answers=answers,
        status=status,
        also=also or {},
        takes=takes,
        query=query,
        fails=fails,
        example=example,
        open=open,
        unlisted=unlisted,
    )

    def declare(endpoint: E) -> E:
        setattr(endpoint, _OPERATION, declared)
        return endpoint

    return declare


def operation_of(endpoint: Endpoint) -> Operation | None:
    """What was declared of an endpoint, None if nothing was."""
    return getattr(endpoint, _OPERATION, None)
