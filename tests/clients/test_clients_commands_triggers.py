"""`mistral` and `openstack`: triggers, members with log-ins, help, errors, and starts of real processes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from client_service import Plain
from columns import listed, shown
from identity import SECRET, Identity
from original import PROGRAMS, Original
from programs import Program, Row, claimed

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

TEXT = "version: '2.0'\n{}: {{input: [x: 1], tasks: {{t: {{action: std.noop}}}}}}\n"
EVENT = ("exchange", "topic")


@pytest.fixture(scope="module")
def started(plain: Plain) -> str:
    """The id of a workflow that triggers start."""
    return str(plain.post("/workflows", content=TEXT.format("started"))["workflows"][0]["id"])


def unset(row: Row) -> Row:
    """A row as the answer to a create shows it: never updated."""
    return row | {"Updated at": None}


@pytest.mark.asks("cron-trigger-create", "cron-trigger-get", "cron-trigger-list", "cron-trigger-delete")
def test_cron_triggers(program: Program, plain: Plain, started: str) -> None:
    """All four commands; by pattern, count and first time, in UTC or in local time."""
    name = f"{program.name}_cron"
    words = ('{"x": 2}', "--pattern", "0 0 1 1 *", "--count", "5", "--params", '{"env": {"e": 1}}')
    made = program.row("cron-trigger-create", name, "started", *words)
    found = plain.get(f"/cron_triggers/{name}")
    assert made == unset(shown("cron_trigger", found))
    assert (json.loads(found["workflow_input"]), made["Remaining executions"]) == ({"x": 2}, 5)
    for identifier in (name, found["id"]):
        assert program.show_everywhere("cron-trigger-get", identifier) == shown("cron_trigger", found)
    assert program.rows("cron-trigger-list", "--filter", f"name={name}") == [listed("cron_trigger", found)]

    soon = datetime.now(UTC) + timedelta(days=1 + PROGRAMS.index(program.name))
    first = f"{soon:%Y-%m-%d %H:%M}"
    once = program.row("cron-trigger-create", f"{name}_2", started, "--first-time", first, "--utc")
    assert once["Next execution time"] == f"{first}:00"
    assert plain.get(f"/cron_triggers/{name}_2")["remaining_executions"] == 1
    local = program.row("cron-trigger-create", f"{name}_3", started, '{"x": 3}', "--first-time", first)
    there = soon.astimezone() - (soon.astimezone().utcoffset() or timedelta())
    assert local["Next execution time"] == f"{there:%Y-%m-%d %H:%M}:00"

    assert "not found" in program("cron-trigger-create", "c", "nowhere", "--pattern", "* * * * *", code=1).err
    assert program("cron-trigger-create", name, "started", "--pattern", "0 1 * * *", code=1).err
    ran = program("cron-trigger-delete", name, "nowhere", f"{name}_2", f"{name}_3", code=1)
    assert ran.out.splitlines()[:2] == [
        f"Request to delete cron trigger {name} has been accepted.",
        "Cron trigger not found [identifier=nowhere]",
    ]
    assert plain.status(f"/cron_triggers/{name}_3") == 404


@pytest.mark.asks("event-trigger-create", "event-trigger-get", "event-trigger-list", "event-trigger-delete")
def test_event_triggers(program: Program, plain: Plain, started: str) -> None:
    """All four commands."""
    event = f"{program.name}.event"
    words = (started, *EVENT, event, '{"x": 3}', "--params", '{"env": {"e": 1}}')
    made = program.row("event-trigger-create", "boot", *words)
    found = plain.get(f"/event_triggers/{made['ID']}")
    assert made == unset(shown("event_trigger", found))
    assert json.loads(found["workflow_input"]) == {"x": 3}
    assert program.show_everywhere("event-trigger-get", made["ID"]) == shown("event_trigger", found)
    assert program.list_everywhere("event-trigger-list", "--filter", f"event={event}") == [
        listed("event_trigger", found)
    ]
    assert program("event-trigger-create", "again", *words, code=1).err
    ran = program("event-trigger-delete", made["ID"], "nowhere", code=1)
    assert ran.out.splitlines()[0] == f"Request to delete event trigger {made['ID']} has been accepted."
    assert plain.status(f"/event_triggers/{made['ID']}") == 404


def logged_in(clients: Original, name: str, user: str, project: str, identity: Identity, way: str) -> Program:
    """A program as a user starts it who has logged in at Keystone or Keycloak."""
    given = {"username": user, "password": SECRET, "project-name": project, "auth-url": identity.url}
    if way == "keycloak":
        extra = [
            "--auth-type",
            "keycloak-oidc",
            "--openid-client-id",
            "c",
            "--os-mistral-url",
            identity.workflow_url,
        ]
    else:
        given |= {"auth-url": f"{identity.url}/v3"}
        extra = []
        if name == "openstack":
            given |= {
                "user-domain-id": "default",
                "project-domain-id": "default",
                "identity-api-version": "3",
            }
    options = [word for option, value in given.items() for word in (f"--os-{option}", value)]
    return Program(clients, name, *options, *extra)


@pytest.mark.asks(*(f"member-{what}" for what in ("create", "get", "list", "update", "delete")))
@pytest.mark.parametrize(
    ("name", "way"), [("mistral", "keycloak"), ("mistral", "keystone"), ("openstack", "keystone")]
)
def test_members(clients: Original, identity: Identity, name: str, way: str, tmp_path: Path) -> None:
    """A workflow is shared by one who has logged in, and used by another; all five commands."""
    alice = logged_in(clients, name, "alice", "blue", identity, way)
    bob = logged_in(clients, name, "bob", "green", identity, way)
    file = tmp_path / "shared.yaml"
    file.write_text(TEXT.format(f"shared_{name}_{way}"))
    (mine,) = alice.rows("workflow-create", str(file))
    assert mine["Project ID"] == "blue"
    offer = (mine["ID"], "workflow")
    green = ("-m", "green")
    assert "Workflow not found" in bob("workflow-get", mine["ID"], code=1).err

    made = alice.row("member-create", *offer, "green")
    assert (made["Status"], made["Member ID"], made["Resource Owner"]) == ("pending", "green", "blue")
    assert alice.row("member-get", *offer, *green) == made
    assert alice.rows("member-list", *offer) == [made]
    accepted = bob.row("member-update", *offer, *green)
    assert accepted["Status"] == "accepted"
    assert bob.row("member-get", *offer, *green) == accepted
    assert bob.row("workflow-get", mine["ID"])["Name"] == mine["Name"]
    assert bob.row("member-update", *offer, *green, "-s", "rejected")["Status"] == "rejected"
    if way == "keycloak":  # here the client knows its own project
        assert bob.row("member-update", *offer, "-s", "pending")["Status"] == "pending"
        assert bob.row("member-get", *offer)["Status"] == "pending"
    assert "Unable to delete the specified member." in bob("member-delete", *offer, "green", code=1).err
    assert (
        alice.out("member-delete", *offer, "green")
        == "Request to delete workflow member green has been accepted.\n"
    )
    assert alice.rows("member-list", *offer) == []
    assert alice("member-list", mine["ID"], "nonsense", code=1).err


@pytest.mark.asks("help", "complete", "bash-completion")
def test_help(program: Program, clients: Original) -> None:
    """Help and completion know all commands."""
    if program.name == "openstack":  # these commands are its own there
        assert "Create new workflow." in clients.run("openstack", ["help", "workflow", "create"], {}).out
        return
    text = program.out("help")
    offered = set(program.out("bash-completion").split())
    assert "--os-mistral-url" in offered
    for name in clients.ask(do="commands", program="mistral"):
        assert f"\n  {name} " in text
        assert name in offered
        assert "usage:" in program.out("help", name).lower()
    assert "execution-create" in program.out("complete").replace("_", "-")


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_command_is_asked(clients: Original, name: str) -> None:
    """A command that a new release of the client brings needs a test."""
    places = clients.ask(do="commands", program=name)
    originals = {place: command for command, place in clients.ask(do="commands", program="mistral").items()}
    assert len(places) == (76 if name == "mistral" else 70)
    assert sorted({originals.get(place, place) for place in places.values()} - claimed()) == []


def test_errors(program: Program, plain: Plain) -> None:
    """Exit codes: 0 for success, 1 for what the service refuses, 2 for wrong words."""
    assert program("workflow-list").code == 0
    ran = program("workflow-get", "nowhere", code=1)
    assert (ran.out, "Workflow not found [workflow_identifier=nowhere, namespace=]" in ran.err) == ("", True)
    assert "unrecognized arguments" in program("workflow-list", "--nonsense", code=2).err
    assert "required" in program("workflow-get", code=2).err
    away = Program(program.original, program.name, *program.options[:-1], "http://127.0.0.1:1/v2")
    assert "127.0.0.1" in away("workflow-list", code=1).err
    (row,) = program.rows("action-list", "--filter", "name=std.noop", "-c", "Name", "-c", "Is system")
    assert row == {"Name": "std.noop", "Is system": True}
    assert plain.get("/actions/std.noop")["is_system"] is True


def test_real_starts(programs: dict[str, Program], plain: Plain, clients: Original) -> None:
    """In processes of their own: options from the environment, an interactive session, the version."""
    first = plain.list("actions", limit="1")[0]["name"]
    mistral, openstack = (programs[name] for name in PROGRAMS)
    environment = {"OS_MISTRAL_URL": mistral.options[1]}
    ran = clients.start("mistral", ["action-list", "--limit", "1", "-f", "value", "-c", "Name"], environment)
    assert (ran.code, ran.out) == (0, f"{first}\n"), ran
    session = clients.start(
        "mistral", [], environment, stdin="action-list --limit 1 -f value -c Name\nexit\n"
    )
    assert first in session.out.splitlines(), session
    ran = clients.start("mistral", ["--version"], {})
    assert (ran.code, ran.out.split()[1]) == (0, "6.3.0")
    environment = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": openstack.options[3]}
    words = ["action", "definition", "list", "--limit", "1", "-f", "value", "-c", "Name"]
    ran = clients.start("openstack", words, environment)
    assert (ran.code, ran.out) == (0, f"{first}\n"), ran
