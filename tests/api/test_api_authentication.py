"""Who is asking: tokens, what is open to everybody, and what the token file may hold."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_service import assert_fault, serving
from callers import ALICE, BOB, Callers, callers, token_file
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from maestrale.api.authentication import Entry, EverybodyIsTheOperator
from maestrale.api.authentications import choose
from maestrale.api.token_file import TokenFileError, read_token_file
from maestrale.config import ConfigError, ServerSettings, Settings, load
from maestrale.services.access import Caller

BADGES = """
from maestrale.model.errors import Unauthorized, Unavailable
from maestrale.services.access import Caller

class Badges:
    def __init__(self, project):
        self.project = project

    async def caller(self, headers, address):
        badge = headers.get("x-badge")
        if badge == "later":
            raise Unavailable("the reader is broken", retry_after=7)
        if not badge:
            raise Unauthorized("no badge")
        return Caller(self.project, badge)

def make(argument, settings):
    return Badges(argument)
"""
TEXT = "version: '2.0'\nw:\n  tasks: {t: {action: std.noop}}\n"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    folder = tmp_path_factory.mktemp("callers")
    with callers(f"sqlite:///{folder}/callers.db", folder) as found:
        yield found


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/workflows"),
        ("POST", "/v2/workflows"),
        ("POST", "/v2/workflows/validate"),
        ("GET", "/v2/executions/x/why"),
        ("GET", "/v2/services"),
        ("GET", "/maintenance"),
        ("GET", "/nowhere"),
        ("GET", "/v2/nowhere"),
        ("PATCH", "/v2/workflows"),
    ],
)
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "Authentication required"),
        ({"X-Auth-Token": ""}, "Authentication required"),
        ({"Authorization": "Basic YTpi"}, "Authentication required"),
        ({"Authorization": ALICE}, "Authentication required"),
        ({"Authorization": "Bearer "}, "Authentication required"),
        ({"X-Auth-Token": "wrong"}, "Auth token is invalid"),
        ({"X-Auth-Token": ALICE[:-1]}, "Auth token is invalid"),
        ({"X-Auth-Token": "wrong", "Authorization": f"Bearer {ALICE}"}, "Auth token is invalid"),
        ({"Authorization": "Bearer \u00e4\u00f6".encode("latin-1")}, "Auth token is invalid"),
        (
            {"X-Project-Id": "blue", "X-Roles": "admin", "X-Identity-Status": "Confirmed"},
            "Authentication required",
        ),
    ],
)
def test_nobody_known(
    people: Callers, method: str, path: str, headers: dict[str, str | bytes], reason: str
) -> None:
    answer = people.stranger(method, path, headers=headers)
    assert_fault(answer, 401, f"Failed to validate access token: {reason}")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="maestrale"')
    assert "Failed to validate access token: A" in challenge
    assert "Failed to validate access token: A" in answer.headers["Server-Error-Message"]
    assert ALICE[:-1] not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Auth-Token": BOB},
        {"x-auth-token": BOB, "Authorization": "Basic YTpi"},
        {"Authorization": f"Bearer {BOB}"},
        {"authorization": f"bearer {BOB}"},
        {"X-Auth-Token": BOB, "X-Project-Id": "blue", "X-Roles": "admin"},
    ],
)
def test_a_token_says_who_asks(people: Callers, headers: dict[str, str]) -> None:
    found = people.stranger("POST", "/v2/environments", json={"name": "mine"}, headers=headers)
    assert (found.status_code, found.json().get("project_id")) == (201, "green")
    assert people.stranger("DELETE", "/v2/environments/mine", headers=headers).status_code == 204
    refused = people.stranger("GET", "/v2/executions", params={"all_projects": "1"}, headers=headers)
    assert_fault(refused, 403, "Operation forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 200), ("GET", "/v2", 302), ("GET", "/v2/", 200), ("GET", "/health", 200),
     ("HEAD", "/health", 200), ("GET", "/health/", 200), ("OPTIONS", "/v2/workflows", 200)],
)  # fmt: skip
def test_open_to_everybody(people: Callers, method: str, path: str, status: int) -> None:
    assert people.stranger(method, path).status_code == status


def test_without_authentication_headers_mean_nothing(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/open.db") as api:
        headers = {"X-Auth-Token": "x", "X-Project-Id": "p", "X-Roles": "none"}
        answer = api("POST", "/v2/environments", json={"name": "e", "scope": "public"}, headers=headers)
        assert (answer.status_code, answer.json().get("project_id")) == (201, "<default-project>")


def test_a_token_file(tmp_path: Path) -> None:
    found = read_token_file(token_file(tmp_path))
    assert found[ALICE] == Caller("blue", "alice", "Alice")
    assert [(caller.project_id, caller.is_admin) for caller in found.values()] == [
        ("blue", False),
        ("green", False),
        ("grey", False),
        ("administration", True),
    ]


def test_a_token_file_in_json(tmp_path: Path) -> None:
    text = '{"1234567890123456": {"project_id": "p", "user_id": "u", "roles": ["admin"]}}'
    found = read_token_file(token_file(tmp_path, text))
    assert found == {"1234567890123456": Caller("p", "u", None, ("admin",), True)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: it holds no token"),
        ("[a]", "line 1: a map of tokens"),
        ("secret: x", "line 1: what follows a token must be a map"),
        ("secret: {user_id: u}", "line 1: the project_id of this entry is missing"),
        ("secret: {project_id: p}", "line 1: the user_id of this entry is missing"),
        ("secret:\n  project_id: 7\n  user_id: u", "line 2: project_id must be a text"),
        ("secret:\n  project_id: p\n  user_id: ''", "line 3: user_id must be a text of 1 to 80"),
        (f"secret: {{project_id: {'p' * 81}, user_id: u}}", "line 1: project_id must be a text of 1 to 80"),
        ("secret:\n  project_id: p\n  user_id: u\n  role: [admin]", "line 4: unknown name in this"),
        ("secret:\n  project_id: p\n  user_id: u\n  roles: admin", "line 4: roles must be a list"),
        ("secret:\n  project_id: p\n  user_id: u\n  roles: [7]", "line 4: roles must be a list"),
        ("'secret ä': {project_id: p, user_id: u}", "line 1: no header can carry this token"),
        ("secret: {project_id: p, user_id: u}\nsecret: {project_id: q, user_id: v}", "line 2: a key"),
        ("secret: {project_id: p\n", "this is not YAML"),
        ("secret: !!int secret", "this is not YAML"),
    ],
)  # fmt: skip
def test_a_token_file_with_mistakes(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TokenFileError) as raised:
        read_token_file(token_file(tmp_path, text))
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "tokens.yaml" in str(raised.value)


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError) as raised:
        read_token_file(token_file(tmp_path, "a: {}\nb: {project_id: p}\n"))
    assert str(raised.value).splitlines()[1:] == [
        "line 1: the project_id of this entry is missing",
        "line 1: the user_id of this entry is missing",
        "line 2: the user_id of this entry is missing",
    ]


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="No such file or directory"):
        read_token_file(tmp_path / "none.yaml")


def test_what_is_unwise_about_a_token_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = token_file(tmp_path)
    read_token_file(path)
    assert caplog.text == ""
    path.chmod(0o640)
    read_token_file(path)
    assert f"chmod 600 {path}" in caplog.text
    caplog.clear()
    read_token_file(token_file(tmp_path, "short: {project_id: p, user_id: u}"))
    assert "can be guessed" in caplog.text
    assert "short:" not in caplog.text


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("tokens:", "names no token file"),
        ("tokens", "names no token file"),
        ("none:FILE", "Nothing may follow 'none'"),
        ("token:FILE", "did you mean 'tokens'?"),
        ("file.yaml", "Unknown way of authentication in server.auth: 'file.yaml' (known are: none, tokens"),
        ("", "known are: none, tokens"),
    ],
)
def test_a_wrong_way_of_authentication(auth: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        choose(Settings(server=ServerSettings(auth=auth)))


def test_ways_of_authentication(tmp_path: Path) -> None:
    assert not ServerSettings().knows_callers
    settings = load({}, {"MAESTRALE_SERVER_AUTH": f"tokens:{token_file(tmp_path)}"}).settings
    assert settings.server.knows_callers
    assert asyncio.run(choose(settings).caller(Headers({"X-Auth-Token": ALICE}), None)).user_id == "alice"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with ways of authentication of its own."""
    information = tmp_path / "badges-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: badges\nVersion: 1.0\n")
    points = "badge = badges:make\nnone = badges:make\nbroken = badges:absent\n"
    (information / "entry_points.txt").write_text(f"[maestrale.authentication]\n{points}")
    (tmp_path / "badges.py").write_text(BADGES)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.covers("auth.custom")
@pytest.mark.usefixtures("package")
def test_a_way_of_a_package(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/badges.db", ServerSettings(auth="badge:red")) as api:
        made = api("POST", "/v2/environments", json={"name": "e"}, headers={"X-Badge": "ada"})
        assert (made.status_code, made.json()["project_id"]) == (201, "red")
        assert_fault(api("GET", "/v2/environments"), 401, "no badge")
        busy = api("GET", "/v2/environments", headers={"X-Badge": "later"})
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")
        assert busy.json()["faultstring"] == "the reader is broken"


def test_nothing_behind_the_entrance_sees_who_somebody_says_to_be() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.extend(scope["headers"])

    said = ["x-project-id", "x-user-id", "x-user-name", "x-user", "x-roles", "x-role", "x-tenant-id",
            "x-identity-status", "x-service-identity-status", "x-service-roles", "x-domain-id",
            "x-project-domain-name", "x-user-domain-id", "x-is-admin-project"]  # fmt: skip
    kept = ["x-target-project-id", "x-target-region-name", "x-auth-token", "x-openstack-request-id", "accept"]
    headers = [(name.encode(), b"x") for name in (*said, *kept)]
    for path in ("/v2/workflows", "/v2/"):
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": None}
        asyncio.run(Entry(inner, EverybodyIsTheOperator())(scope, _nothing, _nothing))
        assert [name.decode() for name, _ in seen] == kept
        seen.clear()


async def _nothing(*_: object) -> Any:
    raise AssertionError("nothing is received or sent")


@pytest.mark.usefixtures("package")
def test_a_package_replaces_nothing_and_says_what_is_wrong_with_it() -> None:
    assert isinstance(choose(Settings()), EverybodyIsTheOperator)
    with pytest.raises(ConfigError, match=r"'broken' cannot be loaded from badges:absent: AttributeError"):
        choose(Settings(server=ServerSettings(auth="broken")))
    with pytest.raises(ConfigError, match="did you mean 'badge'"):
        choose(Settings(server=ServerSettings(auth="badges")))


def test_tokens_stay_out_of_the_log(people: Callers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "maestrale")
    people.stranger("GET", "/v2/workflows", headers={"X-Auth-Token": "wrong-token"})
    assert "Auth token is invalid" in caplog.text
    for token in (ALICE, "wrong-token"):
        assert token not in caplog.text


def test_projects_do_not_see_each_other(people: Callers) -> None:
    """The thin end of it; `test_api_isolation.py` has the rest."""
    alice, bob = people.alice, people.bob
    (made,) = alice.define(TEXT)
    ran = alice.run("w")
    assert (made["project_id"], ran["project_id"]) == ("blue", "blue")
    for path in (f"/v2/workflows/{made['id']}", "/v2/workflows/w", f"/v2/executions/{ran['id']}"):
        assert alice.get(path)["project_id"] == "blue"
        assert bob("GET", path).status_code == 404
        assert people.root.get(path)["project_id"] == "blue"
    assert alice.names("workflows") == ["w"]
    assert bob.names("workflows") == []
    assert people.root.names("executions", "id") == [ran["id"]]
