"""The other side of `shop_prices.yaml`: a few shops that answer over HTTP, on this machine only.

Run `python3 examples/shops.py [PORT]` and stop it with Ctrl-C. Needs nothing but Python.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import unquote

PRICES = {"Genova": 1.4, "Napoli": 1.1, "Palermo": 0.9, "Trieste": 1.6}
"""Euro for a kilogram of flour."""

BUSY_ANSWERS = 2
"""So many questions for the stock are turned away before one is answered."""


class Shops(ThreadingHTTPServer):
    """Listens on loopback once it is made; port 0 takes any free one. `serve_forever` answers."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Answers)
        self.questions = count()

    @property
    def url(self) -> str:
        """Where the shops are."""
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """Answers one question."""

    server: Shops

    def do_GET(self) -> None:
        """Prices, the stock (after a while), and never a discount."""
        kind, _, name = unquote(self.path).strip("/").partition("/")
        if kind == "price" and name in PRICES:
            self._answer(200, {"shop": name, "price": PRICES[name]})
        elif kind == "stock" and next(self.server.questions) % (BUSY_ANSWERS + 1) < BUSY_ANSWERS:
            self._answer(503, {"error": "we are counting, ask again"})
        elif kind == "stock":
            self._answer(200, {"kilograms": 300})
        elif kind == "discount":
            self._answer(500, {"error": "the person who knows is on holiday"})
        else:
            self._answer(404, {"error": f"there is no {self.path}"})

    def do_POST(self) -> None:
        """Take an order."""
        order = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self._answer(201, {"ordered": order})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet."""

    def _answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Answer until Ctrl-C."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8990
    with Shops(port) as shops:
        print(f"The shops answer on {shops.url}; Ctrl-C ends them.", flush=True)
        try:
            shops.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
