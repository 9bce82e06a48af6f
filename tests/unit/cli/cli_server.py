"""A small HTTP server that speaks the API's JSON, and the program run against it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from unittest import mock
from urllib.parse import parse_qs, unquote, urlsplit

from maestrale.cli.main import main


class Request(NamedTuple):
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    content_type: str
    content: str
    token: str

    @property
    def body(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)


class _Answer(NamedTuple):
    status: int
    text: str
    headers: dict[str, str]


class ApiServer:
    """Gives the answers that were put into it and keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._answers: dict[tuple[str, str], list[_Answer]] = {}
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._http.server_port}/v2"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(
        self, request: str, body: Any = None, status: int = 200, root: str = "/v2", **headers: str
    ) -> None:
        """Answer `METHOD /path`; several answers to one request are given in turn, the last for ever."""
        method, path = request.split(" ", 1)
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.setdefault((method, f"{root}{path}"), []).append(_Answer(status, text, names))

    def refuse(self, request: str, status: int, message: str) -> None:
        """Answer `METHOD /path` with an error."""
        fault = {"faultcode": "Client", "faultstring": message, "debuginfo": None}
        self.answer(request, fault, status=status)

    def take(self, method: str, path: str) -> _Answer:
        """The answer to give now."""
        answers = self._answers.get((method, path), [_Answer(404, "<html/>", {"content-type": "text/html"})])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def last(self) -> Request:
        """The latest request."""
        return self.requests[-1]


def _handler(server: ApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            url = urlsplit(self.path)
            path = unquote(url.path)
            content = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            kind = self.headers.get("content-type", "")
            token = self.headers.get("x-auth-token", "")
            query = parse_qs(url.query, keep_blank_values=True)
            server.requests.append(Request(self.command, path, query, kind, content, token))
            answer = server.take(self.command, path)
            self.send_response(answer.status)
            for name, value in ({"content-type": "application/json"} | answer.headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.text.encode())))
            self.end_headers()
            self.wfile.write(answer.text.encode())

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class Outcome(NamedTuple):
    """What a run of the program did."""

    code: int
    out: str
    err: str


def run(*words: str, **variables: str) -> Outcome:
    """Run the program with these words in an environment that has only `variables`."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, variables, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(words)
    return Outcome(code, out.getvalue(), err.getvalue())


def ask(server: ApiServer, *words: str) -> Outcome:
    """Run the program with these words against `server`."""
    return run(*words, OS_MISTRAL_URL=server.url)
