"""The program of a process that runs one dynamic action. It needs nothing but the standard library.

Standard input brings the order as JSON; where standard output leads, the answer goes as one line of JSON.
Whatever the action prints goes to standard error.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import inspect
import json
import linecache
import os
import resource
import signal
import sys
import traceback
import types
from typing import Any

MEBIBYTE = 1024 * 1024


def main() -> None:
    """Read the order, run it, answer, and end, whatever threads the action has left."""
    answers = os.dup(1)
    os.dup2(2, 1)
    order = json.loads(sys.stdin.buffer.read())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit(order["memory_mb"], order["cpu_seconds"])
    try:
        answer = json.dumps({"state": "SUCCESS", **run(order)}, default=plain, allow_nan=False)
    except MemoryError:
        text = f"it needs more memory than the {order['memory_mb']} MiB that it may have"
        answer = json.dumps({"state": "ERROR", "problem": text})
    except BaseException as error:  # noqa: BLE001 - whatever the action raises is the answer
        traceback.print_exc()
        answer = json.dumps({"state": "ERROR", "problem": explain(error, order["source"])})
    sys.stdout.flush()
    sys.stderr.flush()
    content = memoryview(answer.encode() + b"\n")
    while content:
        content = content[os.write(answers, content) :]
    os._exit(0)


def limit(memory_mb: int, cpu_seconds: int) -> None:
    """Bound what this process, and each one that it starts, can take. There is no way back."""
    signal.alarm(cpu_seconds + 5)  # should the service be killed, and nobody else end this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * MEBIBYTE, memory_mb * MEBIBYTE))


def run(order: dict[str, Any]) -> dict[str, Any]:
    """What comes of the action: `result`, and `state` if that is not SUCCESS."""
    kind = load(order["text"], order["source"], order["class_name"])
    action = kind(**order["input"])
    is_sync = action.is_sync() if hasattr(action, "is_sync") else True
    if bool(is_sync) is order["waits_outside"]:
        raise TypeError(
            "is_sync() says something else at run time than in the text;"
            " for an action that is completed from outside, its only line must be 'return False'"
        )
    takes_context = bool(inspect.signature(action.run).parameters)
    value = action.run(context(order["context"], order["security"])) if takes_context else action.run()
    if inspect.iscoroutine(value):
        import asyncio  # takes as long to load as all the rest

        value = asyncio.run(value)
    return told(value)


def load(text: str, source: str, class_name: str) -> Any:
    """The class, from a module that is made of the text."""
    file = file_of(source)
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = types.ModuleType("code_source")
    sys.modules[module.__name__] = module  # where dataclasses and pickles look for their own module
    exec(compile(text, file, "exec"), module.__dict__)
    try:
        return getattr(module, class_name)
    except AttributeError:
        raise LookupError(f"there is no class '{class_name}' in the code source '{source}'") from None


def context(execution: dict[str, Any], security: dict[str, Any]) -> types.SimpleNamespace:
    """On whose behalf the action runs; its fields stand under two names too, as in Mistral."""
    return types.SimpleNamespace(
        execution=types.SimpleNamespace(**execution),
        security=types.SimpleNamespace(**security),
        **execution,
        **security,
    )


def told(value: Any) -> dict[str, Any]:
    """What a returned value says: the result itself, or one of Mistral's `Result`, with an end of its own."""
    if type(value).__name__ == "Result" and all(hasattr(value, name) for name in ("data", "error", "cancel")):
        if value.cancel:
            return {"state": "CANCELLED", "result": value.error or value.data}
        if value.error is not None:
            return {"state": "ERROR", "result": value.error}
        return {"result": value.data}
    return {"result": value}


def plain(value: Any) -> Any:
    """The JSON form of a value that has none by itself."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return list(value)
    raise TypeError(f"The returned value is not JSON: it holds an object of the type {type(value).__name__}")


def explain(error: BaseException, source: str) -> str:
    """What went wrong, and in which line of the code source."""
    text = str(error) or type(error).__name__
    if isinstance(error, SystemExit):
        text = f"it called exit({error.code!r})"
    elif isinstance(error, ModuleNotFoundError) and error.name == "mistral_lib":
        text += " (install the package mistral-lib beside the service, or leave the base class out)"
    elif isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno} of the code source '{source}')"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == file_of(source)), None)
    return text if line is None else f"{text} (line {line} of the code source '{source}')"


def file_of(source: str) -> str:
    """What tracebacks call the text."""
    return f"<code source {source}>"


if __name__ == "__main__":
    main()
