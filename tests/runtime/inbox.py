"""An HTTP server that keeps what is posted to it, and answers as the test says."""

from __future__ import annotations

import http.server
import json
import queue
import threading
from typing import Any, Self

PATIENCE = 20.0


class Inbox(http.server.ThreadingHTTPServer):
    """`status` is the answer to everything; while `gate` is not set no answer is given."""

    daemon_threads = True

    def __init__(self, status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.url = f"http://127.0.0.1:{self.server_address[1]}/inbox"
        self.gate = threading.Event()
        self.gate.set()
        self.received: queue.Queue[tuple[dict[str, str], Any]] = queue.Queue()

    def get(self) -> tuple[dict[str, str], Any]:
        """Headers (in lower case) and body of the next call."""
        return self.received.get(timeout=PATIENCE)

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that leaves is no news."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Inbox

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Keep the call, then answer."""
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.put((headers, body))
        self.server.gate.wait(PATIENCE)
        self.send_response(self.server.status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()
