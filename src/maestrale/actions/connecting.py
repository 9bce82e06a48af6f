"""Opening guarded TCP connections, for protocols that bring no guard of their own."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

from maestrale.actions.egress import Egress
from maestrale.model.errors import InvalidAction


def host_and_port(text: str, default: int) -> tuple[str, int]:
    """The parts of `host`, `host:port`, `::1` or `[::1]:port`. Raises `InvalidAction` for other texts."""
    host, bracket, rest = text.strip().removeprefix("[").partition("]")
    if text.strip().startswith("[") != bool(bracket) or (bracket and rest[:1] not in ("", ":")):
        raise InvalidAction(f"'{text}' is not a host")
    colon, port = (rest[:1], rest[1:]) if bracket else ("", "")
    if not bracket and host.count(":") == 1:
        host, colon, port = host.partition(":")
    if not host or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise InvalidAction(f"'{text}' is not a host", "write it as host or host:port")
    return host, int(port) if colon else default


async def checked_addresses(egress: Egress, host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host, each of them allowed.

    Raises `HostNotAllowed` if the host or any of its addresses is not, and `OSError` if it is unknown.
    """
    egress.check_host(host)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"the host '{host}' cannot be found: {reason(error)}") from error
    for *_, address in found:
        egress.check_address(host, str(address[0]))
    return [(family, address) for family, _, _, _, address in found]


async def open_socket(egress: Egress, host: str, port: int) -> socket.socket:
    """A connection to the first address that answers; no other name or address is looked up afterwards.

    Raises `HostNotAllowed`, and `OSError` where nothing answers.
    """
    why = "it has no address"
    for family, address in await checked_addresses(egress, host, port):
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            await asyncio.get_running_loop().sock_connect(opened, address)
        except OSError as error:
            opened.close()
            why = reason(error)
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise OSError(f"cannot connect to {host} port {port}: {why}")


def reason(error: BaseException) -> str:
    """What went wrong in words, without numbers of the operating system."""
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
