"""Runs dynamic actions, each in a process of its own that is ended with everything it has started.

The process has a new interpreter, an empty folder, bounds on memory and time, and none of the service's
environment variables. That stops accidents. It is no cage for somebody who means harm: it runs as the user
of the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from maestrale.actions.base import ActionContext
from maestrale.actions.process_settings import ProcessSettings
from maestrale.model import states
from maestrale.model.actions import ActionResult, result_of_error
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json

PROGRAM: Final = Path(__file__).with_name("dynamic_main.py")

PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ")
"""Environment variables that a process gets."""

LONGEST_ANSWER: Final = 16 * 1024 * 1024
LONGEST_LOG: Final = 16 * 1024
"""Bytes of an answer, and the last bytes of what is printed that the log gets."""

LAST_WORDS: Final = 1.0
"""Seconds for the rest of an answer, and for the end of a killed process."""


class Order(msgspec.Struct, frozen=True):
    """What to run: a class in the text of a code source, for the action `name`."""

    name: str
    source: str
    text: str
    class_name: str
    waits_outside: bool = False


class _Answer(msgspec.Struct):
    state: str
    result: Json = None
    problem: str = ""


class _Failed(Exception):
    """The process brought no result, for a reason that is not of the service's making."""


async def run_order(
    order: Order, context: ActionContext, given: dict[str, Json], settings: ProcessSettings
) -> ActionResult:
    """The result of an action in a new process, which is gone when this returns or is cancelled."""
    try:
        async with _process(context.logger, order.name) as process:
            answer = await process.ask(_encoded(order, context, given, settings), settings.time_limit)
        if answer.problem:
            raise _Failed(answer.problem)
    except _Failed as error:
        return result_of_error(error, order.name, context.action_execution_id)
    return ActionResult(answer.state, answer.result)


def _encoded(
    order: Order, context: ActionContext, given: dict[str, Json], settings: ProcessSettings
) -> bytes:
    facts = {
        name: getattr(context, name)
        for name in context.__struct_fields__
        if name not in ("logger", "settings", "callback_path", "signals", "security")
    }
    security = msgspec.structs.asdict(context.security or SecurityContext())
    return msgspec.json.encode(
        {
            **msgspec.structs.asdict(order),
            "input": given,
            "context": facts | {"callback_url": context.callback_path},
            "security": security,
            "memory_mb": settings.memory_mb,
            "cpu_seconds": math.ceil(settings.time_limit),
        }
    )


@contextlib.asynccontextmanager
async def _process(logger: logging.Logger, name: str) -> AsyncIterator[_Process]:
    folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="maestrale-")
    try:
        process = _Process(folder)
        try:
            yield process
        finally:
            await process.end()
            process.write_log(logger, name)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


class _Process:
    """A process that runs `dynamic_main.py`, in a session of its own."""

    def __init__(self, folder: str) -> None:
        self._loop = asyncio.get_running_loop()
        environment = {variable: os.environ[variable] for variable in PASSED_ON if variable in os.environ}
        self._popen = subprocess.Popen(
            (sys.executable, "-I", "-X", "utf8", str(PROGRAM)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**environment, "HOME": folder, "TMPDIR": folder},
            start_new_session=True,
        )
        self._is_over = asyncio.Event()
        self._transports: list[asyncio.BaseTransport] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._logging: asyncio.Task[None] | None = None
        self._log = bytearray()
        self._dropped = 0
        self._is_failed = False
        # It is not reaped before it is ended: until then nobody else gets its number.
        threading.Thread(target=self._watch, name="dynamic action", daemon=True).start()

    async def ask(self, order: bytes, seconds: float) -> _Answer:
        """Hand in an order, and wait for the answer. Raises `_Failed` if none comes in time."""
        answers = await self._reader(self._popen.stdout)
        self._logging = self._begin(self._keep_log(await self._reader(self._popen.stderr)))
        self._begin(self._hand_in(order))
        answering = self._begin(_read_answer(answers))
        over = self._begin(self._is_over.wait())
        self._is_failed = True
        try:
            async with asyncio.timeout(seconds) as limit:
                await asyncio.wait({answering, over}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            if not limit.expired():
                raise
            raise _Failed(f"it took longer than the {seconds:g} seconds that it may take") from None
        if not answering.done():
            await asyncio.wait({answering}, timeout=LAST_WORDS)  # whom it has started may hold the pipe open
        line = answering.result() if answering.done() else b""
        if not line:
            raise _Failed(await self._how_it_ended())
        try:
            answer = msgspec.json.decode(line, type=_Answer)
        except msgspec.DecodeError as error:
            raise _Failed(f"the answer of its process makes no sense: {error}") from None
        self._is_failed = answer.state == states.ERROR
        return answer

    async def end(self) -> None:
        """Kill the process with all that it has started in its session, and let go of what belongs to it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._is_over.wait()
                self._popen.wait()
        if self._logging is not None:
            await asyncio.wait({self._logging}, timeout=LAST_WORDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:
            transport.close()

    def write_log(self, logger: logging.Logger, name: str) -> None:
        """Tell the log the last of what the action printed."""
        if self._log:
            dropped = f" (after {self._dropped} bytes more)" if self._dropped else ""
            text = self._log.decode(errors="replace").rstrip()
            level = logging.WARNING if self._is_failed else logging.INFO
            logger.log(level, "The dynamic action '%s' printed%s:\n%s", name, dropped, text)

    def _watch(self) -> None:
        os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            self._loop.call_soon_threadsafe(self._is_over.set)

    def _begin(self, coroutine: Any) -> asyncio.Task[Any]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)
        return task

    async def _reader(self, pipe: IO[bytes] | None) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        transport, _ = await self._loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        self._transports.append(transport)
        return reader

    async def _hand_in(self, order: bytes) -> None:
        transport, _ = await self._loop.connect_write_pipe(asyncio.BaseProtocol, self._popen.stdin)
        self._transports.append(transport)
        transport.write(order)
        transport.write_eof()

    async def _keep_log(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(LONGEST_LOG):
            self._log += chunk
            surplus = max(0, len(self._log) - LONGEST_LOG)
            self._dropped += surplus
            del self._log[:surplus]

    async def _how_it_ended(self) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._is_over.wait()
                status = self._popen.wait()
                if status >= 0:
                    return f"its process ended with exit status {status} and without a result"
                if -status == signal.SIGXCPU:
                    return "it took more time of the processor than it may take"
                return f"its process was killed by {signal.Signals(-status).name}"
        return "its process closed the way to the service"


async def _read_answer(reader: asyncio.StreamReader) -> bytes:
    """One line, empty if there is none. Raises `_Failed` for one that is too long."""
    found = bytearray()
    while chunk := await reader.read(1024 * 1024):
        found += chunk
        if len(found) > LONGEST_ANSWER:
            raise _Failed(f"its result is larger than {LONGEST_ANSWER // (1024 * 1024)} MiB")
        if found.endswith(b"\n"):
            return bytes(found)
    return b""
