"""Where the original clients log in: as much of Keystone and of Keycloak as they ask for a token.

Every user's password is `secret`; the token is the one that the service knows the user by.
"""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self
from urllib.parse import parse_qs

SECRET = "secret"
SECONDS = "2099-01-01T00:00:00.000000Z"


class Identity(http.server.ThreadingHTTPServer):
    """Hands out `tokens`, by user name; `workflow_url` is the only service in its catalogue."""

    daemon_threads = True

    def __init__(self, tokens: dict[str, str], workflow_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tokens = tokens
        self.workflow_url = workflow_url
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Identity

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Say that this is version 3."""
        links = [{"rel": "self", "href": f"{self.server.url}/v3"}]
        self._answer(200, {"version": {"id": "v3.14", "status": "stable", "links": links}})

    def do_POST(self) -> None:
        """Log somebody in, in one of both ways."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.endswith("/protocol/openid-connect/token"):
            given = {name: values[0] for name, values in parse_qs(body).items()}
            token = self._token(given["username"], given["password"])
            self._answer(200 if token else 401, {"access_token": token})
            return
        methods = json.loads(body)["auth"]["identity"]
        if "token" in methods["methods"]:
            token = methods["token"]["id"]
        else:
            user = methods["password"]["user"]
            token = self._token(user["name"], user["password"])
        endpoint = {"id": "1", "interface": "public", "region": "here", "region_id": "here"}
        catalogue = [
            {
                "type": "workflowv2",
                "name": "mistral",
                "endpoints": [endpoint | {"url": self.server.workflow_url}],
            }
        ]
        content = {"methods": ["password"], "expires_at": SECONDS, "catalog": catalogue, "user": {"id": "u"}}
        self._answer(201 if token else 401, {"token": content}, {"X-Subject-Token": token})

    def _token(self, name: str, password: str) -> str:
        return self.server.tokens.get(name, "") if password == SECRET else ""

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
