"""Processes of dynamic actions: what they give, what they are kept from, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maestrale.actions.base import ActionContext
from maestrale.actions.dynamic import LONGEST_LOG, Order, run_order
from maestrale.actions.process_settings import ProcessSettings
from maestrale.model.actions import ActionResult
from maestrale.model.values import Json

QUICK = ProcessSettings(enabled=True, time_limit=20)
SHORT = ProcessSettings(enabled=True, time_limit=2)
MISTRAL = """
class Result:
    def __init__(self, data=None, error=None, cancel=False):
        self.data, self.error, self.cancel = data, error, cancel
"""


def order(body: str, before: str = "", *, head: str = "", waits_outside: bool = False) -> Order:
    """An action whose `run` has this body."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    text = f"{before}\nclass A:\n{head}\n    def run(self, context):\n{lines}\n"
    return Order("greet", "m", text, "A", waits_outside)


def run(
    order: Order, given: dict[str, Json] | None = None, settings: ProcessSettings = QUICK, **facts: Any
) -> ActionResult:
    context = ActionContext(action_execution_id="x", **facts)
    return asyncio.run(run_order(order, context, given or {}, settings))


def message(result: ActionResult) -> str:
    """The text of a failure, which names the action."""
    assert result.state == "ERROR", result
    text = str(result.result)
    assert text.startswith("The action raised an exception [action=greet, action_ex_id=x, msg='")
    return text.partition("msg='")[2].removesuffix("']")


def is_gone(pid: int) -> bool:
    """Whether a process has ended (it may wait to be reaped by somebody else)."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("body", "result"),
    [
        ("return self.x", {"größe": [1, None, 2.5]}),
        ("return None", None),
        ("return {1, }", [1]),
        ("return datetime.date(2026, 1, 2), Colour.RED, Point(1)", ["2026-01-02", "red", {"x": 1}]),
        ("print('not the answer'); return 'y' * 3_000_000", "y" * 3_000_000),
        ("return context.execution.task_name + context.workflow_name", "tw"),
        ("return __name__ in sys.modules and not __debug__", False),
    ],
)
def test_results(body: str, result: Json) -> None:
    before = (
        "import dataclasses, datetime, enum, sys\n"
        "class Colour(enum.Enum):\n    RED = 'red'\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int\n"
    )
    head = "    def __init__(self, x): self.x = x"
    found = run(
        order(body, before, head=head), {"x": {"größe": [1, None, 2.5]}}, task_name="t", workflow_name="w"
    )
    assert found == ActionResult("SUCCESS", result)


def test_large_input() -> None:
    text = "z" * 2_000_000
    assert run(
        order("return len(self.x)", head="    def __init__(self, x): self.x = x"), {"x": text}
    ).result == len(text)


def test_run_without_a_context_and_as_a_coroutine() -> None:
    text = "class A:\n    async def run(self):\n        return 5\n"
    assert run(Order("greet", "m", text, "A")).result == 5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Result(data={'a': 1})", ActionResult("SUCCESS", {"a": 1})),
        ("Result(error={'code': 7})", ActionResult("ERROR", {"code": 7})),
        ("Result(error='why', cancel=True)", ActionResult("CANCELLED", "why")),
    ],
)
def test_results_of_mistral(value: str, expected: ActionResult) -> None:
    assert run(order(f"return {value}", MISTRAL)) == expected


@pytest.mark.parametrize(
    ("body", "before", "words"),
    [
        ("\n\nraise ValueError('no luck')", "", "no luck (line 7 of the code source 'm')"),
        ("raise KeyError", "", "KeyError (line 5 of"),
        ("return object()", "", "The returned value is not JSON: it holds an object of the type object"),
        ("return float('nan')", "", "not JSON compliant"),
        ("import no_such_module", "", "No module named 'no_such_module'"),
        (
            "pass",
            "raise ModuleNotFoundError('none', name='mistral_lib')",
            "none (install the package mistral-lib",
        ),
        ("pass", "def f(:", "line 1 of the code source 'm'"),
        ("raise SystemExit(3)", "", "it called exit(3)"),
        ("os._exit(3)", "import os", "its process ended with exit status 3 and without a result"),
        ("os.kill(os.getpid(), 9)", "import os", "its process was killed by SIGKILL"),
        ("import ctypes; ctypes.string_at(0)", "", "its process was killed by SIGSEGV"),
        ("return 'x' * 17_000_000", "", "its result is larger than 16 MiB"),
    ],
)
def test_failures(body: str, before: str, words: str) -> None:
    assert words in message(run(order(body, before)))


def test_a_class_that_is_not_there() -> None:
    assert "there is no class 'B' in the code source 'm'" in message(run(Order("greet", "m", "x = 1", "B")))


def test_wrong_input_where_nothing_was_checked_before() -> None:
    assert "unexpected keyword" in message(run(order("pass", head="    def __init__(self): pass"), {"x": 1}))


def test_an_action_that_waits_outside_says_so_in_its_text() -> None:
    head = "    def is_sync(self): return not True"
    assert run(order("pass", head=head, waits_outside=True)) == ActionResult("SUCCESS", None)
    assert "'return False'" in message(run(order("pass", head=head)))


def test_memory_is_bounded() -> None:
    settings = ProcessSettings(enabled=True, memory_mb=128)
    assert "more memory than the 128 MiB" in message(
        run(order("return len(bytearray(10**9))"), settings=settings)
    )
    assert run(order("return len(bytearray(10**7))"), settings=settings).result == 10**7


def test_bounds_cannot_be_raised() -> None:
    body = "resource.setrlimit(resource.RLIMIT_AS, (10**12, 10**12))"
    settings = ProcessSettings(enabled=True, memory_mb=128)
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    assert "exceed" in message(run(order(body, "import resource"), settings=settings))


@pytest.mark.parametrize("body", ["time.sleep(60)", "while True: pass", "signal.pause()"])
def test_time_is_bounded(body: str) -> None:
    began = time.monotonic()
    text = message(run(order(body, "import signal, time"), settings=SHORT))
    assert text in (
        "it took longer than the 2 seconds that it may take",
        "it took more time of the processor than it may take",
    )
    assert time.monotonic() - began < 5


def test_signals_do_not_help_against_the_end() -> None:
    body = "for n in range(1, 32):\n    if n not in (9, 19): signal.signal(n, signal.SIG_IGN)\ntime.sleep(60)"
    assert "longer than the 2 seconds" in message(run(order(body, "import signal, time"), settings=SHORT))


def test_what_it_has_started_ends_with_it() -> None:
    body = """\
pid = os.fork()
if pid == 0:
    time.sleep(60)
    os._exit(0)
other = subprocess.Popen(['sleep', '60'])
return [pid, other.pid]"""
    began = time.monotonic()
    found = run(order(body, "import os, subprocess, time"))
    assert time.monotonic() - began < 10
    assert isinstance(found.result, list), found
    for pid in found.result:
        assert isinstance(pid, int)
        assert soon(lambda pid=pid: is_gone(pid))  # type: ignore[misc]


def test_who_holds_its_pipes_open_is_not_waited_for() -> None:
    """A process that has left the session lives on, as `nohup` would; the action still ends."""
    body = """\
pid = os.fork()
if pid == 0:
    os.setsid()
    time.sleep(20)
    os._exit(0)
os._exit(4)"""
    began = time.monotonic()
    assert "exit status 4" in message(run(order(body, "import os, time")))
    assert time.monotonic() - began < 10


def test_many_forks_end_with_the_action(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    body = f"""\
for _ in range(5):
    os.fork()
with open({str(note)!r}, 'a') as file:
    file.write(f'{{os.getpid()}}\\n')
time.sleep(60)"""
    assert "longer than" in message(run(order(body, "import os, time"), settings=SHORT))
    pids = [int(line) for line in note.read_text().split()]
    assert len(pids) == 32
    assert soon(lambda: all(map(is_gone, pids)))


def test_a_cancelled_action_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = f"open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    async def cancel() -> None:
        task = asyncio.create_task(
            run_order(order(body, "import os, time"), ActionContext(action_execution_id="x"), {}, QUICK)
        )
        while not (note.exists() and note.read_text()):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert soon(lambda: is_gone(int(note.read_text())))


@pytest.mark.parametrize("stream", ["sys.stdout", "sys.stderr"])
def test_a_flood_of_output_is_cut(caplog: pytest.LogCaptureFixture, stream: str) -> None:
    caplog.set_level(logging.INFO)
    body = f"for n in range(200_000): {stream}.write('blah blah blah blah %d\\n' % n)\nreturn 'done'"
    assert run(order(body, "import sys")).result == "done"
    (record,) = caplog.records
    text = record.getMessage()
    assert len(text) < LONGEST_LOG + 200
    assert "bytes more" in text
    assert text.endswith("blah 199999")


def test_the_log_of_a_failure_has_the_traceback(caplog: pytest.LogCaptureFixture) -> None:
    run(order("print('before')\nraise ValueError('no luck')"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for words in ("The dynamic action 'greet' printed", "before", "raise ValueError('no luck')", "Traceback"):
        assert words in record.getMessage()


def test_nothing_of_the_service_is_handed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAESTRALE_DATABASE_URL", "postgresql://user:secret@host/database")
    monkeypatch.setenv("OS_PASSWORD", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "planted.py").write_text("")
    held = os.open(tmp_path / "planted.py", os.O_RDONLY)
    os.set_inheritable(held, True)
    body = """\
try:
    import planted
except ModuleNotFoundError:
    planted = None
descriptors = os.listdir('/proc/self/fd')
return [dict(os.environ), sys.argv, os.listdir('.'), descriptors, str(planted), sys.stdin.read()]"""
    variables, arguments, files, descriptors, planted, given = json.loads(
        json.dumps(run(order(body, "import os, sys")).result)
    )
    os.close(held)
    assert "secret" not in str(variables)
    assert set(variables) <= {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "LC_CTYPE"}
    assert len(arguments) == 1
    assert (files, planted, given) == ([], "None", "")
    assert str(held) not in descriptors
    assert not Path(variables["HOME"]).exists(), "its folder is removed"
