"""Bodies as they really come over a connection: in chunks, too long, too short, compressed."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from processes.server import Server

MAX_BODY = 100_000
TEXT = b"version: '2.0'\nsent: {tasks: {t: {action: std.noop}}}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("bodies")
    with Server(folder, MAESTRALE_API_MAX_BODY=str(MAX_BODY)) as found:
        yield found


def sent(
    server: Server,
    headers: str,
    *parts: bytes,
    path: str = "/v2/workflows/validate",
    leaves: bool = False,
) -> bytes:
    """What comes back for a request that is sent part by part, as far as it is taken.

    `leaves`: whether the client sends no more then, though it still listens.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n".encode())
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            if leaves:
                connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                answer += received
        except ConnectionError:
            pass
        return answer


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


def test_chunks_are_put_together(server: Server) -> None:
    parts = [chunk(TEXT[:10]), chunk(TEXT[10:]), b"0\r\n\r\n"]
    answer = sent(server, "Transfer-Encoding: chunked\r\nConnection: close", *parts)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"valid": true' in answer


def test_too_many_chunks(server: Server) -> None:
    """The limit holds for what comes, whatever was announced."""
    parts = [chunk(b"x" * 10_000)] * 11
    answer = sent(server, "Transfer-Encoding: chunked\r\nConnection: close", *parts)
    assert answer.startswith(b"HTTP/1.1 413")
    assert str(MAX_BODY).encode() in answer


def test_an_announced_length_that_is_too_large(server: Server) -> None:
    """It is refused before anything of it has come."""
    answer = sent(server, f"Content-Length: {MAX_BODY + 1}\r\nConnection: close")
    assert answer.startswith(b"HTTP/1.1 413")


def test_less_than_was_announced(server: Server) -> None:
    """The client has left: nobody is answered, and nothing is done."""
    assert b"200" not in sent(server, f"Content-Length: {len(TEXT) + 5}", TEXT, leaves=True)
    assert b'"workflows": []' in sent_list(server)


def test_more_than_was_announced(server: Server) -> None:
    """What is over is no body, but a second request, and a bad one."""
    answer = sent(server, f"Content-Length: {len(TEXT)}", TEXT + b"more\r\n\r\n")
    statuses = [line for line in answer.splitlines() if line.startswith(b"HTTP/1.1")]
    assert statuses[-1].startswith(b"HTTP/1.1 400")
    assert len(statuses) <= 2


@pytest.mark.parametrize("length", ["-1", "1e3", "12, 13", "x", "0x10"])
def test_a_length_that_is_none(server: Server, length: str) -> None:
    assert sent(server, f"Content-Length: {length}", TEXT).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("path", ["/v2/workflows/validate", "/v2/executions", "/v2/code_sources?name=n"])
def test_a_compressed_body_is_not_unpacked(server: Server, path: str) -> None:
    body = gzip.compress(b"x" * 10 * MAX_BODY)
    assert len(body) < MAX_BODY
    headers = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\nConnection: close"
    answer = sent(server, headers, body, path=path)
    assert answer.startswith(b"HTTP/1.1 415")
    assert b"gzip" in answer


def sent_list(server: Server) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /v2/workflows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while received := connection.recv(65536):
            answer += received
        return answer
