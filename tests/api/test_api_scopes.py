"""Private and public: who sees, uses, changes and removes objects of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest
from api_service import Api, assert_fault
from callers import Callers, callers

ON_POSTGRESQL: Final = 12

WORKFLOW: Final = "version: '2.0'\nw{}:\n  tasks: {{t: {{action: std.noop}}}}\n"
ACTION: Final = "version: '2.0'\na{}:\n  base: std.noop\n"
WORKBOOK: Final = """version: '2.0'
name: b{}
workflows: {{w: {{tasks: {{t: {{action: a}}}}}}}}
actions: {{a: {{base: std.noop}}}}
"""
USING: Final = "version: '2.0'\nusing{0}:\n  tasks: {{t: {{action: a{0}}}}}\n"


class Kind(NamedTuple):
    """How one kind of object is uploaded, and what its names begin with. Environments have no text."""

    collection: str
    letter: str
    text: str | None

    def send(self, api: Api, method: str, number: int, scope: str | None) -> Any:
        if self.text is None:
            body = {"name": f"e{number}", "description": method} | ({"scope": scope} if scope else {})
            return api(method, f"/v2/{self.collection}", json=body)
        query = {"scope": scope} if scope else None
        text = self.text.format(number).replace("version", f"# {method}\nversion")
        return api(method, f"/v2/{self.collection}", content=text, params=query)

    def path(self, number: int) -> str:
        return f"/v2/{self.collection}/{self.letter}{number}"


KINDS: Final = (
    Kind("workflows", "w", WORKFLOW),
    Kind("workbooks", "b", WORKBOOK),
    Kind("actions", "a", ACTION),
    Kind("environments", "e", None),
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.collection)


@pytest.fixture(scope="module")
def people(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with callers(module_database_url, tmp_path_factory.mktemp("scopes")) as found:
        yield found


@every_kind
def test_only_administrators_publish(people: Callers, kind: Kind) -> None:
    assert_fault(kind.send(people.alice, "POST", 1, "public"), 403, f"rule {kind.collection}:publicize")
    assert people.alice("GET", kind.path(1)).status_code == 404
    assert kind.send(people.alice, "POST", 1, "private").status_code == 201
    assert_fault(kind.send(people.alice, "PUT", 1, "public"), 403, f"rule {kind.collection}:publicize")
    assert people.alice.get(kind.path(1))["scope"] == "private"
    assert_fault(kind.send(people.alice, "PUT", 1, "shared"), 400, "shared")


@every_kind
def test_an_administrator_publishes_for_another_project(people: Callers, kind: Kind) -> None:
    assert kind.send(people.alice, "POST", 2, None).status_code == 201
    assert people.bob("GET", kind.path(2)).status_code == 404
    assert kind.send(people.root, "PUT", 2, "public").status_code == 200
    seen = people.bob.get(kind.path(2))
    assert (seen["scope"], seen["project_id"]) == ("public", "blue")
    assert f"{kind.letter}2" in people.bob.names(kind.collection)
    # The owner changes it, and may withdraw it; a definition is withdrawn unless the upload says otherwise.
    assert kind.send(people.alice, "PUT", 2, "private").status_code == 200
    assert people.bob("GET", kind.path(2)).status_code == 404
    assert people.alice("DELETE", kind.path(2)).status_code == 204


@every_kind
def test_what_is_public_is_changed_by_its_owner_only(people: Callers, kind: Kind) -> None:
    assert kind.send(people.root, "POST", 3, "public").status_code == 201
    before = people.bob.get(kind.path(3))
    assert_fault(kind.send(people.bob, "PUT", 3, None), 403, "belongs to another project")
    assert_fault(kind.send(people.bob, "PUT", 3, "private"), 403, "belongs to another project")
    assert_fault(people.bob("DELETE", kind.path(3)), 403, "belongs to another project")
    assert people.bob.get(kind.path(3)) == before


@every_kind
def test_a_public_name_stays_free_in_other_projects(people: Callers, kind: Kind) -> None:
    """One's own object comes first, and what is done by name is done to it."""
    assert kind.send(people.root, "POST", 4, "public").status_code == 201
    assert kind.send(people.bob, "POST", 4, None).status_code == 201
    assert people.bob.get(kind.path(4))["project_id"] == "green"
    assert people.carol.get(kind.path(4))["project_id"] == "administration"
    assert people.root.get(kind.path(4))["project_id"] == "administration"
    assert kind.send(people.bob, "PUT", 4, None).status_code == 200
    assert people.bob("DELETE", kind.path(4)).status_code == 204
    assert people.bob.get(kind.path(4))["project_id"] == "administration"
    assert_fault(people.bob("DELETE", kind.path(4)), 403)


@every_kind
def test_an_administrator_removes_what_others_own(people: Callers, kind: Kind) -> None:
    assert kind.send(people.alice, "POST", 5, None).status_code == 201
    assert people.root("DELETE", kind.path(5)).status_code == 204
    assert people.alice("GET", kind.path(5)).status_code == 404


def test_what_is_public_is_used_by_all(people: Callers) -> None:
    root, bob = people.root, people.bob
    for kind in KINDS:
        assert kind.send(root, "POST", 6, "public").status_code == 201
    for name in ("w6", "b6.w"):
        ran = bob.run(name, params={"env": "e6"})
        assert (ran["state"], ran["project_id"]) == ("SUCCESS", "green")
        assert people.alice("GET", f"/v2/executions/{ran['id']}").status_code == 404
    bob.define(USING.format(6))
    assert bob.run("using6")["state"] == "SUCCESS"


def test_what_is_private_is_used_by_its_project_alone(people: Callers) -> None:
    alice, bob = people.alice, people.bob
    for kind in KINDS:
        assert kind.send(alice, "POST", 7, None).status_code == 201
    for api, status in ((alice, 201), (bob, 404)):
        for name in ("w7", "b7.w"):
            assert api("POST", "/v2/executions", json={"workflow_name": name}).status_code == status
        api.define(USING.format(7))
    assert alice.run("using7", params={"env": "e7"})["state"] == "SUCCESS"
    assert "a7" in bob.run("using7")["state_info"]
    answer = bob("POST", "/v2/executions", json={"workflow_name": "using7", "params": {"env": "e7"}})
    assert_fault(answer, 400, "Environment is not found: e7")


def test_members_of_a_public_workbook_are_public(people: Callers) -> None:
    kind = KINDS[1]
    assert kind.send(people.root, "POST", 8, "public").status_code == 201
    for path in ("/v2/workflows/b8.w", "/v2/actions/b8.a"):
        assert people.bob.get(path)["scope"] == "public"
        assert_fault(people.bob("DELETE", path), 403, "belongs to another project")
    assert kind.send(people.root, "PUT", 8, None).status_code == 200
    for path in ("/v2/workflows/b8.w", "/v2/actions/b8.a"):
        assert people.bob("GET", path).status_code == 404


def test_a_run_of_a_public_workflow_goes_on_when_it_is_withdrawn(people: Callers) -> None:
    text = "version: '2.0'\nlong:\n  tasks:\n    t: {action: std.noop, pause-before: true}\n"
    (made,) = people.root.define(text, scope="public")
    run = people.bob.start("long")["id"]
    people.bob.reach(run, "PAUSED")
    assert people.root("DELETE", f"/v2/workflows/{made['id']}").status_code == 204
    people.bob.put(f"/v2/executions/{run}", state="RUNNING")
    assert people.bob.reach(run, "SUCCESS", "ERROR")["state"] == "SUCCESS"
