"""python-mistralclient: triggers and members through its Python API."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from client_service import ALICE, BOB, ROOT, Plain, refused, same
from original import Broken, PythonApi

from processes.server import Server

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

TEXT = "version: '2.0'\ntriggered:\n  input: [x: 1]\n  tasks: {t: {action: std.noop}}\n"
METHODS = ("create", "get", "delete", "find", "list")


@pytest.fixture(scope="module")
def workflow(plain: Plain) -> str:
    """The id of a workflow that triggers start."""
    return str(plain.post("/workflows", content=TEXT)["workflows"][0]["id"])


@pytest.mark.asks(*(f"cron_triggers.{method}" for method in METHODS))
def test_cron_triggers(api: PythonApi, plain: Plain, workflow: str) -> None:
    """By pattern, by time and by count, for a workflow by name and by id; read by name and by id; removed."""
    made = api(
        "cron_triggers.create", "yearly", "triggered", {"x": 2}, {"env": {"e": 1}}, "0 0 1 1 *", None, 5
    )
    shown = plain.get("/cron_triggers/yearly")
    same(made, shown, "updated_at")
    assert made.kind == "CronTrigger"
    assert (shown["workflow_id"], shown["pattern"], shown["remaining_executions"]) == (
        workflow,
        "0 0 1 1 *",
        5,
    )
    assert (json.loads(shown["workflow_input"]), json.loads(shown["workflow_params"])) == (
        {"x": 2},
        {"env": {"e": 1}},
    )
    assert shown["next_execution_time"].endswith("-01-01 00:00:00")
    for identifier in ("yearly", shown["id"]):
        assert api("cron_triggers.get", identifier).data == shown

    once = api("cron_triggers.create", "once", workflow, first_time="2050-02-03 04:05")
    assert once.data["first_execution_time"] == once.data["next_execution_time"] == "2050-02-03 04:05:00"
    assert plain.get("/cron_triggers/once")["remaining_executions"] == 1
    assert [one.data for one in api("cron_triggers.list", name="once")] == plain.list(
        "cron_triggers", name="once"
    )
    assert [one.data["name"] for one in api("cron_triggers.find", remaining_executions=5)] == ["yearly"]

    assert refused(api, "cron_triggers.create", "yearly", "triggered", {}, {}, "0 1 * * *")[0] == 409
    assert refused(api, "cron_triggers.create", "other", "triggered")[0] == 400
    assert refused(api, "cron_triggers.create", "other", "triggered", pattern="* * *")[0] == 400
    assert refused(api, "cron_triggers.create", "other", "triggered", first_time="2001-01-01 00:00")[0] == 400
    assert refused(api, "cron_triggers.create", "other", "nowhere", pattern="* * * * *")[0] == 404
    assert (
        refused(api, "cron_triggers.create", "other", "triggered", {"zz": 1}, pattern="* * * * *")[0] == 400
    )
    assert refused(api, "cron_triggers.create", "", "triggered")[0] == 400
    assert refused(api, "workflows.delete", "triggered")[0] == 400
    for name in ("yearly", "once"):
        assert api("cron_triggers.delete", name) is None
        assert refused(api, "cron_triggers.get", name) == (404, f"Cron trigger not found [identifier={name}]")


@pytest.mark.asks(*(f"event_triggers.{method}" for method in METHODS))
def test_event_triggers(api: PythonApi, plain: Plain, workflow: str) -> None:
    """Made, read, found, removed."""
    place = ("openstack", "notifications", "compute.instance.create.end")
    made = api("event_triggers.create", "boot", workflow, *place, {"x": 3}, {"env": {"e": 1}})
    shown = plain.get(f"/event_triggers/{made.data['id']}")
    same(made, shown, "updated_at")
    assert made.kind == "EventTrigger"
    assert (shown["exchange"], shown["topic"], shown["event"]) == place
    assert (json.loads(shown["workflow_input"]), json.loads(shown["workflow_params"])) == (
        {"x": 3},
        {"env": {"e": 1}},
    )
    assert api("event_triggers.get", made.data["id"]).data == shown
    assert [one.data for one in api("event_triggers.list", topic="notifications")] == [shown]
    assert [one.data for one in api("event_triggers.find", name="boot")] == [shown]
    assert refused(api, "event_triggers.create", "again", workflow, *place)[0] == 409
    assert refused(api, "event_triggers.create", "bad", "nowhere", *place)[0] == 400
    assert refused(api, "event_triggers.create", "bad", workflow, "", "", "")[0] == 400
    assert api("event_triggers.delete", made.data["id"]) is None
    assert refused(api, "event_triggers.get", made.data["id"])[0] == 404
    assert refused(api, "event_triggers.delete", made.data["id"])[0] == 404


@pytest.mark.asks(*(f"members.{method}" for method in (*METHODS, "update")))
def test_members(as_caller: Callable[[str, str], PythonApi], guarded: Server) -> None:
    """A private workflow is offered, accepted, used and taken back, by callers with tokens."""
    alice, bob = as_caller(ALICE, "blue"), as_caller(BOB, "green")
    (mine,) = alice("workflows.create", TEXT)
    name = mine.data["id"]
    assert refused(bob, "workflows.get", name)[0] == 404

    made = alice("members.create", name, "workflow", "green")
    shown = Plain(guarded, ALICE).get(f"/workflows/{name}/members/green")
    same(made, shown, "updated_at")
    assert (made.kind, shown["status"], shown["project_id"]) == ("Member", "pending", "blue")
    assert alice("members.get", name, "workflow", "green").data == shown
    assert bob("members.get", name, "workflow").data == shown
    assert [one.data for one in alice("members.list", name, "workflow")] == [shown]
    assert refused(alice, "members.create", name, "workflow", "green")[0] == 409
    assert refused(alice, "members.update", name, "workflow", "green")[0] == 404

    accepted = bob("members.update", name, "workflow")
    assert accepted.data["status"] == "accepted"
    assert accepted.data == Plain(guarded, BOB).get(f"/workflows/{name}/members/green")
    assert bob("workflows.get", name).data["name"] == "triggered"
    started = bob("executions.create", name)
    assert Plain(guarded, BOB).ended(started.data["id"])["project_id"] == "green"
    assert refused(alice, "executions.get", started.data["id"])[0] == 404
    assert refused(bob, "workflows.delete", name)[0] == 403
    assert bob("members.update", name, "workflow", status="rejected").data["status"] == "rejected"
    assert refused(bob, "workflows.get", name)[0] == 404

    assert refused(bob, "members.delete", name, "workflow", "green")[0] == 404
    assert alice("members.delete", name, "workflow", "green") is None
    assert alice("members.list", name, "workflow") == []
    assert refused(alice, "members.get", name, "workflow", "green")[0] == 404
    assert refused(alice, "members.list", name, "action")[0] == 404
    with pytest.raises(
        Broken, match="missing 2 required positional arguments"
    ):  # it lists without saying what of
        alice("members.find", status="pending")


def test_callers(as_caller: Callable[[str, str], PythonApi]) -> None:
    """A token is needed; administrators see all projects; what is public is for all, to read."""
    alice, bob, root = as_caller(ALICE, "blue"), as_caller(BOB, "green"), as_caller(ROOT, "black")
    (public,) = root("workflows.create", TEXT.replace("triggered", "open"), scope="public")
    assert bob("workflows.get", "open").data["id"] == public.data["id"]
    (mine,) = bob("workflows.create", TEXT.replace("triggered", "hidden"))
    assert alice("workflows.find", name="hidden") == []
    assert [one.data["id"] for one in root("workflows.list", all_projects=True, name="hidden")] == [
        mine.data["id"]
    ]
    assert refused(bob, "workflows.list", all_projects=True)[0] == 403
    code, message = refused(as_caller("wrong", "blue"), "workflows.list")
    assert (code, "Auth token is invalid" in message) == (401, True)
    assert refused(as_caller("", ""), "workflows.list")[0] == 401


def test_members_without_authentication(api: PythonApi, workflow: str) -> None:
    """Where everybody is the same, there is nobody to share with."""
    assert refused(api, "members.create", workflow, "workflow", "green")[0] == 400
