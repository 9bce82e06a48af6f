"""Many calls of `std.http` at once, to a server that answers after a second: `python bench/http_calls.py`.

One workflow of one task with-items, so many items; the service is one process on a fresh SQLite file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.server import Server, Usage

WORKFLOW = """
version: '2.0'
calls:
  input: [url, n]
  tasks:
    call:
      with-items: i in <% range($.n) %>
      action: std.http url=<% $.url %>
      keep-result: false
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def slow_server(delay: float) -> None:
    """Answer every request after so many seconds; the first line printed is the port, the last the most at
    the same time."""
    now = most = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        try:
            while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /slow"):
                now += 1
                most = max(most, now)
                await asyncio.sleep(delay)
                now -= 1
                writer.write(ANSWER)
            writer.write(ANSWER.replace(b"{}", str(most).encode()).replace(b": 2", b": %d" % len(str(most))))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def measure(calls: int, delay: float) -> dict[str, float]:
    """Seconds until all calls are done, those of the service's CPU time, its largest memory in MiB, and the
    most calls at the same time."""
    peer = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(delay)], stdout=subprocess.PIPE, text=True
    )
    assert peer.stdout is not None
    address = f"http://127.0.0.1:{int(peer.stdout.readline())}"
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Server(Path(folder), MAESTRALE_STD_HTTP_DENIED_CIDRS="") as server,
        ):
            with httpx.Client(base_url=f"{server.url}/v2", trust_env=False, timeout=120) as client:
                client.post("/workflows", content=WORKFLOW).raise_for_status()
                warm = client.post("/executions", json=_request(address, 1)).json()
                client.get(f"/executions/{warm['id']}?wait=30")
                usage = Usage(server.pid)
                worked = usage.cpu_seconds() or 0.0
                began = time.perf_counter()
                execution = client.post("/executions", json=_request(address, calls)).json()
                ended = client.get(f"/executions/{execution['id']}?wait=60").json()
                seconds = time.perf_counter() - began
                worked = (usage.cpu_seconds() or 0.0) - worked
                assert ended["state"] == "SUCCESS", ended
                most = int(client.get(f"{address}/most").text)
                memory = usage.peak_mebibytes() or 0.0
            return {"seconds": seconds, "cpu": worked, "memory": memory, "most": most}
    finally:
        peer.kill()


def _request(address: str, calls: int) -> dict[str, object]:
    return {"workflow_name": "calls", "input": {"url": f"{address}/slow", "n": calls}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds until the peer answers")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(slow_server(arguments.serve))
        return
    for _ in range(arguments.repeat):
        load = os.getloadavg()[0]
        found = measure(arguments.calls, arguments.delay)
        took = f"{arguments.calls} calls of {arguments.delay:g} s: {found['seconds']:.2f} s"
        took += f" ({found['cpu']:.2f} s of CPU)"
        most = f"at most {found['most']:.0f} at once, {found['memory']:.0f} MiB"
        print(f"{took}, {most}; load of the machine before: {load:.1f}", flush=True)


if __name__ == "__main__":
    main()
