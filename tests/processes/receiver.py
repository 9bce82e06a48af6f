"""An outside HTTP server that remembers every call: the judge of what really happened."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import Counter
from typing import Any, Self


class Receiver(http.server.ThreadingHTTPServer):
    """Answers every request after `delay` seconds and counts calls by idempotency key."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, delay: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay = delay
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.lock = threading.Lock()
        self.calls: Counter[str] = Counter()
        self.keys: dict[str, list[str]] = {}
        """The keys that have come to each path that begins with /flaky: the first two are refused."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed caller is no news."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Count the call, think, answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.calls[key] += 1
            status = self._status(key)
        time.sleep(self.server.delay)
        body = json.dumps({"path": self.path}).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the caller was killed meanwhile

    def _status(self, key: str) -> int:
        if not self.path.startswith("/flaky"):
            return 200
        keys = self.server.keys.setdefault(self.path, [])
        if key not in keys:
            keys.append(key)
        return 503 if keys.index(key) < 2 else 200
