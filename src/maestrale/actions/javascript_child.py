"""Evaluates scripts in V8, one after the other, each in an engine of its own; a program for a process.

It reads requests from standard input and writes answers to standard output, each with its length in front
(four bytes, the most significant first). A request is JSON; an answer is a letter and a text: `r` with the
result as JSON, `n` with why the result has no JSON form, `e` with the error of the script, `t` for one that
took too long, `m` for one that took too much memory. A capital letter says that so much memory was used
that the program should not go on. An empty answer says that it is ready.
"""

from __future__ import annotations

import contextlib
import json
import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO

from py_mini_racer import JSEvalException, JSOOMException, JSTimeoutException, MiniRacer

MEBIBYTE = 1024 * 1024

BESIDE_THE_HEAP = 256 * MEBIBYTE
"""Memory that the process may take besides what scripts may use: for the engine, and until it notices."""

LARGEST_PEAK = 256 * MEBIBYTE
"""Memory after which a process is used up: not all of it becomes free again."""

TO_JSON = """
if (__result instanceof Promise) throw new TypeError("a promise; return what it delivers");
__result = JSON.stringify(__result);
__result === undefined ? "null" : __result
"""


def main() -> None:
    """Answer requests until the input ends."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    MiniRacer().eval("1")
    taken = _restrict()
    _write(answers, b"")
    while head := requests.read(4):
        [length] = struct.unpack(">I", head)
        request = json.loads(requests.read(length))
        if taken:
            _bound(taken + request["memory"] + BESIDE_THE_HEAP)
        letter, text = _answer(**request)
        if _peak() > LARGEST_PEAK:
            letter = letter.upper()
        _write(answers, letter.encode() + text.encode(errors="replace"))


def _write(answers: BinaryIO, answer: bytes) -> None:
    answers.write(struct.pack(">I", len(answer)) + answer)
    answers.flush()


def _peak() -> int:
    """The most bytes of memory that this program has had at a time.

    `getrusage` counts what the process had before it became this program, too: all that the service has.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lines = (line.split() for line in status.splitlines())
    return next((int(line[1]) * 1024 for line in lines if line[:1] == ["VmHWM:"]), 0)


def _restrict() -> int:
    """Give up what scripts have no use for: files to write, traces of a crash.

    The bytes that the process has taken so far; 0 where that cannot be known.
    """
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def _bound(size: int) -> None:
    """Have the system refuse more memory than this, in bytes."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (size, resource.RLIM_INFINITY))


def _answer(script: str, context: str, seconds: float, memory: int) -> tuple[str, str]:
    """Letter and text of the answer for one script.

    `context` is JSON, `seconds` and `memory` (bytes) are what the script may use.
    """
    steps = {
        "c": f"var $ = JSON.parse({json.dumps(context)}), __result;",
        "e": f"__result = (function f() {{{script}\n}})(); undefined",
        "n": TO_JSON,
    }
    value: object = None
    with MiniRacer() as engine:
        for letter, code in steps.items():
            try:
                value = engine.eval(code, timeout_sec=seconds, max_memory=memory)
            except JSTimeoutException:
                return "t", ""
            except JSOOMException:
                return "m", ""
            except JSEvalException as error:
                return letter, str(error)
    return "r", str(value)


if __name__ == "__main__":
    main()
