"""In whose name executions, actions and triggers work: kept, given to actions, and gone in the end."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from api_service import Api, assert_fault
from keystone_callers import keystone_settings, serving_with_keystone
from sqlalchemy import Connection, select, update

from clouds.cloud import Cloud
from clouds.people import ADMINISTRATOR, PEOPLE, SERVICE
from maestrale.actions.base import Action, ActionContext, action
from maestrale.store.tables import cron_triggers, security_contexts

MEMBER: Final = PEOPLE["blue-member"]
OTHER: Final = PEOPLE["green-member"]

WORKFLOWS: Final = """
version: '2.0'
once:
  tasks: {ask: {action: tests.who_am_i, publish: {who: <% task().result %>}}}
  output: {who: <% $.who %>, known: <% $.openstack %>, global: <% global(openstack).user_name %>}
held:
  tasks:
    hold: {action: std.async_noop, on-success: [ask]}
    ask: {action: tests.who_am_i}
  output: {who: <% task(ask).result %>}
above:
  tasks: {below: {workflow: held}}
  output: {who: <% task(below).result.who %>}
jinja:
  output: {user: "{{ _.openstack.user_name }}", token: "{{ _.openstack.auth_token }}"}
  tasks: {t: {action: std.noop}}
refused:
  tasks: {t: {action: std.fail}}
"""


def who_am_i(cloud: Cloud) -> Action[..., Any]:
    """An action that asks Keystone of its token; it says nothing of the token itself."""

    @action("tests.who_am_i")
    def ask(context: ActionContext) -> dict[str, Any] | None:
        security = context.security
        if security is None or security.auth_token is None:
            return None
        assert security.auth_uri == cloud.url
        token = cloud.holder(security.auth_token)
        return {
            "user": token["user"]["name"],
            "project": token["project"]["name"],
            "roles": sorted(role["name"] for role in token["roles"]),
            "is_by_trust": "OS-TRUST:trust" in token,
            "catalog": isinstance(security.service_catalog, list),
        }

    return ask


def who(person: Any, *, by_trust: bool = False) -> dict[str, Any]:
    """What `tests.who_am_i` finds if it acts for somebody with the role of a member."""
    return {
        "user": person.name,
        "project": person.project,
        "roles": ["member", "reader"],
        "is_by_trust": by_trust,
        "catalog": True,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@pytest.fixture(scope="module")
def api(keystone: Cloud, folder: Path) -> Iterator[Api]:
    """A service that is known to Keystone, with the workflows of these tests."""
    with serving_with_keystone(keystone, folder) as started:
        started.service.registry.add(who_am_i(keystone))
        yield started


@pytest.fixture(scope="module")
def member(keystone: Cloud, api: Api) -> Api:
    asking = api.as_caller(keystone.log_in(MEMBER))
    asking.define(WORKFLOWS)
    return asking


def kept(api: Api) -> list[Any]:
    """What the database keeps of callers."""

    def read(connection: Connection) -> list[Any]:
        return list(connection.execute(select(security_contexts)).mappings())

    return api.service.database.read(read).result()


def until_nothing_is_kept(api: Api) -> None:
    api.until(lambda: not kept(api), "everything to be forgotten")


def output_of(execution: dict[str, Any]) -> Any:
    """The output of an execution, which must have succeeded."""
    assert execution["state"] == "SUCCESS", execution["state_info"]
    return json.loads(execution["output"])


def complete(api: Api, execution_id: str) -> None:
    """Let an execution of `held` go on."""
    task = api.task(execution_id, "hold", "RUNNING")
    rows = api.get(f"/v2/tasks/{task['id']}/action_executions", state="RUNNING")["action_executions"]
    row = max(rows, key=lambda one: one["id"])
    api.put(f"/v2/action_executions/{row['id']}", state="SUCCESS", output={})


def test_an_action_acts_for_the_caller_and_expressions_know_who(keystone: Cloud, member: Api) -> None:
    output = output_of(member.run("once"))
    assert output["who"] == who(MEMBER)
    assert output["global"] == MEMBER.name
    known = output["known"]
    assert known["user_name"] == MEMBER.name
    assert known["project_id"] == keystone.identifier("projects", MEMBER.project)
    assert sorted(known["roles"]) == ["member", "reader"]
    assert known["is_admin"] is False
    assert (known["auth_token"], known["service_catalog"]) == ("***", "***")
    assert output_of(member.run("jinja")) == {"user": MEMBER.name, "token": "***"}
    until_nothing_is_kept(member)


def test_a_sub_workflow_acts_for_the_caller_too(member: Api) -> None:
    root = member.start("above")
    below = member.until(
        lambda: member.get(f"/v2/executions/{root['id']}/executions")["executions"][1:], "it"
    )
    assert len(kept(member)) == 1
    complete(member, below[0]["id"])
    assert output_of(member.reach(root["id"], "SUCCESS"))["who"] == who(MEMBER)
    until_nothing_is_kept(member)


def test_what_is_kept_is_gone_with_the_execution(member: Api) -> None:
    held, cancelled = member.start("held"), member.start("held")
    assert {row["id"] for row in kept(member)} == {held["id"], cancelled["id"]}
    assert member("DELETE", f"/v2/executions/{held['id']}?force=true").status_code == 204
    member.put(f"/v2/executions/{cancelled['id']}", state="CANCELLED")
    until_nothing_is_kept(member)


def test_a_start_that_is_refused_keeps_nothing(member: Api) -> None:
    assert_fault(member("POST", "/v2/executions", json={"workflow_name": "once", "input": {"no": 1}}), 400)
    until_nothing_is_kept(member)


def test_an_execution_that_is_run_again_needs_somebodys_name(keystone: Cloud, api: Api, member: Api) -> None:
    held = member.start("held")
    task = member.task(held["id"], "hold", "RUNNING")
    member.put(f"/v2/executions/{held['id']}", state="ERROR", state_info="stopped")
    until_nothing_is_kept(member)
    administrator = api.as_caller(keystone.log_in(ADMINISTRATOR))
    for asking, expected in ((administrator, None), (member, who(MEMBER))):
        answer = asking("POST", f"/v2/tasks/{task['id']}/restart", json={})
        assert answer.status_code == 200, answer.text
        complete(member, held["id"])
        assert output_of(member.reach(held["id"], "SUCCESS", "ERROR"))["who"] == expected
        task = member.tasks(held["id"])["hold"]
    until_nothing_is_kept(member)


@pytest.mark.parametrize("params", [{"run_sync": True}, {"run_sync": True, "save_result": True}])
def test_an_action_by_itself_acts_for_the_caller(member: Api, params: dict[str, Any]) -> None:
    answer = member("POST", "/v2/action_executions", json={"name": "tests.who_am_i", "params": params})
    assert json.loads(answer.json()["output"])["result"] == who(MEMBER)
    until_nothing_is_kept(member)


def due(api: Api, name: str, count: int | None) -> str:
    """Make a cron trigger for `once`, and let its time come; its id."""
    body = {"name": name, "workflow_name": "once", "pattern": "0 0 1 1 *", "remaining_executions": count}
    answer = api("POST", "/v2/cron_triggers", json=body)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    fire(api, made)
    return made


def fire(api: Api, trigger_id: str) -> None:
    def now(connection: Connection) -> None:
        connection.execute(
            update(cron_triggers).where(cron_triggers.c.id == trigger_id).values(next_execution_time=1)
        )

    api.service.database.write(now).result()
    api.service.engine.triggers_changed()


def ran_by(api: Api, trigger_id: str, number: int = 1) -> list[Any]:
    """What the executions of a trigger found out, once there are so many that have ended."""

    def find() -> list[Any]:
        rows = api.get("/v2/executions", include_output="true")["executions"]
        mine = [row for row in rows if trigger_id in (row["description"] or "")]
        return mine if len(mine) == number and all(row["state"] == "SUCCESS" for row in mine) else []

    return [output_of(row) for row in api.until(find, "a trigger to fire")]


@pytest.mark.covers("auth.keystone.trust", "auth.keystone.trust_cleanup")
def test_a_cron_trigger_acts_for_who_made_it(keystone: Cloud, member: Api) -> None:
    before = keystone.trusts()
    trigger = due(member, "yearly", 5)
    (output,) = ran_by(member, trigger)
    assert output["who"] == who(MEMBER, by_trust=True)
    assert output["known"]["user_name"] == MEMBER.name
    member.until(lambda: len(kept(member)) == 1, "only the trigger to be known")
    assert len(keystone.trusts()) == len(before) + 1
    assert member("DELETE", "/v2/cron_triggers/yearly").status_code == 204
    until_nothing_is_kept(member)
    assert keystone.trusts() == before


def test_a_trust_lasts_until_the_last_run_has_ended(keystone: Cloud, member: Api) -> None:
    before = keystone.trusts()
    body = {"name": "twice", "workflow_name": "held", "pattern": "0 0 1 1 *", "remaining_executions": 1}
    trigger = member("POST", "/v2/cron_triggers", json=body).json()["id"]
    fire(member, trigger)

    def find() -> list[Any]:
        rows = member.get("/v2/executions")["executions"]
        return [row for row in rows if trigger in (row["description"] or "")]

    (row,) = member.until(find, "the trigger to fire")
    assert member("GET", "/v2/cron_triggers/twice").status_code == 404, "it was to run once"
    member.service.security.over([trigger]).result()
    assert [kept_row["id"] for kept_row in kept(member)] == [row["id"]]
    assert len(keystone.trusts()) == len(before) + 1, "the execution still needs it"
    complete(member, row["id"])
    assert output_of(member.reach(row["id"], "SUCCESS"))["who"] == who(MEMBER, by_trust=True)
    until_nothing_is_kept(member)
    assert keystone.trusts() == before


def test_a_trigger_that_cannot_be_stored_leaves_no_trust(keystone: Cloud, member: Api) -> None:
    before = keystone.trusts()
    body = {"name": "same", "workflow_name": "once", "pattern": "0 0 1 1 *"}
    assert member("POST", "/v2/cron_triggers", json=body).status_code == 201
    assert_fault(member("POST", "/v2/cron_triggers", json=body), 409)
    member.until(lambda: len(kept(member)) == 1, "the second to be forgotten")
    assert len(keystone.trusts()) == len(before) + 1
    assert member("DELETE", "/v2/cron_triggers/same").status_code == 204
    until_nothing_is_kept(member)


def test_an_event_trigger_has_a_trust(keystone: Cloud, member: Api) -> None:
    before = keystone.trusts()
    workflow = member.get("/v2/workflows/once")["id"]
    body = {"workflow_id": workflow, "exchange": "e", "topic": "t", "event": "e"}
    made = member("POST", "/v2/event_triggers", json=body).json()
    assert len(keystone.trusts()) == len(before) + 1
    assert member("DELETE", f"/v2/event_triggers/{made['id']}").status_code == 204
    until_nothing_is_kept(member)
    assert keystone.trusts() == before


def test_a_token_by_a_trust_lets_nobody_else_be_trusted(keystone: Cloud, api: Api, member: Api) -> None:
    body = {"name": "mine", "workflow_name": "once", "pattern": "0 0 1 1 *"}
    assert member("POST", "/v2/cron_triggers", json=body).status_code == 201
    trust = {"OS-TRUST:trust": {"id": keystone.trusts()[-1]}}
    asking = api.as_caller(keystone.log_in(SERVICE, trust))
    assert asking.get("/v2/workflows/once")["name"] == "once"
    refused = asking("POST", "/v2/cron_triggers", json=body | {"name": "other"})
    assert_fault(refused, 403, "A token that was made by a trust lets nobody else be trusted")
    assert output_of(asking.run("once"))["who"] == who(MEMBER, by_trust=True)
    assert member("DELETE", "/v2/cron_triggers/mine").status_code == 204
    until_nothing_is_kept(member)


@pytest.mark.covers("auth.target")
def test_another_cloud(keystone: Cloud, member: Api) -> None:
    """The other cloud is the same one here, with another user."""
    headers = {
        "X-Target-Auth-Uri": keystone.url,
        "X-Target-Auth-Token": keystone.log_in(OTHER),
        "X-Target-Project-Id": "the target's",
        "X-Target-User-Id": "u",
        "X-Target-User-Name": "somebody there",
        "X-Target-Region-Name": "there",
        "X-Target-Insecure": "False",
        "X-Target-Service-Catalog": base64.b64encode(b"[]").decode(),
    }
    answer = member("POST", "/v2/executions", json={"workflow_name": "once"}, headers=headers)
    started = answer.json()
    assert started["project_id"] == keystone.identifier("projects", MEMBER.project)
    output = output_of(member.reach(started["id"], "SUCCESS", "ERROR"))
    assert output["who"] == who(OTHER)
    known = output["known"]
    assert (known["user_name"], known["project_id"]) == ("somebody there", "the target's")
    assert known["is_target"] is True
    for name, wrong in (
        ("X-Target-Auth-Token", ""),
        ("X-Target-Auth-Uri", "ftp://nowhere"),
        ("X-Target-Insecure", "yes"),
        ("X-Target-Service-Catalog", "!"),
        ("X-Target-Service-Catalog", base64.b64encode(b"nothing").decode()),
    ):
        refused = member("GET", "/v2/workflows", headers=headers | {name: wrong})
        assert_fault(refused, 400, name)
    until_nothing_is_kept(member)


def test_no_token_is_written_anywhere(
    keystone: Cloud, folder: Path, api: Api, member: Api, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("maestrale", "aiohttp", "asyncio", "sqlalchemy"):
        caplog.set_level(logging.DEBUG, name)
    token = keystone.log_in(MEMBER)
    asking = api.as_caller(token)
    answers = [asking("POST", "/v2/executions", json={"workflow_name": "held"})]
    held = answers[0].json()["id"]
    answers.append(asking("POST", "/v2/action_executions", json={"name": "std.async_noop"}))
    assert len(kept(api)) == 2
    for path in ("", "/tasks", "/report", "/why"):
        answers.append(asking("GET", f"/v2/executions/{held}{path}"))
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert held.encode() in files
    for text in (token, SERVICE.password):
        assert text.encode() not in files
        assert text not in caplog.text
        assert not any(text in answer.text for answer in answers)
    complete(member, held)
    member.reach(held, "SUCCESS")
    events = asking("GET", f"/v2/executions/{held}/events")
    assert token not in events.text
    asking.put(f"/v2/action_executions/{answers[1].json()['id']}", state="SUCCESS", output={})
    until_nothing_is_kept(member)


@pytest.mark.usefixtures("api")
def test_keys_are_for_their_owner_alone(folder: Path) -> None:
    (path,) = folder.glob("*.keys")
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_execution_goes_on_after_a_restart(keystone: Cloud, tmp_path: Path) -> None:
    token = keystone.log_in(MEMBER)
    with serving_with_keystone(keystone, tmp_path) as before:
        asking = before.as_caller(token)
        asking.define(WORKFLOWS)
        held = asking.start("held")["id"]
        asking.task(held, "hold", "RUNNING")
    with serving_with_keystone(keystone, tmp_path) as after:
        after.service.registry.add(who_am_i(keystone))
        asking = after.as_caller(token)
        complete(asking, held)
        assert output_of(asking.reach(held, "SUCCESS", "ERROR"))["who"] == who(MEMBER)
        until_nothing_is_kept(after)


@pytest.mark.slow
def test_executions_may_act_by_trusts(keystone: Cloud, tmp_path: Path) -> None:
    """They outlive the token, a restart, and an absence of Keystone when they end."""
    settings = keystone_settings(keystone, trusts=True)
    before, token = keystone.trusts(), keystone.log_in(MEMBER)
    with serving_with_keystone(keystone, tmp_path, settings) as first:
        asking = first.as_caller(token)
        asking.define(WORKFLOWS)
        held, other = asking.start("held")["id"], asking.start("held")["id"]
        asking.task(held, "hold", "RUNNING")
        assert len(keystone.trusts()) == len(before) + 2
        assert {row["sealed"] for row in kept(first)} == {None}
    keystone.revoke(token)
    with serving_with_keystone(keystone, tmp_path, settings) as second:
        second.service.registry.add(who_am_i(keystone))
        asking = second.as_caller(keystone.log_in(MEMBER))
        complete(asking, held)
        ended = asking.reach(held, "SUCCESS", "ERROR")
        assert output_of(ended)["who"] == who(MEMBER, by_trust=True)
        second.until(lambda: len(kept(second)) == 1, "the first to be forgotten")
        keystone.stop()
        try:
            asking.put(f"/v2/executions/{other}", state="CANCELLED")
            second.service.security.sweep().result()
            assert [row["id"] for row in kept(second)] == [other]
        finally:
            keystone.start()
        second.service.security.sweep().result()
        assert kept(second) == []
    assert keystone.trusts() == before


def test_who_loses_the_role_is_not_acted_for(keystone: Cloud, tmp_path: Path) -> None:
    person = PEOPLE["green-reader"]
    with serving_with_keystone(keystone, tmp_path, keystone_settings(keystone, trusts=True)) as api:
        api.service.registry.add(who_am_i(keystone))
        asking, looking = api.as_caller(keystone.log_in(person)), api.as_caller(keystone.log_in(OTHER))
        asking.define(WORKFLOWS)
        held = asking.start("held")["id"]
        keystone.grant(person, "DELETE")
        try:
            complete(looking, held)
            ended = looking.reach(held, "SUCCESS", "ERROR")
        finally:
            keystone.grant(person)
        assert ended["state"] == "ERROR"
        assert "does not hold any more" in ended["state_info"]
