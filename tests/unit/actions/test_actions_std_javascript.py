from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from script_processes import children

from maestrale.actions.base import ActionContext
from maestrale.actions.extras import NotInstalled
from maestrale.actions.javascript_child import LARGEST_PEAK
from maestrale.actions.javascript_client import JavaScriptFailure
from maestrale.actions.settings import MEBIBYTE, ActionSettings, JavaScriptSettings
from maestrale.actions.std import javascript
from maestrale.actions.std.javascript import std_javascript, std_js
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
async def closed(anyio_backend: str) -> AsyncIterator[None]:
    """Leave no process behind."""
    del anyio_backend
    yield
    await javascript.close()
    assert not children()


async def run(script: Json, context: Json = None, **settings: Any) -> Json:
    """The result of std.javascript."""
    own = ActionContext(settings=ActionSettings(javascript=JavaScriptSettings(**settings)))
    return await std_javascript.run(own, {"script": script, "context": context})


async def until_gone(processes: set[int]) -> None:
    """Wait until these processes have ended."""
    async with asyncio.timeout(10):
        while processes & children():
            await asyncio.sleep(0.01)


# Results


@pytest.mark.parametrize(
    ("script", "context", "result"),
    [
        ("return $.n * 2 + 1", {"n": 20}, 41),
        ("return $", None, None),
        ("return $.concat($)", ["ü\u2028'\"\\", 2.5, True, None], ["ü\u2028'\"\\", 2.5, True, None] * 2),
        ("var x = 1;", None, None),
        ("return undefined", None, None),
        ("return function () {}", None, None),
        ("return NaN", None, None),
        ("return 1 // the end", None, 1),
        ("return new Date(0)", None, "1970-01-01T00:00:00.000Z"),
        ("return {u: undefined, l: [undefined, new String('x')]}", None, {"l": [None, "x"]}),
        ("return new String('s')", None, "s"),
        ("let {a, ...rest} = $; return [...new Set([a, a])].concat(rest)", {"a": 1, "b": 2}, [1, {"b": 2}]),
        ("", None, None),
        ("return $.length", "ab", 2),
        ("return '\\u0000'.length", None, 1),
    ],
)  # fmt: skip
async def test_results(script: str, context: Json, result: Json) -> None:
    assert await run(script, context) == result


async def test_the_short_name_does_the_same() -> None:
    assert await std_js.run(ActionContext(), {"script": "return $.a", "context": {"a": 1}}) == 1
    assert std_js.input_text == std_javascript.input_text == "script, context=null"
    assert std_javascript.facts.repeatable


async def test_scripts_know_nothing_of_each_other() -> None:
    await run("globalThis.left = 1; Array.prototype.left = 1; left2 = 1")
    one = children()
    assert await run("return [typeof left, typeof left2, typeof [].left]") == ["undefined"] * 3
    assert children() == one


async def test_scripts_have_no_access_to_the_machine() -> None:
    names = ["require", "process", "fetch", "XMLHttpRequest", "Deno", "print"]
    script = f"return {names}.filter(name => typeof globalThis[name] !== 'undefined')"
    assert await run(script) == []


# Errors


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("var a = 1;\nthrow new Error('boo\\nmore')", "line 2: Error: boo"),
        ("\n\nreturn nothing.x", "line 3: ReferenceError: nothing is not defined"),
        ("return $.x", "line 1: TypeError: Cannot read properties of null (reading 'x')"),
        ("var a = ;", "line 1: SyntaxError: Unexpected token ';'"),
        ("a\n}\nb {", "line 3: SyntaxError: Unexpected identifier 'b'"),
        ("throw 'plain'", "line 1: plain"),
        ("(function f() { f() })()", "line 1: RangeError: Maximum call stack size exceeded"),
        ("return 10n", "the result has no JSON form: TypeError: Do not know how to serialize a BigInt"),
        ("var a = {}; a.a = a; return a", "the result has no JSON form: TypeError: Converting circular"),
        ("return (async () => 1)()", "the result has no JSON form: TypeError: a promise"),
    ],
)  # fmt: skip
async def test_errors_say_where(script: str, words: str) -> None:
    with pytest.raises(JavaScriptFailure) as caught:
        await run(script)
    assert str(caught.value).startswith(f"JavaScriptAction failed: {words}")


async def test_the_script_must_be_a_text() -> None:
    with pytest.raises(InvalidAction, match="'script' must be a text, not dict"):
        await run({"a": 1})


async def test_without_the_engine_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py_mini_racer", None)
    with pytest.raises(NotInstalled, match=r"pip install 'maestrale\[javascript\]'"):
        await run("return 1")


async def test_an_engine_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "javascript_child.py"
    broken.write_text("raise OSError('no room')")
    monkeypatch.setattr("maestrale.actions.javascript_client.PROGRAM", broken)
    with pytest.raises(JavaScriptFailure, match="the engine does not start: OSError: no room"):
        await run("return 1")


# Limits


async def test_a_script_without_end_is_stopped() -> None:
    with pytest.raises(JavaScriptFailure, match=r"the script ran longer than 0.2 seconds") as caught:
        await run("for (;;) {}", timeout=0.2)
    assert "MAESTRALE_STD_JAVASCRIPT_TIMEOUT" in caught.value.hint


async def test_a_process_that_does_not_answer_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    await run("return 1", timeout=1)
    monkeypatch.setattr("maestrale.actions.javascript_client.KILL_AFTER", 0.1)
    [process] = children()
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(JavaScriptFailure, match=r"ran longer than 1 seconds"):
        await run("return 1", timeout=1)
    await until_gone({process})


@pytest.mark.parametrize(
    "script",
    [
        "var a = []; for (;;) a.push(new Array(1000).fill(7))",
        "var s = 'x'; var a = []; for (;;) a.push(s = s + s + a.length)",
        "return 'x'.repeat(1 << 28).split('')",
        "var a = []; for (;;) a.push(new Uint8Array(10000000).fill(1))",
    ],
)
async def test_memory_is_bounded(script: str) -> None:
    with pytest.raises(JavaScriptFailure, match=r"more memory than|allocation failed|Invalid string length"):
        await run(script, max_memory_bytes=50 * MEBIBYTE, timeout=20)
    assert await run("return 1", max_memory_bytes=50 * MEBIBYTE, timeout=20) == 1


async def test_large_results_are_refused() -> None:
    assert await run("return 'x'.repeat(998)", max_result_bytes=1000) == "x" * 998
    with pytest.raises(JavaScriptFailure, match="the result is longer than 1000 bytes"):
        await run("return 'x'.repeat(999)", max_result_bytes=1000)
    big = {"text": "y" * 3_000_000}
    assert await run("return $", big) == big


async def test_a_cancelled_script_is_killed_at_once() -> None:
    await run("return 1")
    [process] = children()
    action = asyncio.create_task(run("for (;;) {}"))
    await asyncio.sleep(0.1)
    action.cancel()
    with pytest.raises(asyncio.CancelledError):
        await action
    await until_gone({process})
    assert await run("return 2") == 2


async def test_scripts_wait_for_a_process_and_an_idle_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maestrale.actions.javascript_client.IDLE_SECONDS", 0.1)
    results = await asyncio.gather(*(run("return $", number) for number in range(20)))
    assert results == list(range(20))
    assert len(children()) <= 2
    await until_gone(children())


async def test_a_large_service_does_not_use_its_processes_up() -> None:
    """A new process counts the memory of the one that it was started from as its own, at first."""
    large = bytearray(LARGEST_PEAK + MEBIBYTE)
    large[:: resource.getpagesize()] = b"x" * len(large[:: resource.getpagesize()])
    await run("return 1")
    first = children()
    await run("return 2")
    assert len(first) == 1
    assert children() == first


async def test_a_process_that_has_died_is_replaced() -> None:
    await run("return 1")
    [process] = children()
    os.kill(process, 9)
    await until_gone({process})
    await asyncio.sleep(0.05)
    assert await run("return 2") == 2


async def test_the_process_ends_with_the_service() -> None:
    code = (
        "import asyncio, os, sys\n"
        "from maestrale.actions.base import ActionContext\n"
        "from maestrale.actions.std.javascript import std_javascript\n"
        "async def main():\n"
        "    print(await std_javascript.run(ActionContext(), {'script': 'return 7'}), flush=True)\n"
        "    os._exit(3)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(20):
        # The end of the output comes when the last process that holds it has ended.
        assert await process.stdout.read() == b"7\n"
        assert await process.wait() == 3
