"""The helper process: evaluates expressions that may take long, and can be ended at any time.

It reads requests from its standard input and writes outcomes to its standard output, each as JSON behind its
length. It knows nothing but what is sent to it; it ends with whoever started it, and by itself when an
evaluation takes far too long.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
from typing import Any, Final

import msgspec

from maestrale.expressions import template
from maestrale.expressions.leaving import Outcome, Request, evaluate_request
from maestrale.expressions.options import Options
from maestrale.model.errors import BadRequest
from maestrale.store.documents import dump, has_marks, restore

LENGTH: Final = struct.Struct(">Q")
"""What stands before each message."""

READY: Final = b"ready"

_INPUT: Final = 0
_OUTPUT: Final = 1
_ERRORS: Final = 2


class Setup(msgspec.Struct, frozen=True):
    """The first message: the options of expressions, and names of functions that exist elsewhere only."""

    options: Options
    added: list[str]


def pack(message: bytes) -> bytes:
    """A message with its length."""
    return LENGTH.pack(len(message)) + message


def read_data(data: bytes, kind: Any) -> Any:
    """A message of the given type; secrets in it are closed again."""
    found = msgspec.json.decode(data)
    return msgspec.convert(restore(found) if has_marks(data) else found, kind)


def main() -> None:
    """Serve until the input ends."""
    output = os.dup(_OUTPUT)
    os.dup2(_ERRORS, _OUTPUT)  # whatever prints does not disturb the messages
    setup = _receive()
    if setup is None:
        return
    options = _prepare(read_data(setup, Setup))
    _send(output, READY)
    while (data := _receive()) is not None:
        if options.time_limit > 0:
            signal.setitimer(signal.ITIMER_REAL, 2 * options.time_limit + 1)
        answer = _answer(data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(output, answer)


def _prepare(setup: Setup) -> Options:
    options = setup.options
    template.configure(options)
    if setup.added:
        template.register_functions(dict.fromkeys(setup.added, _not_here))
    template.warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it decides when it ends
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if options.memory_limit > 0:
        resource.setrlimit(resource.RLIMIT_AS, (options.memory_limit, options.memory_limit))
    return options


def _not_here(*_: Any, **__: Any) -> Any:
    """Functions of the installation are called where they were loaded; the meter says so before."""
    raise LookupError("it is not available here")


def _answer(data: bytes) -> bytes:
    try:
        return dump(evaluate_request(read_data(data, Request), template.evaluate))
    except BadRequest as error:
        return dump(Outcome(error=error.message))
    except MemoryError:
        return dump(Outcome(refused=("its data or its value takes too much memory", "memory_limit")))


def _receive() -> bytes | None:
    length = _read(LENGTH.size)
    return None if length is None else _read(LENGTH.unpack(length)[0])


def _read(size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(_INPUT, min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _send(output: int, message: bytes) -> None:
    view = memoryview(pack(message))
    while view:
        view = view[os.write(output, view) :]


if __name__ == "__main__":
    main()
