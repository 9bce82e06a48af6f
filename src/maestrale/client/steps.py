"""What a conversation with a server is made of: steps that a transport carries out, and what comes back.

A conversation is a generator. It yields steps, is sent what became of them, and knows of no sockets and no
event loop: so the one that blocks and the one that is awaited are the same.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Identify(msgspec.Struct, frozen=True):
    """Find out which headers say who asks: a mapping comes back.

    With `renew`: whether there are others than those that were refused.
    """

    renew: bool = False


class Send(msgspec.Struct, frozen=True):
    """Send a request: an `Answer` comes back, or a `ServerUnreachable` (not raised).

    `timeout`: seconds until the answer, None for ever. `stream`: leave the content of a success for `Read`.
    """

    method: str
    url: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: str | None = None
    timeout: float | None = None
    stream: bool = False


class Read(msgspec.Struct, frozen=True):
    """Wait for more of a stream: text, None at its end, or a `ServerUnreachable` (not raised)."""


class Pause(msgspec.Struct, frozen=True):
    """Do nothing for so many seconds."""

    seconds: float


class Item(msgspec.Struct, Generic[T], frozen=True):
    """One of the objects that the caller goes through."""

    value: T


class Answer(msgspec.Struct, frozen=True):
    """What a server has answered. Names of headers are in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str


Step = Identify | Send | Read | Pause
Steps = Generator[Step, Any, T]
"""A conversation with a result."""

ItemSteps = Generator[Step | Item[T], Any, bool]
"""A conversation that gives objects one by one; its result: whether the server has more of them."""
