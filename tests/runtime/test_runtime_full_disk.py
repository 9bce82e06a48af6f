"""A PostgreSQL whose files cannot grow: what waits to be stored is stored once there is room again."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import pytest
from service import PATIENCE, World

from maestrale.store.tables import workflow_executions
from postgresql import PostgresqlServer

LARGEST_FILE = 2048
"""KiB: more than any file of an empty database, and less than the texts below."""

TEXTS = 12
TEXT_BYTES = 300_000

WORKFLOW = """
version: '2.0'
keep:
  input: [text]
  output: {length: <% len($.text) %>}
  tasks:
    first: {action: std.sleep seconds=0, on-success: second}
    second: {action: std.noop}
"""

pytestmark = pytest.mark.postgresql


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresqlServer]:
    with PostgresqlServer(tmp_path) as found:
        yield found


def test_nothing_is_lost_while_the_disk_is_full(
    server: PostgresqlServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Reads are answered meanwhile; whoever has been told of a start finds it."""
    name = server.lend()
    server.stop()
    server.start(LARGEST_FILE)
    chance = random.Random(1)
    texts = [base64.b64encode(chance.randbytes(TEXT_BYTES)).decode() for _ in range(TEXTS)]
    with World(server.url(name)) as world:
        world.define(WORKFLOW)
        starts = [world.engine.start_workflow(world.request("keep", input={"text": text})) for text in texts]
        world.until(lambda: "The database refuses to store" in caplog.text, "the disk to be full")
        stored = {start.result().execution_id for start in starts if start.done()}
        assert len(stored) < TEXTS
        assert stored <= {row["id"] for row in world.rows(workflow_executions)}
        server.stop()
        server.start()
        wait(starts, PATIENCE)
        for start in starts:
            row = world.end(start.result().execution_id)
            assert (row["state"], row["output"]) == ("SUCCESS", {"length": len(texts[0])})
        assert len(world.rows(workflow_executions)) == TEXTS
