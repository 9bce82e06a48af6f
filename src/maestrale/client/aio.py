"""The client that is awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from maestrale.client.api import Api
from maestrale.client.binding import Awaited, Described, DescribedItems
from maestrale.client.connection import ANSWER_SECONDS, DEFAULT_URL, Connection, Credentials
from maestrale.client.conversation import Session, warn
from maestrale.client.steps import Identify, Item, ItemSteps, Pause, Read, Send, Step
from maestrale.client.transport import FAILURES, answer_to, failure, http_options, is_stream, request_for

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")


class AsyncClient(Api[Awaited]):
    """A connection to one server, for programs with an event loop. What it is made with: see `Client`.

    Every operation is awaited, and lists and events are asynchronous iterators.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        credentials: Credentials | None = None,
        timeout: float | None = ANSWER_SECONDS,
        verify: bool | ssl.SSLContext = True,
        on_warning: Callable[[str], None] = warn,
    ) -> None:
        super().__init__(self)
        self._session = Session(base_url.rstrip("/"), timeout, on_warning)
        self._credentials = credentials
        self._http = httpx.AsyncClient(**http_options(base_url, verify))

    @classmethod
    def from_environment(cls) -> Self:
        """The server that the environment names, as for the command line."""
        return cls(**Connection.from_environment().options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def finish(self, described: Described[T]) -> T:
        """The result of a `Request`, or of what takes several. Raises `ClientError`."""
        steps = described.steps(self._session)
        work = _Work(self._http, self._session.base_url, self._credentials)
        try:
            step = next(steps)
            while True:
                step = steps.send(await work.perform(step))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()
            await work.close()

    def go_through(self, described: DescribedItems[T]) -> AsyncItems[T]:
        """The objects one by one, which are asked for as they are needed."""
        work = _Work(self._http, self._session.base_url, self._credentials)
        return AsyncItems(described.steps(self._session), work)


class AsyncItems(Generic[T]):
    """Gives objects one by one; asking for the next one may raise `ClientError`.

    `more`, once it has given all: whether the server probably has more than were asked for.
    """

    def __init__(self, steps: ItemSteps[T], work: _Work) -> None:
        self.more = False
        self._objects = self._run(steps, work)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await anext(self._objects)

    async def aclose(self) -> None:
        """Want no more of them, and let go of the connection."""
        await self._objects.aclose()

    async def _run(self, steps: ItemSteps[T], work: _Work) -> AsyncGenerator[T, None]:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Item):
                    yield step.value
                    step = next(steps)
                else:
                    step = steps.send(await work.perform(step))
        except StopIteration as end:
            self.more = end.value
        finally:
            steps.close()
            await work.close()


class _Work:
    """Carries out the steps of one conversation."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, credentials: Credentials | None) -> None:
        self._http = http
        self._base_url = base_url
        self._credentials = credentials
        self._stream: httpx.Response | None = None
        self._texts: AsyncIterator[str]

    async def perform(self, step: Step) -> Any:
        """Do it; what came of it."""
        match step:
            case Send():
                return await self._send(step)
            case Read():
                return await self._read()
            case Identify(renew):
                return await self._identify(renew)
            case Pause(seconds):
                await asyncio.sleep(seconds)
        return None

    async def close(self) -> None:
        """Let go of a stream."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _send(self, step: Send) -> Any:
        await self.close()
        try:
            response = await self._http.send(request_for(self._http, step), stream=True)
            if is_stream(step, response):
                self._stream, self._texts = response, response.aiter_text()
            else:
                await response.aread()
                await response.aclose()
        except FAILURES as error:
            return failure(self._base_url, error, step)
        return answer_to(step, response)

    async def _read(self) -> Any:
        try:
            return await anext(self._texts, None)
        except FAILURES as error:
            return failure(self._base_url, error)

    async def _identify(self, renew: bool) -> bool | Mapping[str, str]:
        if self._credentials is None:
            return False if renew else {}
        return await asyncio.to_thread(self._credentials.renew if renew else self._credentials.headers)
