"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from maestrale.client.api import Api
from maestrale.client.binding import Blocking, Described, DescribedItems
from maestrale.client.connection import ANSWER_SECONDS, DEFAULT_URL, Connection, Credentials
from maestrale.client.conversation import Session, warn
from maestrale.client.steps import Identify, Item, ItemSteps, Pause, Read, Send, Step
from maestrale.client.transport import FAILURES, answer_to, failure, http_options, is_stream, request_for

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")


class Client(Api[Blocking]):
    """A connection to one server, for programs that wait for each answer; threads may share it.

    `base_url` includes the version (`http://host:8989/v2`). `timeout` is the time in seconds that an answer
    may take, None for ever. `verify` is False to accept any certificate, or an SSL context. `on_warning` is
    told what the server finds odd in texts that it takes; otherwise that is logged.
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
        self._http = httpx.Client(**http_options(base_url, verify))

    @classmethod
    def from_environment(cls) -> Self:
        """The server that the environment names, as for the command line."""
        return cls(**Connection.from_environment().options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def finish(self, described: Described[T]) -> T:
        """The result of a `Request`, or of what takes several. Raises `ClientError`."""
        steps = described.steps(self._session)
        work = _Work(self._http, self._session.base_url, self._credentials)
        try:
            step = next(steps)
            while True:
                step = steps.send(work.perform(step))
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            steps.close()
            work.close()

    def go_through(self, described: DescribedItems[T]) -> Items[T]:
        """The objects one by one, which are asked for as they are needed."""
        work = _Work(self._http, self._session.base_url, self._credentials)
        return Items(described.steps(self._session), work)


class Items(Generic[T]):
    """Gives objects one by one; asking for the next one may raise `ClientError`.

    `more`, once it has given all: whether the server probably has more than were asked for.
    """

    def __init__(self, steps: ItemSteps[T], work: _Work) -> None:
        self.more = False
        self._objects = self._run(steps, work)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._objects)

    def close(self) -> None:
        """Want no more of them, and let go of the connection."""
        self._objects.close()

    def _run(self, steps: ItemSteps[T], work: _Work) -> Generator[T, None, None]:
        try:
            step = next(steps)
            while True:
                if isinstance(step, Item):
                    yield step.value
                    step = next(steps)
                else:
                    step = steps.send(work.perform(step))
        except StopIteration as end:
            self.more = end.value
        finally:
            steps.close()
            work.close()


class _Work:
    """Carries out the steps of one conversation."""

    def __init__(self, http: httpx.Client, base_url: str, credentials: Credentials | None) -> None:
        self._http = http
        self._base_url = base_url
        self._credentials = credentials
        self._stream: httpx.Response | None = None
        self._texts: Iterator[str] = iter(())

    def perform(self, step: Step) -> Any:
        """Do it; what came of it."""
        match step:
            case Send():
                return self._send(step)
            case Read():
                return self._read()
            case Identify(renew):
                return self._identify(renew)
            case Pause(seconds):
                time.sleep(seconds)
        return None

    def close(self) -> None:
        """Let go of a stream."""
        if self._stream is not None:
            self._stream.close()

    def _send(self, step: Send) -> Any:
        self.close()
        try:
            response = self._http.send(request_for(self._http, step), stream=True)
            if is_stream(step, response):
                self._stream, self._texts = response, response.iter_text()
            else:
                response.read()
                response.close()
        except FAILURES as error:
            return failure(self._base_url, error, step)
        return answer_to(step, response)

    def _read(self) -> Any:
        try:
            return next(self._texts, None)
        except FAILURES as error:
            return failure(self._base_url, error)

    def _identify(self, renew: bool) -> bool | Mapping[str, str]:
        if self._credentials is None:
            return False if renew else {}
        return self._credentials.renew() if renew else self._credentials.headers()
