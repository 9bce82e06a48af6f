"""Evaluates what may take long in a helper process, one expression after the other."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from typing import IO, Final, Protocol

from maestrale.expressions import template
from maestrale.expressions.leaving import Outcome, Request, as_data, evaluate_request
from maestrale.model.errors import BadRequest
from maestrale.model.values import Json
from maestrale.runtime.helper import LENGTH, READY, Setup, pack, read_data
from maestrale.store.documents import dump

log = logging.getLogger(__name__)

_PATIENCE_AT_START: Final = 60.0
"""Seconds until a helper process must be ready to work."""

_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
"""Variables of the environment that a helper process sees; no other, for they may hold secrets."""

UNREACHABLE: Final = (
    "it may take long, and the helper process for that does not work; see the log",
    "steps_in_place",
)


class Evaluator(Protocol):
    """Evaluates requests somewhere where nobody is delayed."""

    def evaluate(self, request: Request) -> Future[Json]:
        """The outcome of a request, as data."""
        ...

    def stop(self) -> None:
        """End what is being evaluated, and answer no more."""
        ...


class InPlace:
    """Evaluates at once and here, without a limit of time: for worlds with a time of their own."""

    def evaluate(self, request: Request) -> Future[Json]:
        """The outcome, already there."""
        future: Future[Json] = Future()
        sent = read_data(dump(request), Request)
        future.set_result(as_data(evaluate_request(sent, template.evaluate)))
        return future

    def stop(self) -> None:
        """There is nothing to end."""


class HelperProcess:
    """A process of its own, started with the first request. Methods may be called from any thread.

    `command` starts the process. What is too slow or too large ends it; then it is started again.
    """

    def __init__(
        self, command: tuple[str, ...] = (sys.executable, "-P", "-m", "maestrale.runtime.helper")
    ) -> None:
        self._command = command
        self._waiting: queue.SimpleQueue[tuple[Request, Future[Json]] | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._is_stopped = False

    def evaluate(self, request: Request) -> Future[Json]:
        """The outcome of a request, as data; it waits for those before it."""
        future: Future[Json] = Future()
        self._waiting.put((request, future))
        with self._starting:
            if self._thread is None and not self._is_stopped:
                self._thread = threading.Thread(target=self._serve, name="expressions", daemon=True)
                self._thread.start()
        return future

    def stop(self) -> None:
        """End the process; who still waits learns nothing any more."""
        with self._starting:
            self._is_stopped = True
            thread, process = self._thread, self._process
        self._waiting.put(None)
        if process is not None:
            process.kill()
        if thread is not None:
            thread.join()

    @property
    def process_id(self) -> int | None:
        """The number of the process, if there is one."""
        return None if self._process is None else self._process.pid

    def _serve(self) -> None:
        while (waiting := self._waiting.get()) is not None and not self._is_stopped:
            request, future = waiting
            try:
                outcome = self._outcome(request)
            except BadRequest as error:
                outcome = Outcome(error=error.message)
            except Exception:
                log.exception("Expressions that may take long cannot be evaluated")
                self._end()
                outcome = Outcome(refused=UNREACHABLE)
            if self._is_stopped:
                break
            future.set_result(as_data(outcome))
            if outcome.refused is not None and self._process is None:
                self._prepare()
        self._end()

    def _prepare(self) -> None:
        """Let the next process get ready before it is needed."""
        try:
            self._start()
        except OSError as error:
            log.error("The helper process for expressions cannot be started: %s", error)

    def _outcome(self, request: Request) -> Outcome:
        options, _ = template.configuration()
        message = pack(dump(request))
        try:
            process = self._running()
            assert process.stdin is not None
            process.stdin.write(message)
            process.stdin.flush()
            seconds = options.time_limit if options.time_limit > 0 else None
            data = _receive(process, seconds)
        except TimeoutError:
            self._end()
            return Outcome(refused=(f"it takes longer than {options.time_limit:g} s", "time_limit"))
        except EOFError:
            self._end()
            return Outcome(
                refused=("it ended the helper process, in most cases for want of memory", "memory_limit")
            )
        found: Outcome = read_data(data, Outcome)
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        """The process, ready to work. Raises `OSError`."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        process = self._process
        assert process is not None
        if not self._is_ready:
            try:
                self._is_ready = _receive(process, _PATIENCE_AT_START) == READY
            except (EOFError, TimeoutError) as error:
                raise OSError(f"the helper process does not start: {error}") from None
        return process

    def _start(self) -> None:
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        with self._starting:
            if self._is_stopped:
                raise OSError("the service stops")
            self._is_ready = False
            self._process = process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd="/"
            )
        options, added = template.configuration()
        assert process.stdin is not None
        process.stdin.write(pack(dump(Setup(options, added))))
        process.stdin.flush()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # what could not be written any more was for a process that has ended
        pipe.close()


def _receive(process: subprocess.Popen[bytes], seconds: float | None) -> bytes:
    """A message of the process. Raises `TimeoutError`, or `EOFError` if the process has ended."""
    deadline = None if seconds is None else time.monotonic() + seconds
    (length,) = LENGTH.unpack(_read(process, LENGTH.size, deadline))
    return _read(process, length, deadline)


def _read(process: subprocess.Popen[bytes], size: int, deadline: float | None) -> bytes:
    assert process.stdout is not None
    output = process.stdout.fileno()
    parts = []
    while size:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("no answer in time")
        ready, _, _ = select.select([output], [], [], left)
        if not ready:
            raise TimeoutError("no answer in time")
        part = os.read(output, min(size, 1 << 20))
        if not part:
            raise EOFError("it has ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
