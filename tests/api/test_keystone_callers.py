"""Callers as a real Keystone knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from api_service import NOBODY, Api, assert_fault
from every_request import TABLE, Asked
from keystone_callers import keystone_settings, serving_with_keystone

from clouds.cloud import Cloud
from clouds.people import ADMINISTRATOR, PEOPLE, SERVICE, Person
from maestrale.services.access import Caller

MEMBER: Final = PEOPLE["blue-member"]
WORKFLOW: Final = "version: '2.0'\nw:\n  tasks: {t: {action: std.noop}}\n"


@pytest.fixture(scope="module")
def api(keystone: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service that believes Keystone's answers for a minute."""
    with serving_with_keystone(keystone, tmp_path_factory.mktemp("callers")) as started:
        yield started


@pytest.fixture(scope="module")
def forgetful(keystone: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service that asks Keystone each time."""
    settings = keystone_settings(keystone, cache_time=0.0)
    with serving_with_keystone(keystone, tmp_path_factory.mktemp("forgetful"), settings) as started:
        yield started


@pytest.fixture(scope="module")
def people(keystone: Cloud, api: Api) -> dict[str, Api]:
    """Everybody of the cloud, logged in."""
    return {name: api.as_caller(keystone.log_in(person)) for name, person in PEOPLE.items()}


@pytest.mark.covers("auth.keystone.token", "auth.401")
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "Authentication required"),
        ({"X-Auth-Token": ""}, "Authentication required"),
        ({"X-Auth-Token": "wrong"}, "Auth token is invalid"),
        ({"Authorization": "Bearer wrong"}, "Auth token is invalid"),
        ({"X-Auth-Token": "gAAAAA" + "x" * 177}, "Auth token is invalid"),
        ({"X-Auth-Token": "x" * 9000}, "Auth token is invalid"),
        ({"X-Auth-Token": "\u00e4\u00f6".encode("latin-1")}, "Auth token is invalid"),
        ({"X-Service-Token": "wrong"}, "Auth token is invalid"),
        ({"X-Project-Id": "blue", "X-Roles": "admin", "X-Identity-Status": "Confirmed"}, "Authentication"),
    ],
)
def test_nobody_known(api: Api, headers: dict[str, str | bytes], reason: str) -> None:
    answer = api("GET", "/v2/workflows", headers=headers)
    assert_fault(answer, 401, f"Failed to validate access token: {reason}")
    assert "Failed to validate access token" in answer.headers["WWW-Authenticate"]
    assert answer.headers["Server-Error-Message"].startswith("Failed to validate access token")


@pytest.mark.covers("auth.keystone.open_paths")
@pytest.mark.parametrize("path", ["/", "/v2/", "/health"])
def test_open_to_everybody(api: Api, path: str) -> None:
    assert api("GET", path).status_code == 200


@pytest.mark.parametrize("name", PEOPLE)
def test_keystone_says_who_asks(keystone: Cloud, people: dict[str, Api], name: str) -> None:
    person = PEOPLE[name]
    answer = people[name]("POST", "/v2/environments", json={"name": name})
    assert answer.status_code == 201
    assert answer.json()["project_id"] == keystone.identifier("projects", person.project)


def test_what_is_said_in_other_headers_means_nothing(keystone: Cloud, people: dict[str, Api]) -> None:
    forged = {"X-Roles": "admin", "X-Project-Id": keystone.identifier("projects", "green")}
    answer = people["blue-member"]("GET", "/v2/executions?all_projects=true", headers=forged)
    assert_fault(answer, 403)


def test_bearer_tokens(keystone: Cloud, api: Api) -> None:
    token = keystone.log_in(MEMBER)
    assert api("GET", "/v2/workflows", headers={"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("row", "name"),
    [pytest.param(row, name, id=f"{row.method} {row.path} {','.join(row.rules)} {name}")
     for number, row in enumerate(TABLE) for name in [*PEOPLE][number % 2 :: 2]],
)  # fmt: skip
@pytest.mark.slow
def test_every_request_of_everybody(people: dict[str, Api], row: Asked, name: str) -> None:
    check_request(people[name], PEOPLE[name], row)


@pytest.mark.covers("rbac.admin", "rbac.publicize")
def test_some_requests_of_everybody(people: dict[str, Api]) -> None:
    """A share of them every time: each request of one person, in turn."""
    for number, row in enumerate(TABLE):
        name = [*PEOPLE][number % len(PEOPLE)]
        check_request(people[name], PEOPLE[name], row)


def check_request(api: Api, person: Person, row: Asked) -> None:
    """A request is answered or refused, by the roles that Keystone gives."""
    path = re.sub(r"\{[^}]+\}", NOBODY, row.path)
    answer = api(row.method, path, **row.given)
    caller = Caller(person.project, roles=(person.role,), is_admin=person.role == "admin")
    may = all(caller.may(rule) for rule in row.rules)
    assert (answer.status_code == 403) is not may, (row, person, answer.text)
    assert answer.status_code < 500, answer.text
    assert answer.status_code != 401, answer.text


def test_projects_do_not_see_each_other(people: dict[str, Api]) -> None:
    (made,) = people["blue-member"].define(WORKFLOW)
    path = f"/v2/workflows/{made['id']}"
    seen = {name: asking("GET", path).status_code for name, asking in people.items()}
    assert seen == {name: 200 if "blue" in name or "admin" in name else 404 for name in PEOPLE}
    assert people["green-member"]("DELETE", path).status_code == 404


def test_a_revoked_token(keystone: Cloud, api: Api, forgetful: Api) -> None:
    token = keystone.log_in(MEMBER)
    for asking in (api, forgetful):
        assert asking.as_caller(token)("GET", "/v2/workflows").status_code == 200
    keystone.revoke(token)
    assert_fault(forgetful.as_caller(token)("GET", "/v2/workflows"), 401, "Auth token is invalid")
    assert api.as_caller(token)("GET", "/v2/workflows").status_code == 200, "it is believed for a minute"


def test_scopes(keystone: Cloud, api: Api) -> None:
    unscoped = api.as_caller(keystone.log_in(MEMBER, "unscoped"))
    assert_fault(unscoped("GET", "/v2/workflows"), 401, "Auth token is not for a project")
    of_the_system = api.as_caller(keystone.log_in(ADMINISTRATOR, {"system": {"all": True}}))
    assert of_the_system("GET", "/v2/executions?all_projects=true").status_code == 200


def test_the_service_user_logs_in_again_when_its_token_is_revoked(keystone: Cloud, forgetful: Api) -> None:
    asking = forgetful.as_caller(keystone.log_in(MEMBER))
    assert asking("GET", "/v2/workflows").status_code == 200
    user = keystone.identifier("users", SERVICE.name)
    keystone.do("PATCH", f"/users/{user}", user={"password": SERVICE.password})
    # Keystone revokes what was given out in that second, so that a new token may be of no use for a moment.
    asking.until(lambda: asking("GET", "/v2/workflows").status_code == 200, "another token")


@pytest.mark.slow
def test_tokens_end(keystone: Cloud, api: Api) -> None:
    keystone.stop()
    keystone.start(expiration=1)
    try:
        token = keystone.log_in(MEMBER)
        keystone.stop()
        keystone.start()
        service = keystone.log_in(SERVICE)
        answer = api("GET", "/v2/workflows", headers={"X-Auth-Token": token})
        assert_fault(answer, 401, "Auth token is invalid")
        with_service = {"X-Auth-Token": token, "X-Service-Token": service}
        assert api("GET", "/v2/workflows", headers=with_service).status_code == 200
    finally:
        keystone.stop()
        keystone.start()


@pytest.mark.covers("auth.keystone.service_token")
def test_a_service_may_come_with_an_old_token_of_somebody(keystone: Cloud, api: Api) -> None:
    token, service = keystone.log_in(MEMBER), keystone.log_in(SERVICE)
    answer = api("GET", "/v2/workflows", headers={"X-Auth-Token": token, "X-Service-Token": service})
    assert answer.status_code == 200
    alone = api(
        "POST", "/v2/environments", json={"name": "of-a-service"}, headers={"X-Service-Token": service}
    )
    assert alone.status_code == 201
    assert alone.json()["project_id"] == keystone.identifier("projects", SERVICE.project)
    other = {"X-Service-Token": token}
    assert_fault(api("GET", "/v2/workflows", headers=other), 401, "Authentication required")


@pytest.mark.slow
def test_keystone_goes_and_comes_back(keystone: Cloud, api: Api, people: dict[str, Api]) -> None:
    asking = api.as_caller(keystone.log_in(MEMBER))
    assert people["blue-member"]("GET", "/v2/workflows").status_code == 200
    keystone.stop()
    try:
        answer = asking("GET", "/v2/workflows")
        assert_fault_of_server(answer, 503, "The identity service cannot be asked now")
        assert int(answer.headers["Retry-After"]) > 0
        assert api("GET", "/health").status_code == 200
        assert people["blue-member"]("GET", "/v2/workflows").status_code == 200, "who is known stays known"
    finally:
        keystone.start()
    assert asking("GET", "/v2/workflows").status_code == 200


def assert_fault_of_server(answer: Any, status: int, words: str) -> None:
    """An answer is an error for which the caller can do nothing."""
    assert answer.status_code == status, answer.text
    assert words in answer.json()["faultstring"]
