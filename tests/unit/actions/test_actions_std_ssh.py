from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import asyncssh
import pytest
from ssh_peer import PASSWORD, USER, context_with, run, settings_in, ssh_peer

from maestrale.actions.egress import HostNotAllowed
from maestrale.actions.extras import NotInstalled
from maestrale.actions.settings import SshSettings
from maestrale.actions.ssh_hosts import SshFailure
from maestrale.actions.std.ssh import std_ssh, std_ssh_proxied, std_wait_ssh
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def settings(tmp_path: Path) -> SshSettings:
    (tmp_path / "keys").mkdir()
    return settings_in(tmp_path)


def keep(settings: SshSettings, name: str, key: asyncssh.SSHKey, passphrase: str | None = None) -> None:
    """Put a private key into the folder of keys."""
    key.write_private_key(str(Path(settings.key_folder) / name), passphrase=passphrase)


# Results


async def test_the_result_is_what_the_command_wrote(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        assert await run(settings, peer.address, "say Grüße\n") == "Grüße\n"
        assert await run(settings, [peer.address], "say one") == "one"
        assert await run(settings, peer.address, "bytes ff41") == "\N{REPLACEMENT CHARACTER}A"
    assert peer.users[0] == USER


async def test_several_hosts_answer_in_order(settings: SshSettings) -> None:
    async with ssh_peer() as one, ssh_peer() as two:
        assert await run(settings, [two.address, one.address], "say x") == ["x", "x"]
        with pytest.raises(SshFailure, match=rf"on {one.address}$"):
            await run(settings, [one.address, two.address], "fail 1")
    assert (len(one.commands), len(two.commands)) == (2, 1)


async def test_an_exit_code_fails_without_details(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        with pytest.raises(SshFailure) as caught:
            await run(settings, peer.address, "fail 3")
    assert str(caught.value) == f"Failed to execute ssh cmd 'fail 3' on {peer.address}"


async def test_the_exit_code_may_be_a_result(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        result = await run(settings, peer.address, "fail 3", return_result_on_error=True)
        assert result == {"stdout": "half", "stderr": "it broke", "exit_code": 3}
        result = await run(settings, [peer.address] * 2, "say x", return_result_on_error=True)
        assert result == [{"stdout": "x", "stderr": "", "exit_code": 0}] * 2
        assert (await run(settings, peer.address, "die", return_result_on_error=True))["exit_code"] == -9
        with pytest.raises(SshFailure, match=r"the connection was lost|Connection lost|reset by peer"):
            await run(settings, peer.address, "vanish", return_result_on_error=True)


async def test_waiting_for_a_host_is_logging_in(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        given = {"host": peer.address, "username": USER, "password": PASSWORD}
        assert await std_wait_ssh.run(context_with(settings), given) == ""
        assert peer.commands == ["ls -l"]
    assert std_wait_ssh.input_text == "host, username, password"


async def test_without_the_library_it_is_said_how_to_get_it(
    settings: SshSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    with pytest.raises(NotInstalled, match=r"pip install 'maestrale\[ssh\]'"):
        await run(settings, "127.0.0.1:1", "say x")


async def test_commands_are_not_logged(settings: SshSettings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with ssh_peer() as peer:
        await run(settings, peer.address, "say hush")
    assert "hush" not in caplog.text
    assert PASSWORD not in caplog.text


# Logging in


async def test_a_wrong_password_is_refused_and_not_told(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        with pytest.raises(SshFailure, match="the login was refused") as caught:
            await run(settings, peer.address, "say x", password="wrong-pa55")
    assert "wrong-pa55" not in str(caught.value)
    assert not peer.commands


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
async def test_a_key_in_the_folder(settings: SshSettings, kind: str) -> None:
    key = asyncssh.generate_private_key(kind)
    keep(settings, "deploy", key)
    path = str(Path(settings.key_folder) / "deploy")
    async with ssh_peer(key) as peer:
        for name in ("deploy", path):
            assert await run(settings, peer.address, "say x", private_key_filename=name) == "x"


async def test_the_text_of_a_key(settings: SshSettings) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = key.export_private_key("openssh").decode()
    locked = key.export_private_key("openssh", "phrase", rounds=1).decode()
    async with ssh_peer(key) as peer:
        assert await run(settings, peer.address, "say x", private_key=text) == "x"
        assert await run(settings, peer.address, "say x", private_key=locked, password="phrase") == "x"
        with pytest.raises(InvalidAction, match="pass phrase of the key is wrong"):
            await run(settings, peer.address, "say x", private_key=locked, password="other")
        with pytest.raises(InvalidAction, match="this key cannot be used: Passphrase must be specified"):
            await run(settings, peer.address, "say x", private_key=locked)
        with pytest.raises(InvalidAction, match="'private_key': this key cannot be used"):
            await run(settings, peer.address, "say x", private_key="abc")


async def test_a_wrong_key_is_refused(settings: SshSettings) -> None:
    text = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    async with ssh_peer(asyncssh.generate_private_key("ssh-ed25519")) as peer:
        with pytest.raises(SshFailure, match="the login was refused"):
            await run(settings, peer.address, "say x", private_key=text)


@pytest.mark.parametrize("name", ["../secret", "{folder}/secret", "sub/../../secret", "link", "/etc/passwd"])
async def test_keys_elsewhere_are_out_of_reach(settings: SshSettings, tmp_path: Path, name: str) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(str(tmp_path / "secret"))
    (tmp_path / "keys" / "link").symlink_to(tmp_path / "secret")
    async with ssh_peer(key) as peer:
        given = name.format(folder=tmp_path)
        with pytest.raises(InvalidAction, match="is not in the folder of keys") as caught:
            await run(settings, peer.address, "say x", private_key_filename=given)
    assert "MAESTRALE_STD_SSH_KEY_FOLDER" in caught.value.hint
    assert not peer.users


async def test_a_key_that_is_not_there(settings: SshSettings) -> None:
    with pytest.raises(InvalidAction, match="'none' cannot be read: No such file"):
        await run(settings, "127.0.0.1:1", "say x", private_key_filename="none")


async def test_the_own_keys_are_tried_where_nothing_else_is_given(
    settings: SshSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    (tmp_path / ".ssh").mkdir()
    other.write_private_key(str(tmp_path / ".ssh" / "id_ed25519"))
    async with ssh_peer(key, other) as peer:
        with pytest.raises(SshFailure, match="the login was refused"):
            await run(settings, peer.address, "say x", password="")
        keep(settings, "id_ed25519", key)
        assert await run(settings, peer.address, "say x", password="") == "x"


async def _agent(socket: str) -> asyncssh.SSHAgentClient:
    """The agent at this socket, as soon as it listens."""
    while True:
        try:
            return await asyncssh.connect_agent(socket)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.01)


async def test_the_agent_is_asked_only_where_the_operator_says_so(
    settings: SshSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    socket = str(tmp_path / "agent")
    process = await asyncio.create_subprocess_exec(
        "ssh-agent", "-D", "-a", socket, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with await _agent(socket) as agent:
            await agent.add_keys([key])
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        async with ssh_peer(key) as peer:
            with pytest.raises(SshFailure, match="the login was refused"):
                await run(settings, peer.address, "say x", password="")
            allowed = settings_in(tmp_path, agent_socket=socket)
            assert await run(allowed, peer.address, "say x", password="") == "x"
            nowhere = settings_in(tmp_path, agent_socket=socket + "-none")
            with pytest.raises(SshFailure, match=r"agent-none does not answer"):
                await run(nowhere, peer.address, "say x", password="")
    finally:
        process.terminate()
        await process.wait()


# Knowing the host


async def test_a_new_host_is_remembered_and_another_key_refused(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        for _ in range(2):
            assert await run(settings, peer.address, "say x") == "x"
        known = Path(settings.known_hosts).read_text().splitlines()
        assert [line.split()[0] for line in known] == [f"[127.0.0.1]:{peer.port}"]
    async with ssh_peer(port=peer.port) as other:
        with pytest.raises(SshFailure, match=r"not the one that is known \(ssh-ed25519 SHA256:") as caught:
            await run(settings, other.address, "say x")
        assert f"remove [127.0.0.1]:{peer.port} from {settings.known_hosts}" in caught.value.hint
    assert not other.users


async def test_strict_refuses_hosts_that_are_not_known(tmp_path: Path) -> None:
    strict = settings_in(tmp_path, host_keys="strict")
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with ssh_peer(host_key=key) as peer:
        with pytest.raises(SshFailure, match=r"the key of the host is unknown \(ssh-ed25519 SHA256:"):
            await run(strict, peer.address, "say x")
        assert not peer.users
        line = f"[127.0.0.1]:{peer.port} {key.export_public_key().decode()}"
        Path(strict.known_hosts).write_text(line)
        assert await run(strict, peer.address, "say x") == "x"


async def test_a_key_of_another_port_says_nothing(settings: SshSettings) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    Path(settings.known_hosts).write_text(f"127.0.0.1 {other}")
    async with ssh_peer() as peer:
        assert await run(settings, peer.address, "say x") == "x"


async def test_any_checks_and_remembers_nothing(tmp_path: Path) -> None:
    loose = settings_in(tmp_path, host_keys="any")
    async with ssh_peer() as peer:
        assert await run(loose, peer.address, "say x") == "x"
    async with ssh_peer(port=peer.port) as other:
        assert await run(loose, other.address, "say x") == "x"
    assert not Path(loose.known_hosts).exists()


async def test_known_hosts_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with ssh_peer() as peer:
        for known, words in (("file/known", "cannot be (read|written)"), ("keys", "cannot be read")):
            (tmp_path / "keys").mkdir(exist_ok=True)
            with pytest.raises(SshFailure, match=words):
                await run(settings_in(tmp_path, known_hosts=str(tmp_path / known)), peer.address, "say x")


# Limits


async def test_too_much_output_ends_the_connection(tmp_path: Path) -> None:
    tight = settings_in(tmp_path, max_output_bytes=100_000)
    async with ssh_peer() as peer:
        assert len(await run(tight, peer.address, "flood 50")) == 25_000
        peer.ended.clear()
        with pytest.raises(SshFailure, match="wrote more than 100000 bytes") as caught:
            await run(tight, peer.address, "flood 100000")
        assert "MAESTRALE_STD_SSH_MAX_OUTPUT_BYTES" in caught.value.hint
        await asyncio.wait_for(peer.ended.wait(), 5)


async def test_a_cancelled_action_ends_the_connection(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        action = asyncio.create_task(run(settings, peer.address, "hang"))
        await asyncio.wait_for(peer.started.wait(), 10)
        action.cancel()
        with pytest.raises(asyncio.CancelledError):
            await action
        await asyncio.wait_for(peer.ended.wait(), 5)
        assert peer.open == 0


async def test_a_silent_server_is_given_up(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    hasty = settings_in(tmp_path, connect_timeout=0.3)
    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(SshFailure, match=r"no answer within 0.3 seconds|timeout"):
            await run(hasty, address, "say x")


async def test_nobody_listens(settings: SshSettings) -> None:
    async with ssh_peer() as peer:
        pass
    with pytest.raises(SshFailure, match=r"^Failed to execute ssh cmd 'say x' on .*: cannot connect to"):
        await run(settings, peer.address, "say x")
    with pytest.raises(SshFailure, match="cannot be found"):
        await run(settings, "no-such-host.invalid", "say x")


async def test_the_guard_of_hosts(tmp_path: Path) -> None:
    async with ssh_peer() as peer:
        with pytest.raises(HostNotAllowed, match=r"Host '127.0.0.1' resolves to a blocked address") as caught:
            await run(SshSettings(known_hosts=str(tmp_path / "known")), peer.address, "say x")
        assert "MAESTRALE_STD_SSH_DENIED_CIDRS" in caught.value.hint
        named = settings_in(tmp_path, allowed_hosts=("build.example.org",))
        with pytest.raises(HostNotAllowed, match="is not one of the allowed hosts"):
            await run(named, peer.address, "say x")
    assert not peer.users


@pytest.mark.parametrize("host", [[], "", [""], None, [7], {"a": 1}])
async def test_a_host_is_needed(settings: SshSettings, host: Json) -> None:
    with pytest.raises(InvalidAction, match="'host' must be the name of a host, or a list of names"):
        await run(settings, host, "say x")


# Through a gateway


async def proxied(settings: SshSettings, gateway: str, host: Json, cmd: str, **given: Json) -> Json:
    login: dict[str, Json] = {"private_key_filename": None, "password": PASSWORD}
    given = {"cmd": cmd, "host": host, "username": USER, "gateway_host": gateway, **login, **given}
    return await std_ssh_proxied.run(context_with(settings), given)


async def test_a_command_behind_a_gateway(settings: SshSettings) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    keep(settings, "deploy", key)
    async with ssh_peer(key, may_tunnel=True) as gateway, ssh_peer(key) as peer:
        assert await proxied(settings, gateway.address, peer.address, "say x") == "x"
        assert gateway.tunnels == [("127.0.0.1", peer.port)]
        assert not gateway.commands
        result = await proxied(
            settings, gateway.address, [peer.address] * 2, "say y",
            private_key_filename="deploy", gateway_username="guard", password=None,
        )  # fmt: skip
        assert result == ["y", "y"]
        assert set(gateway.users) == {USER, "guard"}
        with pytest.raises(SshFailure, match=rf"^Failed to execute ssh cmd 'fail 1' on {peer.address}$"):
            await proxied(settings, gateway.address, peer.address, "fail 1")
        gateway.ended.clear()
        peer.started.clear()
        action = asyncio.create_task(proxied(settings, gateway.address, peer.address, "hang"))
        await asyncio.wait_for(peer.started.wait(), 10)
        action.cancel()
        with pytest.raises(asyncio.CancelledError):
            await action
        await asyncio.wait_for(gateway.ended.wait(), 5)
    assert len(Path(settings.known_hosts).read_text().splitlines()) == 2


async def test_a_gateway_that_lets_nobody_through(settings: SshSettings) -> None:
    async with ssh_peer() as gateway, ssh_peer() as peer:
        with pytest.raises(SshFailure, match="did not open it"):
            await proxied(settings, gateway.address, peer.address, "say x")
        with pytest.raises(SshFailure, match="the login was refused"):
            await proxied(settings, gateway.address, peer.address, "say x", gateway_username="eve")
    assert not peer.users


async def test_a_host_behind_a_gateway_is_guarded_too(tmp_path: Path) -> None:
    async with ssh_peer(may_tunnel=True) as gateway:
        guarded = settings_in(tmp_path, denied_cidrs=("10.0.0.0/8",))
        with pytest.raises(HostNotAllowed, match=r"blocked address \(10\.1\.2\.3\)"):
            await proxied(guarded, gateway.address, "10.1.2.3", "say x")
        assert not gateway.tunnels


async def test_a_proxy_command_runs_only_where_the_operator_allows_it(tmp_path: Path) -> None:
    relay = (
        "import socket,sys,os,threading\n"
        "s=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n"
        "def send(): [s.sendall(d) for d in iter(lambda:os.read(0,9999),b'')]\n"
        "threading.Thread(target=send,daemon=True).start()\n"
        "[os.write(1,d) for d in iter(lambda:s.recv(9999),b'')]\n"
    )
    (tmp_path / "relay.py").write_text(relay)
    async with ssh_peer(may_tunnel=True) as gateway, ssh_peer() as peer:
        command = f"python3 {tmp_path / 'relay.py'} {gateway.port}"
        with pytest.raises(InvalidAction, match="'proxy_command' is not allowed here"):
            await proxied(
                settings_in(tmp_path), gateway.address, peer.address, "say x", proxy_command=command
            )
        assert not gateway.users
        trusting = settings_in(tmp_path, allow_proxy_command=True)
        assert await proxied(trusting, gateway.address, peer.address, "say x", proxy_command=command) == "x"


def test_the_parameters_are_the_documented_ones() -> None:
    assert std_ssh.input_text == (
        'cmd, host, username, password="", private_key_filename=null, private_key=null, '
        "return_result_on_error=false"
    )
    assert std_ssh_proxied.input_text == (
        "cmd, host, username, private_key_filename, gateway_host, gateway_username=null, password=null, "
        "proxy_command=null, private_key=null"
    )
    assert not std_ssh.facts.repeatable
