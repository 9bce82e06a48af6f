"""A network between a program and a server, which can fail at a chosen moment."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Relay:
    """Passes connections on to a port of loopback. Every connection has two threads."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self._word: bytes | None = None
        self._after = b""
        self._forwards = False
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for connection in [self._listener, *self._open]:
            _close(connection)

    def cut_at(self, word: bytes, *, forwards: bool, after: bytes = b"") -> None:
        """Cut the next connection that says this to the server (and has said `after` since now): before the
        server hears it, or (`forwards`) when it has answered, without passing on what it answers."""
        self._after, self._word, self._forwards = after, word, forwards

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                is_cut = threading.Event()
                for passing in (self._ask, self._answer):
                    threading.Thread(target=passing, args=(client, server, is_cut), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        prepared = None
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                if self._word is not None and self._after in data:
                    prepared = self._word
                if self._word is not None and prepared == self._word and self._word in data:
                    self._word = None
                    self.cuts += 1
                    is_cut.set()
                    if self._forwards:
                        server.sendall(data)
                        return
                    break
                server.sendall(data)
        _close(client)
        _close(server)

    def _answer(self, client: socket.socket, server: socket.socket, is_cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(65536)) and not is_cut.is_set():
                client.sendall(data)
        _close(client)
        _close(server)


def _close(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
