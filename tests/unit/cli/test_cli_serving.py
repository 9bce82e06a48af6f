"""What the server does with its socket."""

from __future__ import annotations

import asyncio
import socket

from maestrale.cli.serving import open_socket


def test_answers_are_sent_at_once() -> None:
    """Else an answer that is written in two parts waits for the client's delayed acknowledgement (40 ms)."""

    async def option_of_a_connection() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            found.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = open_socket("127.0.0.1", 0)
        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            try:
                return await found
            finally:
                writer.close()

    assert asyncio.run(option_of_a_connection())
