"""A server that speaks HTTPS itself, behind a proxy that says who asks."""

from __future__ import annotations

from pathlib import Path

import httpx
from certificates import self_signed

from processes.command import maestrale
from processes.server import Server

TEXT = "version: '2.0'\nquick:\n  tasks: {t: {action: std.noop}}\n"
WHO = {"X-Identity-Status": "Confirmed", "X-Project-Id": "web", "X-User-Id": "ada"}
PROXY = "127.0.0.2"


def test_https_and_a_trusted_proxy(tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    settings = {
        "MAESTRALE_SERVER_TLS_CERT": str(pem),
        "MAESTRALE_SERVER_AUTH": "proxy",
        "MAESTRALE_PROXY_TRUSTED": PROXY,
    }
    with Server(tmp_path / "server", **settings) as server:

        def ask(address: str, **more: str) -> httpx.Response:
            transport = httpx.HTTPTransport(verify=server.trust, local_address=address)
            with httpx.Client(transport=transport) as client:
                return client.get(f"{server.url}/v2/workflows?limit=1", headers={**WHO, **more})

        answer = ask(PROXY)
        assert answer.status_code == 200
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert ask(PROXY, **{"X-Forwarded-For": "10.9.9.9"}).status_code == 200
        # Whoever is on this machine cannot pass for the proxy by saying so.
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-Ip"):
            assert ask("127.0.0.1", **{name: PROXY}).status_code == 401

        address = {"OS_MISTRAL_URL": f"{server.url}/v2"}
        distrusted = maestrale(tmp_path, "workflow-list", settings=address)
        assert "To trust its certificate: --os-cacert FILE" in distrusted.err
        trusted = maestrale(tmp_path, "workflow-list", settings={**address, "OS_CACERT": str(pem)})
        assert "have to come through the proxy" in trusted.err

        file = tmp_path / "quick.yaml"
        file.write_text(TEXT)
        handed = maestrale(tmp_path, "run", "--database", server.database_url, str(file))
        assert "have to come through the proxy" in handed.err  # it reached the server
    assert f"listens on {server.url}/v2" in server.log.read_text()


def test_a_server_does_not_start_with_a_certificate_it_cannot_use(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/maestrale.db"
    ran = maestrale(tmp_path, "server", "--port", "0", "--tls-cert", "/nowhere.pem", "--database", database)
    assert (ran.code, ran.out) == (1, "")
    assert "The certificate /nowhere.pem cannot be read: No such file or directory" in ran.err
