"""`mistral` and `openstack`: the commands for definitions, held against what the service shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from client_service import Plain
from columns import listed, shown
from programs import Program, Row

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

CODE = "class Give:\n    def run(self, context):\n        return 1\n"


def write(folder: Path, text: str) -> str:
    """The name of a file with this text."""
    path = folder / "text"
    path.write_text(text)
    return str(path)


def workflow(name: str, tags: str = "one, two") -> str:
    """A workflow with tags and a long input."""
    body = "input: [x, {a_name_that_is_long: 'and a value'}], tasks: {t: {action: std.noop}}"
    return f"version: '2.0'\n{name}: {{tags: [{tags}], {body}}}\n"


def unset(row: Row) -> Row:
    """A row as the answer to a create shows it: never updated."""
    return row | {"Updated at": None}


def of(name: str, *kinds: str) -> list[str]:
    """Names of commands."""
    return [f"{name}-{kind}" for kind in kinds]


LIFE = ("create", "get", "list", "update", "delete")


@pytest.mark.asks(*of("workflow", *LIFE, "get-definition", "validate"))
def test_workflows(program: Program, plain: Plain, tmp_path: Path) -> None:
    """All seven commands, in the default namespace and in another."""
    name, away = f"{program.name}_flow", f"{program.name}_away"
    two = workflow(name) + workflow(f"{name}_two", "t").partition("\n")[2]
    made = program.rows("workflow-create", write(tmp_path, workflow(name)))
    found = plain.get(f"/workflows/{name}")
    assert made == [unset(listed("workflow", found))]
    assert made[0]["Input"] == 'x, a_name_that_is_long="a...'
    for identifier in (name, found["id"]):
        assert program.show_everywhere("workflow-get", identifier) == shown("workflow", found)
    assert program.out("workflow-get-definition", name) == found["definition"] == workflow(name)
    assert program.rows("workflow-list", "--filter", f"name={name}") == [listed("workflow", found)]
    assert program.rows("workflow-list") == [listed("workflow", row) for row in plain.list("workflows")]

    (changed,) = program.rows("workflow-update", write(tmp_path, workflow(name, "three")), "--public")
    assert changed == listed("workflow", plain.get(f"/workflows/{name}"))
    assert (changed["Tags"], changed["Scope"]) == ("three", "public")
    (renamed,) = program.rows(
        "workflow-update", write(tmp_path, workflow(f"{name}_new")), "--id", found["id"]
    )
    assert (renamed["ID"], renamed["Scope"]) == (found["id"], "private")

    far = program.rows("workflow-create", write(tmp_path, two), "--namespace", away, "--public")
    assert [(row["Name"], row["Namespace"], row["Scope"]) for row in far] == [
        (name, away, "public"), (f"{name}_two", away, "public"),
    ]  # fmt: skip
    there = plain.get(f"/workflows/{name}", namespace=away)
    assert program.row("workflow-get", name, "--namespace", away) == shown("workflow", there)
    assert program.out("workflow-get-definition", name, "--namespace", away) == there["definition"]
    assert len(program.rows("workflow-update", write(tmp_path, two), "--namespace", away)) == 2
    assert len(program.rows("workflow-list", "--filter", f"namespace={away}")) == 2

    accepted = [f"Request to delete workflow {one} has been accepted." for one in (name, f"{name}_two")]
    assert program.out("workflow-delete", name, f"{name}_two", "--namespace", away).splitlines() == accepted
    ran = program("workflow-delete", "nowhere", f"{name}_new", code=1)
    assert ran.out.splitlines() == [
        "Workflow not found [workflow_identifier=nowhere, namespace=]",
        f"Request to delete workflow {name}_new has been accepted.",
    ]
    assert "Unable to delete the specified workflow(s)." in ran.err
    assert program.rows("workflow-list", "--filter", f"namespace={away}") == []

    valid = program.show_everywhere("workflow-validate", write(tmp_path, workflow("tried")))
    assert valid == {"Valid": True, "Error": None}
    invalid = program.row("workflow-validate", write(tmp_path, "version: '2.0'\ntried: {}\n"))
    assert (invalid["Valid"], "Invalid DSL" in invalid["Error"]) == (False, True)


@pytest.mark.asks(*of("workbook", *LIFE, "get-definition", "validate"))
def test_workbooks(program: Program, plain: Plain, tmp_path: Path) -> None:
    """All seven commands, in the default namespace and in another."""
    name = f"{program.name}_book"
    workflows = "workflows: {w: {tasks: {t: {action: std.noop}}}}"
    text = f"version: '2.0'\nname: {name}\ntags: [one]\n{workflows}\n"
    made = program.row("workbook-create", write(tmp_path, text))
    found = plain.get(f"/workbooks/{name}")
    assert made == unset(shown("workbook", found))
    assert program.show_everywhere("workbook-get", name) == shown("workbook", found)
    assert program.out("workbook-get-definition", name) == text
    assert program.rows("workbook-list", "--filter", f"name={name}") == [listed("workbook", found)]
    changed = program.row("workbook-update", write(tmp_path, text.replace("one", "two")), "--public")
    assert changed == shown("workbook", plain.get(f"/workbooks/{name}"))
    assert (changed["Tags"], changed["Scope"]) == ("two", "public")

    far = program.row("workbook-create", write(tmp_path, text), "--namespace", "away", "--public")
    assert (far["Namespace"], far["Scope"]) == ("away", "public")
    assert program.row("workbook-get", name, "--namespace", "away") == unset(far)
    assert program.row("workbook-update", write(tmp_path, text), "--namespace", "away")["Scope"] == "private"
    assert program.out("workbook-delete", name, "--namespace", "away") == (
        f"Request to delete workbook {name} has been accepted.\n"
    )
    ran = program("workbook-delete", "nowhere", name, code=1)
    assert ran.out.splitlines()[0] == "Workbook not found [name=nowhere, namespace=]"
    assert plain.status(f"/workbooks/{name}") == 404
    assert program.row("workbook-validate", write(tmp_path, text)) == {"Valid": True, "Error": None}
    assert program.row("workbook-validate", write(tmp_path, "name: x\n"))["Valid"] is False


@pytest.mark.asks(*of("action", *LIFE, "get-definition", "validate"))
def test_actions(program: Program, plain: Plain, tmp_path: Path) -> None:
    """All seven commands; a built-in action too."""
    name = f"{program.name}_act"
    text = (
        f"version: '2.0'\n{name}:\n  base: std.noop\n  tags: [one]\n"
        "  description: more than twenty-five characters\n  input: [a, b: 2]\n"
    )
    (made,) = program.rows("action-create", write(tmp_path, text))
    found = plain.get(f"/actions/{name}")
    assert made == unset(listed("action", found))
    assert made["Description"] == "more than twenty-five cha..."
    for identifier in (name, found["id"]):
        assert program.show_everywhere("action-get", identifier) == shown("action", found)
    assert program.row("action-get", "std.echo") == shown("action", plain.get("/actions/std.echo"))
    assert program.out("action-get-definition", name) == text
    assert program.out("action-get-definition", "std.echo") == "\n"
    assert program.rows("action-list", "--filter", f"name={name}") == [listed("action", found)]
    everything = plain.list("actions", sort_keys="created_at")
    assert program.rows("action-list") == [listed("action", row) for row in everything]

    (changed,) = program.rows("action-update", write(tmp_path, text.replace("one", "two")), "--public")
    assert changed == listed("action", plain.get(f"/actions/{name}"))
    (renamed,) = program.rows(
        "action-update", write(tmp_path, text.replace(name, f"{name}_2")), "--id", found["id"]
    )
    assert (renamed["ID"], renamed["Name"]) == (found["id"], f"{name}_2")
    program("action-create", write(tmp_path, text), "--namespace", "away", "--public")
    there = plain.get(f"/actions/{name}", namespace="away")
    assert program.row("action-get", name, "--namespace", "away") == shown("action", there)
    assert program.out("action-get-definition", name, "--namespace", "away") == text
    assert program.rows("action-list", "--namespace", "away", "--filter", f"name={name}") == [
        listed("action", there)
    ]
    program(
        "action-update", write(tmp_path, text), "--namespace", "away", code=1
    )  # it does not send the namespace

    program("action-delete", name, "--namespace", "away")
    ran = program("action-delete", "nowhere", f"{name}_2", code=1)
    assert ran.out.splitlines() == [
        "Action not found [name=nowhere, namespace=]",
        f"Request to delete action {name}_2 has been accepted.",
    ]
    assert plain.status(f"/actions/{name}_2") == 404
    if program.has("action-validate"):
        assert program.row("action-validate", write(tmp_path, text)) == {"Valid": True, "Error": None}
        assert program.row("action-validate", write(tmp_path, "version: '2.0'\na: {}\n"))["Valid"] is False


@pytest.mark.asks(*of("environment", *LIFE))
def test_environments(program: Program, plain: Plain, tmp_path: Path) -> None:
    """All five commands, from YAML and JSON; what is exported can be stored again."""
    name = f"{program.name}_place"
    text = f"name: {name}\ndescription: ''\nvariables: {{a: 1, b: [null, false]}}\n"
    made = program.row("environment-create", write(tmp_path, text))
    found = plain.get(f"/environments/{name}")
    assert {**made, "Updated at": "<none>"} == shown("environment", found)
    assert program.show_everywhere("environment-get", name) == shown("environment", found)
    assert program.rows("environment-list", "--filter", f"name={name}") == [listed("environment", found)]

    exported = program.row("environment-get", name, "--export")
    assert {**exported, "variables": json.loads(exported["variables"])} == {
        "name": name, "description": "", "scope": "private", "variables": {"a": 1, "b": [None, False]},
    }  # fmt: skip
    again = write(tmp_path, json.dumps(exported | {"name": f"{name}_2", "scope": "public"}))
    assert program.row("environment-create", again)["Scope"] == "public"
    text = write(tmp_path, json.dumps({"name": name, "description": "new", "variables": {"c": 3}}))
    changed = program.row("environment-update", text)
    assert changed == shown("environment", plain.get(f"/environments/{name}"))
    assert (changed["Description"], json.loads(changed["Variables"])) == ("new", {"c": 3})
    ran = program("environment-delete", name, "nowhere", f"{name}_2", code=1)
    assert ran.out.splitlines() == [
        f"Request to delete environment {name} has been accepted.",
        "Environment not found [name=nowhere]",
        f"Request to delete environment {name}_2 has been accepted.",
    ]


@pytest.mark.asks(*of("code-source", *LIFE, "get-content"), *of("dynamic-action", *LIFE))
def test_code_sources_and_dynamic_actions(program: Program, plain: Plain, tmp_path: Path) -> None:
    """All eleven commands, in the default namespace and in another."""
    name, act = f"{program.name}_code", f"{program.name}_dynamic"
    made = program.row("code-source-create", name, write(tmp_path, CODE))
    found = plain.get(f"/code_sources/{name}")
    assert made == unset(shown("code_source", found))
    assert program.show_everywhere("code-source-get", found["id"]) == shown("code_source", found)
    assert program.out("code-source-get-content", name) == CODE
    assert program.rows("code-source-list", "--filter", f"name={name}") == [listed("code_source", found)]
    changed = program.row("code-source-update", name, write(tmp_path, CODE.replace("1", "2")), "--public")
    assert changed == shown("code_source", plain.get(f"/code_sources/{name}"))

    made = program.row("dynamic-action-create", act, "Give", name)
    found = plain.get(f"/dynamic_actions/{act}")
    assert made == unset(shown("dynamic_action", found))
    assert program.show_everywhere("dynamic-action-get", act) == shown("dynamic_action", found)
    assert program.rows("dynamic-action-list", "--filter", f"name={act}") == [listed("dynamic_action", found)]
    assert json.loads(program.out("run-action", act)) == {"result": 2}
    source = plain.get(f"/code_sources/{name}")["id"]
    words = ("--class-name", "Give", "--code-source", source, "--public")
    changed = program.row("dynamic-action-update", found["id"], *words)
    assert changed == shown("dynamic_action", plain.get(f"/dynamic_actions/{act}"))
    assert changed["Scope"] == "public"

    away = ("--namespace", "away")
    program("code-source-create", name, write(tmp_path, CODE), *away, "--public")
    assert program.out("code-source-get-content", name, *away) == CODE
    assert program.row("code-source-update", name, write(tmp_path, CODE), *away)["Scope"] == "private"
    program("dynamic-action-create", act, "Give", name, *away, "--public")
    assert program.row("dynamic-action-get", act, *away)["Name"] == act
    assert len(program.rows("dynamic-action-list", *away)) == 1
    assert program.row("dynamic-action-update", act, *away)["Scope"] == "private"
    program("dynamic-action-delete", act, *away)
    program("code-source-delete", name, *away)
    assert program.row("code-source-get", name)["Name"] == name

    ran = program("dynamic-action-delete", act, "nowhere", code=1)
    assert ran.out.splitlines()[0] == f"Request to delete dynamic action(s) {act} has been accepted."
    ran = program("code-source-delete", name, "nowhere", code=1)
    assert ran.out.splitlines()[0] == f"Request to delete code source '{name}' has been accepted."
    assert plain.status(f"/code_sources/{name}") == 404
