"""Scripts in processes of their own: a script can be killed, and cannot harm the service."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Final

import msgspec

from maestrale.actions.settings import JavaScriptSettings
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json

PROGRAM: Final = Path(__file__).with_name("javascript_child.py")

START_PATIENCE: Final = 30.0
"""Seconds for a new process to be ready."""

KILL_AFTER: Final = 2.0
"""Seconds beyond its time until a script is killed whose engine does not stop it."""

IDLE_SECONDS: Final = 60.0
"""How long a process without work is kept."""

LARGEST_USE: Final = 200
"""Scripts that one process evaluates."""

_PLACE = re.compile(r"<anonymous>:(\d+): ")


class JavaScriptFailure(MaestraleError):
    """The script failed, was stopped, or could not be started."""


class JavaScript:
    """Evaluates scripts for one event loop; close it there in the end."""

    def __init__(self, settings: JavaScriptSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(settings.processes)
        self._idle: list[_Child] = []
        self._ending: set[asyncio.Task[int]] = set()

    async def evaluate(self, script: str, context: Json) -> Json:
        """What the body `script` of a function returns, with `context` as `$`.

        Raises `JavaScriptFailure`. Whoever cancels this kills the script.
        """
        limits = self._settings
        request = {
            "script": script,
            "context": msgspec.json.encode(context).decode(),
            "seconds": limits.timeout,
            "memory": limits.max_memory_bytes,
        }
        async with self._places:
            child = await self._take()
            try:
                async with asyncio.timeout(limits.timeout + KILL_AFTER):
                    answer = await child.ask(msgspec.json.encode(request), limits.max_result_bytes)
            except TimeoutError:
                self._end(child)
                raise self._too_slow() from None
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                self._end(child)
                raise self._too_big() from error
            except BaseException:
                self._end(child)
                raise
            self._give_back(child, is_used_up=answer[:1].isupper())
        return self._result(answer)

    async def close(self) -> None:
        """End all processes."""
        while self._idle:
            self._end(self._idle.pop())
        while self._ending:
            await asyncio.wait(self._ending)

    async def _take(self) -> _Child:
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            self._end(child)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", str(PROGRAM), stdin=PIPE, stdout=PIPE, stderr=PIPE, env={}, cwd="/"
        )
        child = _Child(process)
        try:
            async with asyncio.timeout(START_PATIENCE):
                await child.answer(0)
        except BaseException as error:
            self._end(child)
            if isinstance(error, asyncio.IncompleteReadError):
                raise _failed(f"the engine does not start: {await child.last_words()}") from error
            if isinstance(error, TimeoutError):
                raise _failed(f"the engine does not start within {START_PATIENCE:g} seconds") from error
            raise
        return child

    def _give_back(self, child: _Child, *, is_used_up: bool) -> None:
        child.uses += 1
        if is_used_up or child.uses >= LARGEST_USE:
            self._end(child)
            return
        self._idle.append(child)
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle, child, child.uses)

    def _end_idle(self, child: _Child, uses: int) -> None:
        if child in self._idle and child.uses == uses:
            self._idle.remove(child)
            self._end(child)

    def _end(self, child: _Child) -> None:
        """Kill a process at once, and see to it that nothing of it is left."""
        with contextlib.suppress(ProcessLookupError):
            child.process.kill()
        ending = asyncio.get_running_loop().create_task(child.process.wait())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    def _result(self, answer: bytes) -> Json:
        text = answer[1:].decode()
        match answer[:1].lower():
            case b"r":
                try:
                    return msgspec.json.decode(text)
                except msgspec.MsgspecError as error:
                    raise _failed(f"the result is not JSON: {error}") from error
            case b"n":
                raise _failed(f"the result has no JSON form: {_PLACE.sub('', _first_line(text))}")
            case b"t":
                raise self._too_slow()
            case b"m":
                raise self._too_big()
            case _:
                raise _failed(_PLACE.sub(r"line \1: ", _first_line(text), count=1))

    def _too_slow(self) -> JavaScriptFailure:
        return _failed(
            f"the script ran longer than {self._settings.timeout:g} seconds",
            f"the operator sets the limit with {JavaScriptSettings.where('timeout')}",
        )

    def _too_big(self) -> JavaScriptFailure:
        return _failed(
            f"the script used more memory than {self._settings.max_memory_bytes} bytes",
            f"the operator sets the limit with {JavaScriptSettings.where('max_memory_bytes')}",
        )


class _Child:
    """One process, and how to speak with it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.uses = 0

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def ask(self, request: bytes, limit: int) -> bytes:
        """The answer to a request. Raises `JavaScriptFailure` if it is longer than `limit` bytes."""
        stdin: Any = self.process.stdin
        stdin.write(struct.pack(">I", len(request)) + request)
        await stdin.drain()
        return await self.answer(limit)

    async def answer(self, limit: int) -> bytes:
        stdout: Any = self.process.stdout
        [length] = struct.unpack(">I", await stdout.readexactly(4))
        if length > limit + 1:
            raise _failed(
                f"the result is longer than {limit} bytes",
                f"the operator sets the limit with {JavaScriptSettings.where('max_result_bytes')}",
            )
        received: bytes = await stdout.readexactly(length)
        return received

    async def last_words(self) -> str:
        """The last line that a process wrote about its end."""
        stderr: Any = self.process.stderr
        lines = (await stderr.read()).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it says nothing"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def _failed(why: str, hint: str = "") -> JavaScriptFailure:
    return JavaScriptFailure(f"JavaScriptAction failed: {why}", hint)
