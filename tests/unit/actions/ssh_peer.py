"""A real SSH server on loopback whose commands do what a test needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh

from maestrale.actions.base import ActionContext
from maestrale.actions.settings import ActionSettings, SshSettings
from maestrale.actions.std.ssh import std_ssh
from maestrale.model.values import Json

USER, PASSWORD = "ada", "s3cret"


class Peer:
    """What happened at the server: commands that ran, connections through it, and what ended them."""

    def __init__(self) -> None:
        self.port = 0
        self.commands: list[str] = []
        self.users: list[str] = []
        self.tunnels: list[tuple[str, int]] = []
        self.open = 0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"127.0.0.1:{self.port}"


class _Server(asyncssh.SSHServer):
    def __init__(self, peer: Peer, keys: list[asyncssh.SSHKey], may_tunnel: bool) -> None:
        self._peer = peer
        self._keys = [key.public_data for key in keys]
        self._may_tunnel = may_tunnel

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        del conn
        self._peer.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._peer.open -= 1
        self._peer.ended.set()

    def begin_auth(self, username: str) -> bool:
        self._peer.users.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        del username
        return key.public_data in self._keys

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        del orig_host, orig_port
        self._peer.tunnels.append((dest_host, dest_port))
        return self._may_tunnel


async def _obey(peer: Peer, process: asyncssh.SSHServerProcess[bytes]) -> None:
    command, _, rest = (process.command or "").partition(" ")
    peer.commands.append(process.command or "")
    peer.started.set()
    match command:
        case "say":
            process.stdout.write(rest.encode())
        case "bytes":
            process.stdout.write(bytes.fromhex(rest))
        case "fail":
            process.stdout.write(b"half")
            process.stderr.write(b"it broke")
            process.exit(int(rest))
            return
        case "flood":
            for _ in range(int(rest)):
                process.stdout.write(b"x" * 500)
                process.stderr.write(b"y" * 500)
                await process.stdout.drain()
        case "hang":
            await asyncio.sleep(60)
        case "die":
            process.exit_with_signal("KILL")
            return
        case "vanish":
            process.channel.get_connection().abort()
            return
    process.exit(0)


@asynccontextmanager
async def ssh_peer(
    *keys: asyncssh.SSHKey,
    host_key: asyncssh.SSHKey | None = None,
    port: int = 0,
    may_tunnel: bool = False,
) -> AsyncIterator[Peer]:
    """Serve SSH to the user with the password, and to whoever has one of `keys`."""
    peer = Peer()

    async def handle(process: asyncssh.SSHServerProcess[bytes]) -> None:
        await _obey(peer, process)

    server = await asyncssh.create_server(
        lambda: _Server(peer, list(keys), may_tunnel),
        "127.0.0.1",
        port,
        server_host_keys=[host_key or asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=handle,
        encoding=None,
    )
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


def settings_in(folder: Path, **changes: Json) -> SshSettings:
    """Settings that allow loopback and keep all files in `folder`."""
    return SshSettings(
        **{
            "denied_cidrs": (),
            "known_hosts": str(folder / "known_hosts"),
            "key_folder": str(folder / "keys"),
            "connect_timeout": 10,
            **changes,
        }
    )


def context_with(settings: SshSettings) -> ActionContext:
    """A context with these settings."""
    return ActionContext(settings=ActionSettings(ssh=settings))


async def run(settings: SshSettings, host: Json, cmd: str, **given: Json) -> Json:
    """The result of std.ssh, by default with the right password."""
    login = {} if {"private_key", "private_key_filename"} & given.keys() else {"password": PASSWORD}
    given = {"cmd": cmd, "host": host, "username": USER, **login, **given}
    return await std_ssh.run(context_with(settings), given)
