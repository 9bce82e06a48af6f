"""`server`: the whole service in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Final

import click

from maestrale import __version__
from maestrale.cli.output import size_text
from maestrale.cli.tls import server_context
from maestrale.config import Settings
from maestrale.model.errors import MaestraleError
from maestrale.wiring import Service

OPEN_FILES: Final = 65536
"""Files and connections that a server may need at the same time."""


class CannotListen(MaestraleError):
    """The address cannot be used; the message says why."""


def serve(settings: Settings) -> None:
    """Listen, work, and stop on SIGTERM or Ctrl-C after running actions had their grace."""
    _allow_open_files()
    if "api" not in settings.server.roles:
        _work(settings)
        return
    tls = server_context(settings.server.tls_cert, settings.server.tls_key)
    listener = open_socket(settings.server.host, settings.server.port)
    with contextlib.closing(listener):
        service = Service(settings)
        try:
            host, port = listener.getsockname()[:2]
            address = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
            app = service.app()
            service.start(address)
            say(f"Maestrale {__version__} listens on {address}/v2")
            _tell_of_data(service, "Its data is in")
            _warn_of_strangers(settings, host)
            service.warm_up()
            asyncio.run(_run(app, listener, tls, service.let_go))
        finally:
            service.stop()
    say("Stopped.")


def _allow_open_files() -> None:
    """Take as many connections as the system allows: some shells give programs no more than 1024."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _warn_of_strangers(settings: Settings, host: str) -> None:
    if is_loopback(host):
        return
    if not settings.server.knows_callers:
        say("Warning: there is no authentication; whoever reaches this address may do everything.")
    elif not settings.server.tls_cert:
        say("Note: tokens cross the network as they are; use --tls-cert, or a proxy that speaks HTTPS.")


def _work(settings: Settings) -> None:
    """An engine without an API: it works until it is told to stop."""
    # Through a socket: a lock would not be woken by a signal that comes in the moment before its waiting.
    told, telling = socket.socketpair()
    telling.setblocking(False)
    service = Service(settings)
    try:
        signal.set_wakeup_fd(telling.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: None)
        service.start()
        _tell_of_data(service, f"Maestrale {__version__} runs workflows of")
        service.warm_up()
        told.recv(1)
        say("Stopping: running actions may end first.")
    finally:
        service.stop()
    say("Stopped.")


def _tell_of_data(service: Service, beginning: str) -> None:
    """Where it is, how much it is, and (from an engine, which sees to it) how long it is kept."""
    database = service.database
    size = database.read(database.dialect.size).result()
    say(f"{beginning} {database.dialect.name} ({size_text(size)})")
    if service.engine.decides:
        say(f"{service.settings.retention.rule}.")


async def _run(
    app: object, listener: socket.socket, tls: ssl.SSLContext | None, let_go: Callable[[], None]
) -> None:
    """`let_go` has requests answered that would wait for long."""
    import uvicorn

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
        server_header=False,
        # It would put the word of whoever is on this machine in the place of the peer's address.
        proxy_headers=False,
    )
    config.load()
    config.ssl = tls
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server, let_go)
    server.capture_signals = contextlib.nullcontext  # type: ignore
    with contextlib.suppress(asyncio.CancelledError):
        await server.serve(sockets=[listener])


def _stop(server: object, let_go: Callable[[], None]) -> None:
    if getattr(server, "should_exit", False):
        say("Stopping at once.")
    else:
        say("Stopping: running actions may end first; once more to stop at once.")
    server.force_exit = getattr(server, "should_exit", False)  # type: ignore[attr-defined]
    server.should_exit = True  # type: ignore[attr-defined]
    let_go()


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `CannotListen` with what to do about it."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # Without the protocol, asyncio would not know that connections need TCP_NODELAY.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotListen(
            f"Cannot listen on {host}:{port}: {reason}",
            f"another program may use port {port}; choose another one with --port",
        ) from None
    return listener


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def say(text: str) -> None:
    """Tell the person at the terminal; standard output is for results."""
    click.echo(text, file=sys.stderr)
