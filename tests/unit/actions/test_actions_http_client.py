from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from http_peer import basic_header, call, context_with, free_port, peer, raw_peer

from maestrale.actions.egress import HostNotAllowed, HttpSettings
from maestrale.actions.http_client import HttpFailure
from maestrale.actions.std import http

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def server(anyio_backend: str) -> AsyncIterator[TestServer]:
    del anyio_backend
    async with peer() as running:
        yield running
    await http.close()


# Limits


async def test_a_hanging_peer_fails(server: TestServer) -> None:
    started = time.monotonic()
    with pytest.raises(HttpFailure) as caught:
        await call(f"{server.make_url('/slow')}?token=secret", timeout=0.2)
    assert str(caught.value) == (
        f"Failed to send HTTP request: no answer from {server.make_url('/slow')} within 0.2 seconds"
    )
    assert time.monotonic() - started < 5


async def test_a_peer_that_stops_half_way_fails(server: TestServer) -> None:
    with pytest.raises(HttpFailure, match=r"within 0\.2 seconds"):
        await call(server.make_url("/stall"), timeout="0.2")


async def test_the_default_timeout_is_a_setting(server: TestServer) -> None:
    assert HttpSettings().default_timeout == 60
    settings = HttpSettings(denied_cidrs=(), default_timeout=0.2)
    with pytest.raises(HttpFailure, match=r"within 0\.2 seconds"):
        await call(server.make_url("/slow"), context_with(settings))


async def test_no_timeout_at_all(server: TestServer) -> None:
    context = context_with(HttpSettings(denied_cidrs=(), default_timeout=0))
    assert (await call(server.make_url("/status/200"), context))["status"] == 200
    assert (await call(server.make_url("/status/200"), timeout=0))["status"] == 200


async def test_cancelling_ends_the_request(server: TestServer) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(call(server.make_url("/slow")), 0.1)
    assert (await call(server.make_url("/status/200")))["status"] == 200


async def test_announced_size_is_limited(server: TestServer) -> None:
    with pytest.raises(HttpFailure) as caught:
        await call(server.make_url("/size?how=announced&bytes=6000000"))
    assert caught.value.message == (
        "HTTP response is too large (Content-Length=6000000, limit=5242880 bytes)."
    )
    assert "std_http.max_response_size_bytes" in caught.value.hint


@pytest.mark.parametrize("how", ["streamed", "compressed"])
async def test_unannounced_size_is_limited(server: TestServer, how: str) -> None:
    settings = HttpSettings(denied_cidrs=(), max_response_size_bytes=50_000)
    with pytest.raises(HttpFailure, match=r"too large \(received more than limit=50000 bytes\)"):
        await call(server.make_url(f"/size?how={how}&bytes=5000000"), context_with(settings))


@pytest.mark.parametrize(("how", "limit"), [("announced", 5000), ("streamed", 5000), ("announced", 0)])
async def test_sizes_up_to_the_limit_arrive(server: TestServer, how: str, limit: int) -> None:
    settings = HttpSettings(denied_cidrs=(), max_response_size_bytes=limit)
    result = await call(server.make_url(f"/size?how={how}&bytes=5000"), context_with(settings))
    assert result["content"] == "x" * 5000


# What can go wrong


async def test_connection_refused() -> None:
    port = free_port()
    with pytest.raises(
        HttpFailure, match=f"Failed to send HTTP request: Cannot connect to host 127.0.0.1:{port}"
    ):
        await call(f"http://127.0.0.1:{port}/")
    await http.close()


async def test_unknown_host() -> None:
    with pytest.raises(HttpFailure, match=r"Cannot connect to host no-such-host\.invalid"):
        await call("http://no-such-host.invalid/", context_with(HttpSettings()))
    await http.close()


async def test_an_answer_that_breaks_off() -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with raw_peer(answer) as url:
        with pytest.raises(
            HttpFailure, match="Failed to send HTTP request: Response payload is not completed"
        ):
            await call(url)
    await http.close()


async def test_no_http_at_all() -> None:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")

    async with raw_peer(answer) as url:
        with pytest.raises(HttpFailure, match="Failed to send HTTP request: "):
            await call(url)
    await http.close()


@pytest.mark.parametrize(
    ("url", "headers"),
    [("http://h:99999999/", {}), ("http://127.0.0.1:1/", {"X": "a\r\nEvil: 1"})],
)
async def test_requests_that_cannot_be_written(url: str, headers: dict[str, str]) -> None:
    with pytest.raises(HttpFailure, match="Failed to send HTTP request: "):
        await call(url, headers=headers)
    await http.close()


@pytest.mark.parametrize("url", ["ftp://example.org/x", "file:///etc/passwd", "example.org", "http:///path"])
async def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(HostNotAllowed):
        await call(url)
    await http.close()


# Where requests may go


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "2130706433", "127.1", "0x7f.1"],
)
async def test_the_own_machine_is_blocked_under_all_its_names(server: TestServer, host: str) -> None:
    with pytest.raises((HostNotAllowed, HttpFailure)) as caught:
        await call(f"http://{host}:{server.port}/echo", context_with(HttpSettings()))
    if isinstance(caught.value, HostNotAllowed):
        assert "' resolves to a blocked address (" in caught.value.message
    else:
        # Forms of numbers that are no addresses do not get as far as an address.
        assert "not a canonical IPv4 address" in str(caught.value)


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "[fd00:ec2::254]"])
async def test_metadata_and_private_addresses_are_blocked_by_default(address: str) -> None:
    with pytest.raises(HostNotAllowed, match=r"resolves to a blocked address") as caught:
        await call(f"http://{address}/latest/meta-data", context_with(HttpSettings()))
    assert "MAESTRALE_STD_HTTP_DENIED_CIDRS" in str(caught.value)
    await http.close()


async def test_redirects_are_guarded_too(server: TestServer) -> None:
    context = context_with(HttpSettings(denied_cidrs=("10.0.0.0/8",)))
    url = server.make_url("/redirect").with_query(to="http://10.1.2.3/")
    with pytest.raises(HostNotAllowed, match=r"resolves to a blocked address \(10\.1\.2\.3\)"):
        await call(url, context, allow_redirects=True)
    context = context_with(HttpSettings(denied_cidrs=(), allowed_hosts=("127.0.0.1",)))
    url = server.make_url("/redirect").with_query(to=f"http://localhost:{server.port}/echo")
    with pytest.raises(HostNotAllowed, match="'localhost' is not one of the allowed hosts"):
        await call(url, context, allow_redirects=True)


async def test_a_name_is_resolved_once_and_refused_if_any_address_is_blocked(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.port is not None
    answers = [["127.0.0.1"], ["10.9.9.9"], ["127.0.0.1", "10.9.9.9"]]

    def resolve(_: object, port: int, *__: object, **___: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    context = context_with(HttpSettings(denied_cidrs=("10.0.0.0/8",)))
    good = await call(f"http://good.example:{server.port}/echo", context)
    assert good["content"]["headers"]["host"] == f"good.example:{server.port}"
    assert len(answers) == 2
    for name in ("bad.example", "mixed.example"):
        with pytest.raises(HostNotAllowed, match=rf"URL host '{name}' resolves .* \(10\.9\.9\.9\)"):
            await call(f"http://{name}:{server.port}/echo", context)
    assert answers == []


# Proxies


async def test_requests_go_through_the_proxy() -> None:
    heads: list[bytes] = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied")

    async with raw_peer(answer) as url:
        port = url.rpartition(":")[2]
        for proxies in (
            {"http": url, "https": "http://127.0.0.1:1"},
            {"http://target.invalid": url, "http": "http://127.0.0.1:1"},
            {"all": f"127.0.0.1:{port}"},
            {"http": f"http://u:p@127.0.0.1:{port}"},
        ):
            assert (await call("http://target.invalid/x?y=1", proxies=proxies))["content"] == "proxied"
    assert all(head.startswith(b"GET http://target.invalid/x?y=1 HTTP/1.1\r\n") for head in heads)
    authorization = b"Proxy-Authorization: " + basic_header("u:p").encode()
    assert [authorization in head for head in heads] == [False, False, False, True]
    await http.close()


async def test_a_proxy_for_another_scheme_is_not_used(server: TestServer) -> None:
    proxies = {"https": "http://127.0.0.1:1"}
    assert (await call(server.make_url("/status/200"), proxies=proxies))["status"] == 200


async def test_proxies_are_guarded() -> None:
    denied = context_with(HttpSettings(denied_cidrs=("10.0.0.0/8",)))
    for url, proxy, complaint in (
        ("http://target.invalid/", "http://10.0.0.1:3128", "'10.0.0.1' resolves to a blocked address"),
        ("http://10.0.0.1/", "http://127.0.0.1:1", "'10.0.0.1' resolves to a blocked address"),
        ("http://target.invalid/", "socks5://127.0.0.1:1", "scheme 'socks5' is not allowed"),
    ):
        with pytest.raises(HostNotAllowed, match=complaint):
            await call(url, denied, proxies={"http": proxy})
    await http.close()


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {folder}/key.pem -out {folder}/certificate.pem".split(),
        check=True,
        capture_output=True,
    )
    return folder / "certificate.pem"


@pytest.fixture
async def secure_url(anyio_backend: str, certificate: Path) -> AsyncIterator[str]:
    del anyio_backend
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    app = web.Application()
    app.router.add_get("/", _safe)
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    yield str(server.make_url("/"))
    await server.close()
    await http.close()


async def _safe(_: web.Request) -> web.Response:
    return web.Response(text="safe")


async def test_a_certificate_nobody_vouches_for_is_refused(secure_url: str) -> None:
    for given in ({}, {"verify": None}, {"verify": True}):
        with pytest.raises(HttpFailure, match=r"Failed to send HTTP request: .*certificate verify failed"):
            await call(secure_url, **given)


async def test_verification_can_be_switched_off_for_one_request(secure_url: str) -> None:
    assert (await call(secure_url, verify=False))["content"] == "safe"
    with pytest.raises(HttpFailure, match="certificate verify failed"):
        await call(secure_url)


async def test_own_certificates_can_be_trusted(secure_url: str, certificate: Path, tmp_path: Path) -> None:
    assert (await call(secure_url, verify=str(certificate)))["content"] == "safe"
    shutil.copy(certificate, tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True)
    assert (await call(secure_url, verify=str(tmp_path)))["content"] == "safe"


async def test_unusable_trust_is_explained(secure_url: str, tmp_path: Path) -> None:
    with pytest.raises(HttpFailure, match="cannot read CA certificates from '/no/such/file': No such file"):
        await call(secure_url, verify="/no/such/file")
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(HttpFailure, match="cannot read CA certificates from"):
        await call(secure_url, verify=str(tmp_path / "text"))


async def test_verify_means_nothing_without_tls(server: TestServer) -> None:
    assert (await call(server.make_url("/status/200"), verify="/no/such/file"))["status"] == 200


# Connections


async def test_connections_are_reused_until_closed() -> None:
    ports: set[int] = set()

    async def remember(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response()

    app = web.Application()
    app.router.add_get("/", remember)
    async with TestServer(app, host="127.0.0.1") as server:
        for _ in range(3):
            await call(server.make_url("/"))
        assert len(ports) == 1
        await http.close()
        await call(server.make_url("/"))
        assert len(ports) == 2
        await http.close()
        await http.close()


def test_every_event_loop_has_its_own_connections() -> None:
    async def scenario() -> None:
        async with peer() as server:
            assert (await call(server.make_url("/status/200")))["status"] == 200
        await http.close()

    for _ in range(2):
        asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_an_ended_loop_left_behind_is_forgotten() -> None:
    async def scenario(tidy: bool) -> None:
        async with peer() as server:
            await call(server.make_url("/status/200"))
        if tidy:
            await http.close()

    asyncio.run(scenario(tidy=False))
    asyncio.run(scenario(tidy=True))
    assert http._clients == {}
    gc.collect()
