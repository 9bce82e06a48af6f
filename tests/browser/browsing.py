"""A browser and a server for tests: what Debian calls `chromium`, and a service on a real socket."""

from __future__ import annotations

import asyncio
import shutil
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, Final, NamedTuple

import httpx
import uvicorn

from maestrale.config import DatabaseSettings, ServerSettings, Settings
from maestrale.wiring import Service
from processes.server import free_port

CHROMIUM: Final = next(
    (path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None
)
"""Where the browser is, None where there is none."""

PATIENCE: Final = 30_000
"""Milliseconds after which something that must happen counts as not happening."""


class Site:
    """A server, and what a program asks of it while a person looks."""

    def __init__(self, base: str, token: str | None = None) -> None:
        self.base = base
        headers = {} if token is None else {"X-Auth-Token": token}
        self._client = httpx.Client(base_url=f"{base}/v2", headers=headers, trust_env=False)

    def __call__(self, method: str, path: str, **given: Any) -> Any:
        answer = self._client.request(method, path, **given)
        assert answer.is_success, answer.text
        return answer.json()

    def start(self, workflow: str, **body: Any) -> str:
        """Start a workflow; its id."""
        return str(self("POST", "/executions", json={"workflow_name": workflow, **body})["id"])

    def tasks(self, execution_id: str) -> dict[str, str]:
        """The ids of the tasks of an execution by name."""
        rows = self("GET", f"/executions/{execution_id}/tasks")["tasks"]
        return {row["name"]: row["id"] for row in rows}

    def finish(self, execution_id: str, name: str, state: str = "SUCCESS") -> None:
        """End what a task waits for."""
        path = f"/tasks/{self.tasks(execution_id)[name]}/action_executions"
        for row in self("GET", path)["action_executions"]:
            if row["state"] == "RUNNING":
                self("PUT", f"/action_executions/{row['id']}", json={"state": state, "output": {}})


@contextmanager
def site(database_url: str, server: ServerSettings | None = None, token: str | None = None) -> Iterator[Site]:
    """A service on a database, and its address."""
    service = Service(Settings(server=server or ServerSettings(), database=DatabaseSettings(database_url)))
    service.start()
    port = free_port()
    config = uvicorn.Config(
        service.app(), port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(running.serve()))
    thread.start()
    try:
        _await(lambda: running.started)
        yield Site(f"http://127.0.0.1:{port}", token)
    finally:
        service.let_go()
        running.should_exit = True
        thread.join()
        service.stop(0)


def _await(happened: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if happened():
            return
        waiting.wait(0.01)
    raise AssertionError("the server does not start")


class Image(NamedTuple):
    """A picture; `rows` hold its bytes, `depth` of them for each pixel."""

    width: int
    height: int
    depth: int
    rows: list[bytearray]

    def at(self, x: float, y: float) -> tuple[int, ...]:
        """Red, green and blue of a pixel."""
        start = int(x) * self.depth
        return tuple(self.rows[int(y)][start : start + 3])


def read_png(data: bytes) -> Image:
    """A picture as browsers take it: 8 bits for each colour, not interlaced."""
    width, height, bits, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    assert (bits, interlaced) == (8, 0)
    depth = {2: 3, 6: 4}[kind]
    packed, place = b"", 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + length]
        place += length + 12
    raw, size = zlib.decompress(packed), width * depth
    above, rows = bytearray(size), []
    for number in range(height):
        start = number * (size + 1)
        above = _unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + size]), above, depth)
        rows.append(above)
    return Image(width, height, depth, rows)


def _unfiltered(kind: int, row: bytearray, above: bytearray, depth: int) -> bytearray:
    for place in range(len(row)) if kind else ():
        left = row[place - depth] if place >= depth else 0
        corner = above[place - depth] if place >= depth else 0
        up = above[place]
        if kind == 4:
            guess = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
        else:
            guess = (0, left, up, (left + up) // 2)[kind]
        row[place] = (row[place] + guess) & 255
    return row


def contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """How much two colours differ, as the rules for accessible pages (WCAG 2) count it: 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: tuple[int, ...]) -> float:
    parts = []
    for value in colour[:3]:
        share = value / 255
        parts.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def spots(box: dict[str, float], step: int = 4) -> Iterator[tuple[float, float]]:
    """Points of a rectangle, some way from its edges."""
    across = range(step, int(box["width"]) - step, step)
    down = range(step, int(box["height"]) - step, step)
    for x, y in product(across, down):
        yield box["x"] + x, box["y"] + y
