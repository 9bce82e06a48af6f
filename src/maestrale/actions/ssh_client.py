"""Guarded commands over SSH. Importing this costs asyncssh, so import it late."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncssh
import msgspec

from maestrale.actions.connecting import checked_addresses, host_and_port, open_socket, reason
from maestrale.actions.egress import Egress
from maestrale.actions.settings import SshSettings
from maestrale.actions.ssh_hosts import HostKeys, SshFailure
from maestrale.model.errors import InvalidAction, MaestraleError

DEFAULT_PORT: Final = 22

OWN_KEYS: Final = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Names of the service's own keys, tried where an author gives neither key nor password."""

KEEPALIVE: Final = 15
"""Seconds of silence after which the other side is asked whether it is still there, three times."""

GOODBYE: Final = 2.0
"""Seconds for the other side to answer that the connection is closed."""

# At lower levels the library writes commands into the log.
logging.getLogger("asyncssh").setLevel(logging.WARNING)


class Login(msgspec.Struct, frozen=True):
    """Who logs in, and how: with a password (or pass phrase), a key of the service, or the text of a key."""

    username: str
    password: str | None = None
    key_file: str | None = None
    key_text: str | None = None


class Gateway(msgspec.Struct, frozen=True):
    """A host to go through; `proxy_command` connects to it in place of a connection of our own."""

    host: str
    login: Login
    proxy_command: str | None = None


class Output(msgspec.Struct, frozen=True):
    """What a command wrote, and how it ended; a negative exit code is the number of a signal."""

    stdout: str
    stderr: str
    exit_code: int
    failure: str

    def check(self) -> None:
        """Raise `SshFailure` if the command failed. What it wrote stays untold: it may be confidential."""
        if self.exit_code != 0:
            raise SshFailure(self.failure)


async def run_command(
    settings: SshSettings, host: str, login: Login, cmd: str, gateway: Gateway | None = None
) -> Output:
    """Run one command on one host and wait for its end; whoever cancels this ends the connection.

    Raises `SshFailure` if no exit code came back, `InvalidAction` for wrong keys and names, and
    `HostNotAllowed`.
    """
    failure = f"Failed to execute ssh cmd '{cmd}' on {host}"
    try:
        async with contextlib.AsyncExitStack() as stack:
            tunnel = None
            if gateway is not None:
                tunnel = await stack.enter_async_context(_gateway(settings, gateway))
            connection = await stack.enter_async_context(_connection(settings, host, login, tunnel))
            stdout, stderr, exit_code = await _run(connection, cmd, settings.max_output_bytes)
    except MaestraleError as error:
        if isinstance(error, SshFailure):
            raise SshFailure(f"{failure}: {error.message}", error.hint) from error
        raise
    except TimeoutError as error:
        raise SshFailure(f"{failure}: no answer within {settings.connect_timeout:g} seconds") from error
    except asyncssh.PermissionDenied as error:
        raise SshFailure(f"{failure}: the login was refused ({error.reason})") from error
    except asyncssh.ChannelOpenError as error:
        raise SshFailure(f"{failure}: the other side did not open it ({error.reason})") from error
    except (asyncssh.Error, OSError) as error:
        raise SshFailure(f"{failure}: {reason(error)}") from error
    return Output(stdout, stderr, exit_code, failure)


@asynccontextmanager
async def _gateway(settings: SshSettings, gateway: Gateway) -> AsyncIterator[asyncssh.SSHClientConnection]:
    if gateway.proxy_command and not settings.allow_proxy_command:
        raise InvalidAction(
            "Parameter 'proxy_command' is not allowed here: it would run on the machine of the service",
            f"the operator allows it with {settings.where('allow_proxy_command')}",
        )
    async with _connection(settings, gateway.host, gateway.login, None, gateway.proxy_command) as connection:
        yield connection


@asynccontextmanager
async def _connection(
    settings: SshSettings,
    host: str,
    login: Login,
    tunnel: asyncssh.SSHClientConnection | None,
    proxy_command: str | None = None,
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection that is closed in the end: with a farewell if all went well, else at once."""
    name, port = host_and_port(host, DEFAULT_PORT)
    hosts = await asyncio.to_thread(HostKeys, settings, name, port)
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(settings.connect_timeout):
        keys = await _keys(settings, login, stack)
        way: dict[str, Any]
        if tunnel is not None or proxy_command:
            await _check_distant(settings, name, port)
            way = {"tunnel": tunnel} if tunnel is not None else {"proxy_command": proxy_command}
        else:
            way = {"sock": await open_socket(Egress(settings), name, port)}
        try:
            connection = await asyncssh.connect(
                name,
                port,
                **way,
                config=None,
                username=login.username,
                password=login.password,
                client_keys=keys,
                client_factory=lambda: hosts,
                known_hosts=hosts.matching if hosts.are_checked else None,
                x509_trusted_certs=None,
                agent_path=None,
                gss_host=None,
                connect_timeout=settings.connect_timeout,
                login_timeout=settings.connect_timeout,
                keepalive_interval=KEEPALIVE,
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise hosts.distrust(error) from error
    try:
        await asyncio.to_thread(hosts.remember)
        yield connection
        connection.close()
        async with asyncio.timeout(GOODBYE):
            await connection.wait_closed()
    finally:
        connection.abort()


async def _check_distant(settings: SshSettings, host: str, port: int) -> None:
    """Refuse a host that somebody else is going to look up; one that is unknown here passes."""
    with contextlib.suppress(OSError):
        await checked_addresses(Egress(settings), host, port)


async def _run(connection: asyncssh.SSHClientConnection, cmd: str, limit: int) -> tuple[str, str, int]:
    """Run a command without input; its standard output, standard error and exit code."""
    process = await connection.create_process(cmd, stdin=asyncssh.DEVNULL, encoding=None)
    try:
        left = _Allowance(limit)
        stdout, stderr = await asyncio.gather(left.read(process.stdout), left.read(process.stderr))
        await process.wait_closed()
    except BaseException:
        # Closing the connection alone lets most commands run on.
        with contextlib.suppress(OSError):
            process.terminate()
        raise
    if process.returncode is None:
        raise SshFailure("the connection was lost before the command ended")
    return stdout, stderr, process.returncode


class _Allowance:
    """How many more bytes a command may write, to both of its outputs together."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    async def read(self, stream: asyncssh.SSHReader[bytes]) -> str:
        """All of a stream as text. Raises `SshFailure` if it is too much."""
        received = bytearray()
        while piece := await stream.read(65536):
            self._left -= len(piece)
            if self._left < 0:
                raise SshFailure(
                    f"the command wrote more than {self._limit} bytes",
                    f"the operator sets the limit with {SshSettings.where('max_output_bytes')}",
                )
            received += piece
        return received.decode(errors="replace")


async def _keys(settings: SshSettings, login: Login, stack: contextlib.AsyncExitStack) -> Any:
    """The private keys to try; those of the agent only where nothing else is given."""
    if login.key_text:
        return [await asyncio.to_thread(_imported, login.key_text, login.password, "private_key")]
    if login.key_file:
        return [await asyncio.to_thread(_key_in_file, settings, login.key_file, login.password)]
    if login.password:
        return None
    keys: list[Any] = await asyncio.to_thread(_own_keys, settings)
    if settings.agent_socket:
        try:
            agent = await asyncssh.connect_agent(settings.agent_socket)
        except OSError as error:
            raise SshFailure(
                f"the SSH agent at {settings.agent_socket} does not answer: {reason(error)}"
            ) from error
        stack.callback(agent.close)
        keys = [*await agent.get_keys(), *keys]
    return keys or None


def _key_in_file(settings: SshSettings, name: str, passphrase: str | None) -> asyncssh.SSHKey:
    """A key in the folder of keys. Raises `InvalidAction` for another place and for what is no key."""
    folder = Path(settings.key_folder).expanduser().resolve()
    path = (folder / name).resolve()
    if ".." in Path(name).parts or not path.is_relative_to(folder):
        raise InvalidAction(
            f"Parameter 'private_key_filename': '{name}' is not in the folder of keys",
            f"the operator sets it with {settings.where('key_folder')}",
        )
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidAction(
            f"Parameter 'private_key_filename': '{name}' cannot be read: {reason(error)}"
        ) from error
    return _imported(text, passphrase, "private_key_filename")


def _imported(text: str, passphrase: str | None, parameter: str) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_private_key(text, passphrase)
    except asyncssh.KeyEncryptionError as error:
        raise InvalidAction(
            f"Parameter '{parameter}': the pass phrase of the key is wrong",
            "give it as 'password'",
        ) from error
    except asyncssh.KeyImportError as error:
        raise InvalidAction(f"Parameter '{parameter}': this key cannot be used: {error}") from error


def _own_keys(settings: SshSettings) -> list[asyncssh.SSHKey]:
    """The usual keys in the folder of keys, as far as they need no pass phrase."""
    keys = []
    for name in OWN_KEYS:
        with contextlib.suppress(InvalidAction):
            keys.append(_key_in_file(settings, name, None))
    return keys
