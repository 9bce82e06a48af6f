"""Logging in to a Keycloak with a password, and what is said where that fails."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from certificates import self_signed
from cli_objects import EXECUTION
from cli_server import ApiServer, Outcome, run

from keycloak import CLIENT, LIFE, SECRET, Keycloak, User
from maestrale.cli.credentials import KeycloakLogin
from maestrale.client.errors import ApiError
from maestrale.client.sync import Client

PASSWORD: Final = "pass word+%&"
ADA: Final = User("ada", PASSWORD)


@pytest.fixture(scope="module")
def keycloak() -> Iterator[Keycloak]:
    with Keycloak(web=(ADA,)) as provider:
        yield provider


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.answer("GET /executions/e", EXECUTION)
        yield server


def variables(keycloak: Keycloak, api: ApiServer, **changed: str) -> dict[str, str]:
    usual = {
        "OS_MISTRAL_URL": api.url,
        "MISTRAL_AUTH_TYPE": "keycloak-oidc",
        "OS_AUTH_URL": keycloak.url,
        "OS_PROJECT_NAME": "web",
        "OS_USERNAME": "ada",
        "OS_PASSWORD": PASSWORD,
        "OPENID_CLIENT_ID": CLIENT,
        "OPENID_CLIENT_SECRET": SECRET,
    }
    return {name: value for name, value in {**usual, **changed}.items() if value}


def show(keycloak: Keycloak, api: ApiServer, *words: str, **changed: str) -> Outcome:
    return run(*words, "execution-get", "e", **variables(keycloak, api, **changed))


def test_a_password_becomes_a_token(keycloak: Keycloak, api: ApiServer) -> None:
    outcome = show(keycloak, api, "--debug")
    assert outcome.code == 0, outcome.err
    assert keycloak["web"].tokens[api.last.token].claims["preferred_username"] == "ada"
    for secret in (api.last.token, PASSWORD, SECRET, "pass+word"):
        assert secret not in outcome.err
    assert "Note" not in outcome.err


def test_options_and_older_names(keycloak: Keycloak, api: ApiServer) -> None:
    words = ["--auth-type", "keycloak-oidc", "--openid-client-id", CLIENT]
    words += ["--os-auth-url", f"{keycloak.url}/", "--os-tenant-name", "web"]
    words += ["--os-username", "ada", "--os-password", PASSWORD]
    assert run(*words, "execution-get", "e", OS_MISTRAL_URL=api.url).code == 0
    assert api.last.token in keycloak["web"].tokens


def test_a_token_that_is_given_needs_no_log_in(keycloak: Keycloak, api: ApiServer) -> None:
    asked = keycloak["web"].asked["token"]
    assert show(keycloak, api, OS_AUTH_TOKEN="given", OS_PASSWORD="").code == 0
    assert (api.last.token, keycloak["web"].asked["token"]) == ("given", asked)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"OS_PASSWORD": "wrong"}, "is 'ada' a user of the realm 'web', and is the password right?"),
        ({"OS_USERNAME": "eve"}, "Invalid user credentials (is 'eve' a user of the realm 'web'"),
        ({"OPENID_CLIENT_SECRET": "wrong"}, f"may the client '{CLIENT}' log in with a password"),
        ({"OS_PROJECT_NAME": "wbe"}, "Keycloak does not log you in: HTTP 404 (there may be no realm 'wbe'"),
        ({"OS_PROJECT_NAME": "../web"}, "there may be no realm '../web'"),
        ({"OS_AUTH_URL": "keycloak.example.org"}, "must begin with http:// or https://"),
        ({"OS_PROJECT_NAME": "", "OPENID_CLIENT_ID": ""}, "--os-project-name, --openid-client-id is missing"),
    ],
)
def test_nobody_is_logged_in(keycloak: Keycloak, api: ApiServer, changed: dict[str, str], words: str) -> None:
    outcome = show(keycloak, api, **changed)
    assert (outcome.code, outcome.out, api.requests) == (1, "", [])
    assert words in outcome.err
    assert PASSWORD not in outcome.err


def test_nobody_answers(keycloak: Keycloak, api: ApiServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        err = show(keycloak, api, OS_AUTH_URL=f"http://{address}").err
    assert f"Keycloak at {address} gives no answer: " in err


def test_a_server_that_does_not_take_the_token(keycloak: Keycloak, api: ApiServer) -> None:
    api.answer("GET /executions/other", "", 401, Server_Error_Message="the token is for another audience")
    outcome = run("execution-get", "other", **variables(keycloak, api))
    assert outcome.err == (
        "ERROR (app) the token is for another audience\n"
        "The token comes from Keycloak: does the server take tokens of this realm?\n"
    )


def test_tokens_are_renewed(keycloak: Keycloak, api: ApiServer) -> None:
    realm = keycloak["web"]
    login = KeycloakLogin(keycloak.url, "web", user="ada", password=PASSWORD, client=CLIENT)
    before = realm.asked["token"]
    with Client(api.url, credentials=login) as client:
        tokens = []
        for _ in range(3):
            client.executions.get("e")
            tokens.append(api.last.token)
        assert len(set(tokens)) == 1
        assert realm.asked["token"] == before + 1
        api.answer("GET /executions/once", "", 401)
        with pytest.raises(ApiError):
            client.executions.get("once")
        assert realm.asked["token"] == before + 2  # asked for another one, once
        realm.life = -10
        assert login.renew()
        first = login.headers()["X-Auth-Token"]
        assert login.headers()["X-Auth-Token"] != first  # used up at once
        realm.life = LIFE


def test_certificates_of_a_keycloak(tmp_path: Path, api: ApiServer) -> None:
    pem = self_signed(tmp_path)
    with Keycloak(certificate=pem, web=(ADA,)) as keycloak:
        assert "certificate" in show(keycloak, api).err.lower()
        assert show(keycloak, api, OS_CACERT=str(pem)).code == 0
        assert show(keycloak, api, "--insecure").code == 0
