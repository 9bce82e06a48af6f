from __future__ import annotations

import asyncio
import socket

import pytest

from maestrale.actions.connecting import host_and_port, open_socket, reason
from maestrale.actions.egress import Egress, HostNotAllowed
from maestrale.actions.settings import SshSettings
from maestrale.model.errors import InvalidAction

OPEN = Egress(SshSettings(denied_cidrs=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.example.org", ("mail.example.org", 25)),
        (" mail.example.org:587 ", ("mail.example.org", 587)),
        ("::1", ("::1", 25)),
        ("[::1]", ("::1", 25)),
        ("[::1]:2525", ("::1", 2525)),
    ],
)
def test_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text, 25) == expected


@pytest.mark.parametrize(
    "text", ["", ":25", "h:", "h:x", "h:0", "h:65536", "h:-1", "[::1", "::1]", "[::1]x", "h:²"]
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(InvalidAction, match="is not a host"):
        host_and_port(text, 25)


def test_only_addresses_that_were_checked_are_connected_to() -> None:
    async def connect() -> tuple[str, int]:
        async with await asyncio.start_server(lambda _r, writer: writer.close(), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with await open_socket(OPEN, "localhost", port) as opened:
                address: tuple[str, int] = opened.getpeername()
            with pytest.raises(HostNotAllowed, match=r"'localhost' resolves to a blocked address"):
                await open_socket(Egress(SshSettings()), "localhost", port)
            return address

    assert asyncio.run(connect())[0] == "127.0.0.1"


def test_reasons_are_words() -> None:
    assert reason(ConnectionRefusedError(111, "Connect call failed ('::1', 1)")) == "Connection refused"
    assert reason(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    assert reason(TimeoutError()) == "TimeoutError"
    assert reason(ValueError("bad")) == "bad"
