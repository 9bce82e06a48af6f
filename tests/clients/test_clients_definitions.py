"""python-mistralclient: definitions through its Python API, held against what the service shows."""

from __future__ import annotations

import pytest
from client_service import Plain, refused, same
from original import PythonApi

pytest_plugins = ["client_fixtures"]

LIFE = ("create", "get", "update", "delete", "find", "list")

CODE = """class Plus:
    def __init__(self, a):
        self.a = a

    def run(self, context):
        return self.a + 1
"""


def workflow(name: str, more: str = "") -> str:
    """A workflow with tags and input."""
    return (
        f"version: '2.0'\n{name}:\n  tags: [one, two]\n  input: [x, {{y: 2}}]\n"
        f"  tasks: {{t: {{action: std.echo output=1}}}}\n{more}"
    )


def workbook(name: str, more: str = "") -> str:
    """A workbook with a workflow."""
    workflows = "workflows: {w: {tasks: {t: {action: std.noop}}}}"
    return f"version: '2.0'\nname: {name}\ntags: [one]\n{workflows}\n{more}"


def action(name: str, more: str = "") -> str:
    """An ad-hoc action."""
    body = "  base: std.echo\n  base-input: {output: <% $.x %>}\n  input: [x, y: 3]\n"
    return f"version: '2.0'\n{name}:\n{body}{more}"


@pytest.mark.asks(
    *(f"workflows.{method}" for method in ("create", "get", "update", "delete", "find", "list"))
)
def test_workflows(api: PythonApi, plain: Plain) -> None:
    """Made, read by name and by id, changed by both, found, removed."""
    (made,) = api("workflows.create", workflow("life"))
    shown = plain.get("/workflows/life")
    assert shown["definition"] == workflow("life")
    assert (made.kind, shown["scope"], shown["namespace"]) == ("Workflow", "private", "")
    for identifier in ("life", made.data["id"]):
        assert api("workflows.get", identifier).data == shown
    assert made.data.pop("interface") == {"input": ["x", {"y": 2}], "output": []}  # text in reads
    made.attributes.pop("interface")
    same(made, {name: value for name, value in shown.items() if name != "interface"}, "updated_at")

    (changed,) = api("workflows.update", workflow("life", "  description: new\n"), scope="public")
    shown = plain.get("/workflows/life")
    assert "description: new" in shown["definition"]
    assert shown["scope"] == "public"
    assert {**changed.data, "interface": shown["interface"]} == shown
    renamed = api("workflows.update", workflow("other"), id=made.data["id"])
    assert {**renamed.data, "interface": shown["interface"]} == plain.get("/workflows/other")
    assert plain.status("/workflows/life") == 404
    assert [found.data["id"] for found in api("workflows.find", name="other")] == [made.data["id"]]
    assert api("workflows.find", name="life") == []
    assert [found.data for found in api("workflows.list", name="other")] == plain.list(
        "workflows", name="other"
    )

    assert api("workflows.delete", "other") is None
    assert plain.status(f"/workflows/{made.data['id']}") == 404
    gone = (404, "Workflow not found [workflow_identifier=other, namespace=]")
    assert refused(api, "workflows.get", "other") == gone
    assert refused(api, "workflows.delete", "other")[0] == 404
    assert refused(api, "workflows.update", workflow("other"))[0] == 404


def test_workflows_in_a_namespace(api: PythonApi, plain: Plain) -> None:
    """Names live in namespaces; a text may hold several workflows."""
    text = workflow("first", workflow("second").partition("\n")[2])
    made = api("workflows.create", text, namespace="far", scope="public")
    assert [(one.data["name"], one.data["namespace"]) for one in made] == [
        ("first", "far"),
        ("second", "far"),
    ]
    assert refused(api, "workflows.get", "first")[0] == 404
    assert api("workflows.get", "first", "far").data == plain.get("/workflows/first", namespace="far")
    assert refused(api, "workflows.create", text, namespace="far")[0] == 409
    assert [one.data["scope"] for one in api("workflows.update", text, namespace="far")] == ["private"] * 2
    assert {one.data["name"] for one in api("workflows.list", namespace="far")} == {"first", "second"}
    assert refused(api, "workflows.delete", "first")[0] == 404
    for name in ("first", "second"):
        api("workflows.delete", name, namespace="far")
    assert api("workflows.list", namespace="far") == []


@pytest.mark.asks(
    *(f"workbooks.{method}" for method in ("create", "get", "update", "delete", "find", "list"))
)
def test_workbooks(api: PythonApi, plain: Plain) -> None:
    """Made, read, changed, found, removed; in the default namespace and in another."""
    made = api("workbooks.create", workbook("shelf"))
    shown = plain.get("/workbooks/shelf")
    assert shown["definition"] == workbook("shelf")
    assert (made.kind, shown["tags"], shown["scope"]) == ("Workbook", ["one"], "private")
    same(made, shown, "updated_at")
    assert api("workbooks.get", "shelf").data == shown
    assert plain.get("/workflows/shelf.w")["name"] == "shelf.w"

    changed = api("workbooks.update", workbook("shelf", "description: new\n"), scope="public")
    shown = plain.get("/workbooks/shelf")
    assert "description: new" in shown["definition"]
    assert (changed.data, shown["scope"]) == (shown, "public")
    assert [found.data for found in api("workbooks.find", name="shelf")] == plain.list(
        "workbooks", name="shelf"
    )

    far = api("workbooks.create", workbook("shelf"), namespace="far", scope="public")
    assert (far.data["namespace"], far.data["scope"]) == ("far", "public")
    assert api("workbooks.get", "shelf", namespace="far").data["id"] == far.data["id"] != made.data["id"]
    assert api("workbooks.update", workbook("shelf"), namespace="far").data["scope"] == "private"
    assert [one.data["id"] for one in api("workbooks.list", namespace="far")] == [far.data["id"]]
    assert refused(api, "workbooks.create", workbook("shelf"))[0] == 409
    assert refused(api, "workbooks.update", workbook("nowhere"))[0] == 404

    assert api("workbooks.delete", "shelf", namespace="far") is None
    assert api("workbooks.delete", "shelf") is None
    assert refused(api, "workbooks.get", "shelf") == (404, "Workbook not found [name=shelf, namespace=]")
    assert refused(api, "workbooks.delete", "shelf")[0] == 404
    assert plain.get("/workflows/shelf.w")["name"] == "shelf.w"


@pytest.mark.asks(*(f"actions.{method}" for method in LIFE))
def test_actions(api: PythonApi, plain: Plain) -> None:
    """Made, read by name and by id, changed by both, found, removed; built-in ones only read."""
    (made,) = api("actions.create", action("twice"))
    shown = plain.get("/actions/twice")
    assert (made.kind, shown["input"], shown["is_system"]) == ("Action", "x, y=3", False)
    assert shown["definition"] == action("twice")
    same(made, shown, "updated_at")
    for identifier in ("twice", made.data["id"]):
        assert api("actions.get", identifier).data == shown

    (changed,) = api("actions.update", action("twice", "  description: new\n"), scope="public")
    shown = plain.get("/actions/twice")
    assert (shown["description"], shown["scope"]) == ("new", "public")
    assert changed.data == shown
    (renamed,) = api("actions.update", action("thrice"), id=made.data["id"])
    assert renamed.data == plain.get("/actions/thrice")
    assert [found.data["id"] for found in api("actions.find", name="thrice")] == [made.data["id"]]

    (far,) = api("actions.create", action("thrice"), namespace="far", scope="public")
    assert api("actions.get", "thrice", namespace="far").data["id"] == far.data["id"] != made.data["id"]
    assert [one.data["scope"] for one in api("actions.update", action("thrice"), namespace="far")] == [
        "private"
    ]
    assert [one.data["id"] for one in api("actions.list", namespace="far", name="thrice")] == [far.data["id"]]
    assert refused(api, "actions.create", action("thrice"))[0] == 409
    assert refused(api, "actions.update", action("nowhere"))[0] == 404

    assert api("actions.delete", "thrice", namespace="far") is None
    assert api("actions.delete", "thrice") is None
    assert refused(api, "actions.get", "thrice") == (404, "Action not found [name=thrice, namespace=]")
    assert refused(api, "actions.delete", "thrice")[0] == 404
    assert api("actions.get", "std.echo").data == plain.get("/actions/std.echo")
    assert api("actions.get", "std.echo").data["is_system"] is True
    assert refused(api, "actions.delete", "std.echo")[0] in (400, 404)


@pytest.mark.asks("workbooks.validate", "workflows.validate", "actions.validate")
def test_validation(api: PythonApi) -> None:
    """A valid text, and one that is not, are told apart; neither is stored."""
    texts = {"workbooks": workbook, "workflows": workflow, "actions": action}
    wrong = {"workbooks": "nonsense: 1\n", "workflows": "  type: nonsense\n", "actions": "  nonsense: 1\n"}
    for kind, text in texts.items():
        assert api(f"{kind}.validate", text("tried")) == {"valid": True}
        found = api(f"{kind}.validate", text("tried", wrong[kind]))
        assert found["valid"] is False
        assert "nonsense" in found["error"]
        assert api(f"{kind}.validate", "{")["valid"] is False
        assert api(f"{kind}.find", name="tried") == []
        assert refused(api, f"{kind}.validate", "") == (
            400,
            f'{kind[:-1].capitalize()} is missing field "definition"',
        )
        assert refused(api, f"{kind}.create", "{")[0] == 400


@pytest.mark.asks(
    *(f"environments.{method}" for method in ("create", "get", "update", "delete", "find", "list"))
)
def test_environments(api: PythonApi, plain: Plain) -> None:
    """Made, read, changed, found, removed; variables are objects here and JSON text on the wire."""
    variables = {"a": 1, "deep": {"b": [None, False, 0]}}
    made = api("environments.create", name="place", variables=variables, description="", scope="private")
    shown = plain.get("/environments/place")
    assert made.kind == "Environment"
    same(made, shown, "updated_at")
    assert api("environments.get", "place").data == shown
    assert api("environments.get", "place").attributes["variables"] == variables
    bare = api("environments.create", name="bare", variables={"x": 1})
    assert bare.data.items() <= plain.get("/environments/bare").items()

    changed = api("environments.update", name="place", variables={"c": 2}, description="new", scope="public")
    assert changed.data == plain.get("/environments/place")
    assert changed.attributes["variables"] == {"c": 2}
    assert api("environments.update", name="place", description="newer").attributes["variables"] == {"c": 2}
    assert [found.data["name"] for found in api("environments.find", scope="public")] == ["place"]
    assert [found.data for found in api("environments.list", name="place")] == [
        plain.get("/environments/place")
    ]

    assert refused(api, "environments.create", name="place", variables={"x": 1})[0] == 409
    assert refused(api, "environments.create", name="", variables={}) == (
        400,
        'Environment is missing field "name"',
    )
    assert refused(api, "environments.create", name="odd", variables={}, odd=1)[0] == 400
    assert refused(api, "environments.update", name="nowhere", variables={"x": 1})[0] == 404
    assert api("environments.delete", "place") is None
    api("environments.delete", "bare")
    assert refused(api, "environments.get", "place") == (404, "Environment not found [name=place]")
    assert refused(api, "environments.delete", "place")[0] == 404


@pytest.mark.asks(
    *(f"code_sources.{method}" for method in ("create", "get", "update", "delete", "find", "list"))
)
@pytest.mark.asks(
    *(f"dynamic_actions.{method}" for method in ("create", "get", "update", "delete", "find", "list"))
)
def test_code_sources_and_dynamic_actions(api: PythonApi, plain: Plain) -> None:
    """Made, read by name and by id, changed, found, run, removed."""
    source = api("code_sources.create", "sums", CODE)
    shown = plain.get("/code_sources/sums")
    assert (source.kind, shown["content"], shown["version"]) == ("CodeSource", CODE, 1)
    same(source, shown, "updated_at")
    for identifier in ("sums", source.data["id"]):
        assert api("code_sources.get", identifier).data == shown
    changed = api("code_sources.update", "sums", CODE.replace("Plus", "More"), scope="public")
    assert changed.data == plain.get("/code_sources/sums")
    assert (changed.data["version"], changed.data["scope"]) == (2, "public")
    assert [found.data["id"] for found in api("code_sources.find", name="sums")] == [source.data["id"]]

    made = api("dynamic_actions.create", "plus", "More", "sums")
    shown = plain.get("/dynamic_actions/plus")
    assert (made.kind, shown["class_name"], shown["code_source_name"]) == ("DynamicAction", "More", "sums")
    same(made, shown, "updated_at")
    for identifier in ("plus", made.data["id"]):
        assert api("dynamic_actions.get", identifier).data == shown
    assert api("action_executions.create", "plus", {"a": 1}).data["output"] == '{"result": 2}'
    api("code_sources.update", source.data["id"], CODE)
    changed = api(
        "dynamic_actions.update", "plus", class_name="Plus", code_source=source.data["id"], scope="public"
    )
    assert changed.data == plain.get("/dynamic_actions/plus")
    assert (changed.data["class_name"], changed.data["scope"]) == ("Plus", "public")
    kept = api("dynamic_actions.update", made.data["id"])
    assert (kept.data["class_name"], kept.data["scope"]) == ("Plus", "private")
    assert [found.data["id"] for found in api("dynamic_actions.find", name="plus")] == [made.data["id"]]

    far = api("code_sources.create", "sums", CODE, namespace="far", scope="public")
    assert api("code_sources.get", "sums", namespace="far").data["id"] == far.data["id"] != source.data["id"]
    assert [one.data["id"] for one in api("code_sources.list", namespace="far")] == [far.data["id"]]
    there = api("dynamic_actions.create", "plus", "Plus", far.data["id"], namespace="far", scope="public")
    assert api("dynamic_actions.get", "plus", namespace="far").data["id"] == there.data["id"]
    assert [one.data["id"] for one in api("dynamic_actions.list", namespace="far")] == [there.data["id"]]
    assert api("dynamic_actions.update", "plus", namespace="far").data["namespace"] == "far"

    assert refused(api, "code_sources.create", "sums", CODE)[0] == 409
    assert refused(api, "dynamic_actions.create", "plus", "Plus", "sums")[0] == 409
    assert refused(api, "dynamic_actions.create", "minus", "Plus", "nowhere")[0] == 404
    assert api("dynamic_actions.delete", "plus", namespace="far") is None
    assert api("dynamic_actions.delete", "plus") is None
    assert refused(api, "dynamic_actions.get", "plus")[0] == 404
    assert api("code_sources.delete", "sums", namespace="far") is None
    assert api("code_sources.delete", "sums") is None
    assert refused(api, "code_sources.get", "sums")[0] == 404
