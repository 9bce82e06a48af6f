"""What people read when nobody answers, or when left-over variables of a cloud are in the way."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from cli_objects import EXECUTION
from cli_server import ApiServer, ask, run


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}/v2"


def test_the_default_server_can_be_started(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    monkeypatch.setattr("maestrale.cli.connection.DEFAULT_URL", nobody)
    assert run("workflow-list") == (
        1,
        "",
        f"ERROR (app) No server answers at {nobody} (Connection refused).\n"
        "To start a server on this machine: mistral server\n",
    )


def test_the_variable_that_decided_the_address_is_named(nobody: str) -> None:
    err = run("workflow-list", OS_MISTRAL_URL=nobody).err
    assert "The address comes from the environment variable OS_MISTRAL_URL.\n" in err
    assert "To ask the server on this machine instead: unset OS_MISTRAL_URL\n" in err
    assert f"To start a server on this machine: mistral server --port {nobody[17:-3]}\n" in err
    assert "--port" not in run("workflow-list", OS_MISTRAL_URL="http://127.0.0.1:port/v2").err


def test_the_option_that_decided_the_address_is_named(nobody: str) -> None:
    err = run("workflow-list", "--os-mistral-url", nobody, OS_MISTRAL_URL="http://elsewhere/v2").err
    assert "The address was given with --os-mistral-url.\n" in err
    assert "OS_MISTRAL_URL" not in err


def test_a_host_that_does_not_exist_cannot_be_started() -> None:
    err = run("workflow-list", OS_MISTRAL_URL="http://host.invalid:8989/v2").err
    assert err.startswith("ERROR (app) No server answers at http://host.invalid:8989/v2 (")
    assert "mistral server" not in err


def test_an_empty_variable_decides_nothing(monkeypatch: pytest.MonkeyPatch, nobody: str) -> None:
    monkeypatch.setattr("maestrale.cli.connection.DEFAULT_URL", nobody)
    err = run("workflow-list", OS_MISTRAL_URL="").err
    assert f"No server answers at {nobody}" in err
    assert "OS_MISTRAL_URL" not in err


def test_left_over_cloud_variables_are_said_to_be_ignored(
    monkeypatch: pytest.MonkeyPatch, nobody: str
) -> None:
    monkeypatch.setattr("maestrale.cli.connection.DEFAULT_URL", nobody)
    cloud = {"OS_USERNAME": "u", "OS_PASSWORD": "secret"}
    note, *error = run("workflow-list", **cloud).err.splitlines()
    assert note == (
        "Note: OS_USERNAME, OS_PASSWORD are not enough to log in to a cloud; this client asks the local "
        f"server at {nobody} without credentials. To be rid of this note: unset OS_USERNAME OS_PASSWORD"
    )
    assert "The address is the default one: OS_USERNAME, OS_PASSWORD cannot decide it." in error
    assert not any(line.startswith("Note") for line in run("-q", "workflow-list", **cloud).err.splitlines())


def test_a_cloud_that_cannot_be_asked(nobody: str) -> None:
    cloud = {"OS_AUTH_URL": nobody.removesuffix("/v2"), "OS_USERNAME": "u", "OS_PASSWORD": "secret"}
    outcome = run("workflow-list", **cloud)
    assert outcome.code == 1
    assert outcome.err.startswith(f"ERROR (app) Keystone at {nobody[7:-3]} gives no answer")
    assert "secret" not in outcome.err


def test_the_note_does_not_touch_the_output(api: ApiServer) -> None:
    api.answer("GET /executions/e", EXECUTION)
    outcome = run("execution-get", "e", "--os-username", "u", OS_MISTRAL_URL=api.url)
    assert outcome.code == 0
    assert outcome.out == ask(api, "execution-get", "e").out
    assert outcome.err.startswith("Note: --os-username is not enough to log in to a cloud;")
    assert f"asks the server at {api.url} without credentials.\n" in outcome.err


def test_a_server_that_wants_a_log_in(api: ApiServer) -> None:
    api.answer("GET /executions/e", "<html/>", 401, Server_Error_Message="Authentication required")
    assert ask(api, "execution-get", "e").err == (
        "ERROR (app) Authentication required\n"
        "Say who you are: with --os-auth-token or OS_AUTH_TOKEN, or log in with --os-auth-url, --os-username,"
        " --os-password and --os-project-name.\n"
    )
    err = run("execution-get", "e", OS_MISTRAL_URL=api.url, OS_AUTH_TOKEN="wrong").err
    assert err == "ERROR (app) Authentication required\nThe token was given by OS_AUTH_TOKEN.\n"


@pytest.mark.parametrize(
    ("words", "variables", "token"),
    [
        ((), {}, ""),
        ((), {"OS_AUTH_TOKEN": ""}, ""),
        ((), {"OS_AUTH_TOKEN": "t0ken"}, "t0ken"),
        (("--os-auth-token", "given"), {"OS_AUTH_TOKEN": "t0ken"}, "given"),
        ((), {"OS_AUTH_TOKEN": "t0ken", "OS_AUTH_URL": "http://keystone/v3", "OS_USERNAME": "u"}, "t0ken"),
    ],
)
def test_a_token_goes_with_every_request(
    api: ApiServer, words: tuple[str, ...], variables: dict[str, str], token: str
) -> None:
    api.answer("GET /executions/e", EXECUTION)
    outcome = run("execution-get", "e", *words, OS_MISTRAL_URL=api.url, **variables)
    assert (outcome.code, outcome.err, api.last.token) == (0, "", token)
    assert run(*words, "execution-get", "e", OS_MISTRAL_URL=api.url, **variables).code == 0
    assert api.last.token == token


def test_a_token_stays_out_of_the_log(api: ApiServer) -> None:
    api.answer("GET /executions/e", EXECUTION)
    outcome = run("--debug", "execution-get", "e", OS_MISTRAL_URL=api.url, OS_AUTH_TOKEN="t0ken")
    assert outcome.code == 0
    assert "t0ken" not in outcome.err


def test_what_no_header_can_carry(api: ApiServer) -> None:
    outcome = run("execution-get", "e", OS_MISTRAL_URL=api.url, OS_AUTH_TOKEN="schl\u00fcssel")
    assert outcome.err == "ERROR (app) What OS_AUTH_TOKEN holds is not a token.\n"
    assert api.requests == []


def test_an_address_without_version_is_noticed(api: ApiServer) -> None:
    err = run("execution-get", "e", OS_MISTRAL_URL=api.url.removesuffix("/v2")).err
    assert "The address of the API usually ends in /v2: http://127.0.0.1:" in err


def test_another_version_of_the_api_is_refused() -> None:
    outcome = run("workflow-list", OS_MISTRAL_VERSION="v1")
    assert outcome.code == 1
    assert "Mistral API version v1 is unknown; this client speaks v2." in outcome.err


def test_certificate_files_that_cannot_be_read() -> None:
    err = run("workflow-list", OS_MISTRAL_URL="https://127.0.0.1:1/v2", OS_CACERT="/no/such/file").err
    assert err.startswith("ERROR (app) Cannot read the certificate files: ")


def test_a_log_that_cannot_be_written() -> None:
    assert "Cannot write the log /no/such/log: " in run("--log-file", "/no/such/log", "workflow-list").err
