"""Logging in to a cloud: what options, variables and `clouds.yaml` say, and a real Keystone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from clouds.cloud import Cloud
from clouds.people import DOMAIN, PEOPLE
from maestrale.cli.cloud_options import login_to_cloud, login_to_target
from maestrale.cli.keystone_login import KeystoneLogin, WithTarget
from maestrale.client.connection import Token
from maestrale.client.errors import ClientError

MEMBER: Final = PEOPLE["blue-member"]
URL: Final = "http://mistral.example:8989/v2"


@pytest.fixture(scope="module")
def catalogued(keystone: Cloud) -> Cloud:
    keystone.register("workflowv2", "mistral", URL)
    keystone.register("workflowv2", "mistral", "http://elsewhere:8989/v2", "there")
    return keystone


def options(cloud: Cloud, **changed: Any) -> dict[str, Any]:
    """The options of somebody who logs in with a password."""
    return {
        "os_auth_url": cloud.url,
        "os_username": MEMBER.name,
        "os_password": MEMBER.password,
        "os_project_name": MEMBER.project,
        **changed,
    }


def logged_in(login: KeystoneLogin | None, cloud: Cloud) -> Any:
    """What Keystone says of the token that a login got."""
    assert login is not None
    return cloud.holder(login.headers()["X-Auth-Token"])


@pytest.mark.parametrize(
    "changed", [{}, {"os_region_name": "there"}, {"os_mistral_endpoint_type": "internalURL"}]
)
def test_a_password_and_the_catalogue(catalogued: Cloud, changed: dict[str, str]) -> None:
    login = login_to_cloud(options(catalogued, **changed), {})
    token = logged_in(login, catalogued)
    assert (token["user"]["name"], token["project"]["name"]) == (MEMBER.name, MEMBER.project)
    assert login is not None
    assert login.endpoint() == ("http://elsewhere:8989/v2" if "os_region_name" in changed else URL)


def test_a_token_is_kept_until_it_is_refused(catalogued: Cloud) -> None:
    login = login_to_cloud(options(catalogued), {})
    assert login is not None
    first = login.headers()
    assert login.headers() == first
    assert login.renew() is True
    assert login.headers() != first


def test_old_names_and_addresses(catalogued: Cloud) -> None:
    values = options(catalogued, os_auth_url=catalogued.url.removesuffix("/v3") + "/", os_tenant_name="blue")
    del values["os_project_name"]
    values |= {"os_user_domain_name": DOMAIN, "os_project_domain_id": "default"}
    assert logged_in(login_to_cloud(values, {}), catalogued)["project"]["name"] == "blue"


def test_a_token_becomes_one_for_a_project(catalogued: Cloud) -> None:
    unscoped = catalogued.log_in(MEMBER, "unscoped")
    values = {"os_auth_url": catalogued.url, "os_auth_token": unscoped, "os_project_name": MEMBER.project}
    login = login_to_cloud(values, {})
    assert logged_in(login, catalogued)["project"]["name"] == MEMBER.project
    assert login is not None
    assert login.renew() is False


def test_an_application_credential(catalogued: Cloud) -> None:
    token = catalogued.log_in(MEMBER)
    user = catalogued.identifier("users", MEMBER.name)
    body = {"application_credential": {"name": "night", "secret": "a secret"}}
    made = catalogued.ask("POST", f"/users/{user}/application_credentials", token, json=body)
    assert made.status_code == 201, made.text
    by_id = {
        "OS_APPLICATION_CREDENTIAL_ID": made.json()["application_credential"]["id"],
        "OS_APPLICATION_CREDENTIAL_SECRET": "a secret",
    }
    by_name = {"OS_APPLICATION_CREDENTIAL_NAME": "night", "OS_APPLICATION_CREDENTIAL_SECRET": "a secret"}
    person = {"os_auth_url": catalogued.url, "os_username": MEMBER.name}
    for values, variables in (({"os_auth_url": catalogued.url}, by_id), (person, by_name)):
        found = logged_in(login_to_cloud(values, variables), catalogued)
        assert (found["user"]["name"], found["project"]["name"]) == (MEMBER.name, MEMBER.project)


def test_an_entry_of_clouds_yaml(catalogued: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(
        "clouds:\n  mine:\n    region_name: there\n    auth:\n"
        f"      auth_url: {catalogued.url}\n      username: {MEMBER.name}\n"
        f"      password: {MEMBER.password}\n"
        f"      project_name: blue\n      domain_name: {DOMAIN}\n"
    )
    variables = {"OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": str(file)}
    login = login_to_cloud({}, variables)
    assert logged_in(login, catalogued)["project"]["name"] == "blue"
    assert login is not None
    assert login.endpoint() == "http://elsewhere:8989/v2"
    with pytest.raises(ClientError, match=r"no cloud 'other' .* there are: mine"):
        login_to_cloud({}, variables | {"OS_CLOUD": "other"})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"os_password": "wrong"}, "are user, domain, project and password right?"),
        ({"os_password": ""}, "a password is missing"),
        ({"os_project_name": ""}, "for no project: name one with --os-project-name"),
        ({"os_project_name": "green"}, "Keystone does not log you in"),
        ({"os_auth_url": "http://127.0.0.1:1/v3"}, "Keystone at 127.0.0.1:1 gives no answer"),
        ({"os_auth_url": "keystone"}, "must begin with http:// or https://"),
    ],
)
def test_who_cannot_log_in_is_told_why(catalogued: Cloud, changed: dict[str, str], words: str) -> None:
    login = login_to_cloud(options(catalogued, **changed), {})
    assert login is not None
    with pytest.raises(ClientError) as raised:
        login.headers()
    assert words in raised.value.message
    assert MEMBER.password not in raised.value.message


@pytest.mark.covers("client.auth.target")
def test_another_cloud_for_the_actions(catalogued: Cloud) -> None:
    values = {name.replace("os_", "os_target_"): value for name, value in options(catalogued).items()}
    login = login_to_target(values | {"os_target_region_name": "there"})
    headers = WithTarget(Token("of the caller"), login).headers()
    assert headers["X-Auth-Token"] == "of the caller"
    assert headers["X-Target-Auth-Uri"] == catalogued.url
    assert headers["X-Target-Region-Name"] == "there"
    assert headers["X-Target-Project-Id"] == catalogued.identifier("projects", MEMBER.project)
    assert catalogued.holder(headers["X-Target-Auth-Token"])["user"]["name"] == MEMBER.name


def test_without_a_cloud_nobody_logs_in() -> None:
    assert login_to_cloud({}, {}) is None
    assert login_to_cloud({"os_auth_url": "http://keystone/v3"}, {}) is None


@pytest.mark.parametrize("text", ["clouds: [", "clouds:\n  mine: {auth: {password: secret}}\n  - "])
def test_a_file_that_is_no_yaml_is_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(text)
    with pytest.raises(ClientError, match="is not YAML, line") as raised:
        login_to_cloud({}, {"OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": str(file)})
    assert "secret" not in raised.value.message
