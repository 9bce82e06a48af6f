"""A server that knows people by a Keycloak, asked by the program and by the original client."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from keycloak import AUDIENCE, CLIENT, SECRET, Keycloak, User
from processes.command import maestrale
from processes.server import Server, clean_environment

ORIGINAL: Final = Path(__file__).parents[2] / ".test" / "clients" / "venv" / "bin" / "mistral"
"""The command of python-mistralclient, where it is installed."""

TEXT: Final = "version: '2.0'\nNAME:\n  tasks: {t: {action: std.noop}}\n"
PASSWORD: Final = "password-of-everybody"

pytestmark = pytest.mark.slow


@pytest.fixture
def keycloak() -> Iterator[Keycloak]:
    with Keycloak(web=(User("ada", PASSWORD),), shop=(User("bob", PASSWORD),)) as provider:
        yield provider


@pytest.fixture
def server(tmp_path: Path, keycloak: Keycloak) -> Iterator[Server]:
    settings = {
        "MAESTRALE_SERVER_AUTH": "oidc",
        "MAESTRALE_OIDC_ISSUERS": ",".join(realm.issuer for realm in keycloak.realms.values()),
        "MAESTRALE_OIDC_AUDIENCE": AUDIENCE,
        "MAESTRALE_LOG_LEVEL": "debug",
    }
    with Server(tmp_path / "server", **settings) as found:
        yield found


def variables(keycloak: Keycloak, server: Server, realm: str, user: str) -> dict[str, str]:
    return {
        "OS_MISTRAL_URL": f"{server.url}/v2",
        "MISTRAL_AUTH_TYPE": "keycloak-oidc",
        "OS_AUTH_URL": keycloak.url,
        "OS_PROJECT_NAME": realm,
        "OS_USERNAME": user,
        "OS_PASSWORD": PASSWORD,
        "OPENID_CLIENT_ID": CLIENT,
        "OPENID_CLIENT_SECRET": SECRET,
    }


@pytest.mark.covers("auth.keycloak.token", "auth.keycloak.realm", "sec.mask.logs")
def test_two_realms_at_the_command_line(tmp_path: Path, keycloak: Keycloak, server: Server) -> None:
    ada, bob = variables(keycloak, server, "web", "ada"), variables(keycloak, server, "shop", "bob")
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT.replace("NAME", "mine"))
    ran = maestrale(tmp_path, "run", "--database", server.database_url, str(file), settings=ada)
    assert ran.code == 0, ran.err
    (row,) = json.loads(maestrale(tmp_path, "workflow-list", "-f", "json", settings=ada).out)
    assert (row["Name"], row["Project ID"]) == ("mine", "web")
    assert json.loads(maestrale(tmp_path, "workflow-list", "-f", "json", settings=bob).out) == []
    log = server.log.read_text()
    for realm in keycloak.realms.values():
        assert realm.tokens
        for token in realm.tokens:
            assert token not in log
            assert token.rpartition(".")[2] not in log


@pytest.mark.skipif(not ORIGINAL.exists(), reason="python-mistralclient is not installed")
def test_the_original_client(tmp_path: Path, keycloak: Keycloak, server: Server) -> None:
    """Its `--auth-type keycloak-oidc`, with a password."""
    environment = clean_environment(tmp_path) | variables(keycloak, server, "web", "ada")
    file = tmp_path / "theirs.yaml"
    file.write_text(TEXT.replace("NAME", "theirs"))

    def ask(*words: str) -> list[dict[str, str]]:
        ran = subprocess.run(
            [ORIGINAL, *words, "-f", "json"], env=environment, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        found: list[dict[str, str]] = json.loads(ran.stdout)
        return found

    ask("workflow-create", str(file))
    (row,) = ask("workflow-list")
    assert (row["Name"], row["Project ID"]) == ("theirs", "web")
    environment["OS_PASSWORD"] = "wrong"
    with pytest.raises(AssertionError, match="Failed to get access token"):
        ask("workflow-list")
