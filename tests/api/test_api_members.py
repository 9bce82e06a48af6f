"""Private workflows shared with other projects: who may do what at which time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_service import NOBODY, Api, Row, assert_fault, serving
from callers import Callers, callers

ON_POSTGRESQL = 4

TEXT = """version: '2.0'
shared:
  output: {who: <% $.who %>}
  input: [who: nobody]
  tasks: {t: {action: std.noop}}
"""
CALLING = """version: '2.0'
calling:
  tasks:
    call: {workflow: shared}
"""


@pytest.fixture
def people(database_url: str, tmp_path: Path) -> Iterator[Callers]:
    with callers(database_url, tmp_path) as found:
        yield found


@pytest.fixture
def workflow(people: Callers) -> str:
    """The id of a workflow of Alice's project."""
    found: str = people.alice.define(TEXT)[0]["id"]
    return found


def share(owner: Api, workflow: str, project: str, status: int = 201) -> Row:
    answer = owner("POST", f"/v2/workflows/{workflow}/members", json={"member_id": project})
    assert answer.status_code == status, answer.text
    found: Row = answer.json()
    return found


def accept(member: Api, workflow: str, project: str, status: str = "accepted") -> Row:
    found: Row = member.put(f"/v2/workflows/{workflow}/members/{project}", status=status)
    return found


def test_a_workflow_is_offered_accepted_run_and_withdrawn(people: Callers, workflow: str) -> None:
    alice, bob = people.alice, people.bob
    path = f"/v2/workflows/{workflow}"
    offered = share(alice, workflow, "green")
    assert offered.items() >= {
        "resource_id": workflow, "resource_type": "workflow", "project_id": "blue", "member_id": "green",
        "status": "pending",
    }.items()  # fmt: skip
    assert "updated_at" not in offered
    assert bob("GET", path).status_code == 404
    assert bob("POST", "/v2/executions", json={"workflow_name": "shared"}).status_code == 404

    accepted = accept(bob, workflow, "green")
    assert accepted == offered | {"status": "accepted", "updated_at": accepted["updated_at"]}
    assert accepted["updated_at"] is not None
    assert bob.get(path) == bob.get("/v2/workflows/shared") == alice.get(path)
    assert bob.names("workflows") == ["shared"]
    for given in ({"workflow_name": "shared"}, {"workflow_id": workflow}):
        started = bob("POST", "/v2/executions", json={**given, "input": {"who": "bob"}}).json()
        ran = bob.reach(started["id"], "SUCCESS")
        assert (ran["project_id"], ran["workflow_id"]) == ("green", workflow)
        assert ran["output"] == '{"who": "bob"}'
        assert alice("GET", f"/v2/executions/{ran['id']}").status_code == 404

    assert alice("DELETE", f"{path}/members/green").status_code == 204
    assert bob("GET", path).status_code == 404
    assert bob.names("workflows") == []
    assert bob("POST", "/v2/executions", json={"workflow_name": "shared"}).status_code == 404
    assert bob.get(f"/v2/executions/{ran['id']}")["state"] == "SUCCESS"


def test_a_member_may_run_but_not_change_or_share(people: Callers, workflow: str) -> None:
    bob = people.bob
    share(people.alice, workflow, "green")
    accept(bob, workflow, "green")
    for method, path in (
        ("PUT", "/v2/workflows"),
        ("PUT", f"/v2/workflows/{workflow}"),
        ("DELETE", f"/v2/workflows/{workflow}"),
        ("DELETE", "/v2/workflows/shared"),
    ):
        answer = bob(method, path, content=TEXT if method == "PUT" else None)
        assert_fault(answer, 403, "belongs to another project")
    answer = bob("POST", f"/v2/workflows/{workflow}/members", json={"member_id": "grey"})
    assert_fault(answer, 403, "belongs to another project")
    assert_fault(bob("DELETE", f"/v2/workflows/{workflow}/members/green"), 404, "Resource member not found")
    # One's own workflow of that name comes first.
    own = bob.define(TEXT)[0]
    assert bob.get("/v2/workflows/shared")["id"] == own["id"]
    assert bob.start("shared")["workflow_id"] == own["id"]


def test_sub_workflows_are_found_among_what_is_shared(people: Callers, workflow: str) -> None:
    bob = people.bob
    bob.define(CALLING)
    assert "Failed to find workflow" in bob.reach(bob.start("calling")["id"], "ERROR")["state_info"]
    share(people.alice, workflow, "green")
    assert bob.run("calling")["state"] == "ERROR"
    accept(bob, workflow, "green")
    assert bob.run("calling")["state"] == "SUCCESS"
    (child,) = bob.names("executions", "project_id", workflow_name="shared")
    assert child == "green"
    accept(bob, workflow, "green", "rejected")
    assert bob.run("calling")["state"] == "ERROR"


def test_who_knows_of_which_members(people: Callers, workflow: str) -> None:
    share(people.alice, workflow, "green")
    share(people.alice, workflow, "grey")
    path = f"/v2/workflows/{workflow}/members"
    for asking in (people.alice, people.root):
        assert [row["member_id"] for row in asking.get(path)["members"]] == ["green", "grey"]
        assert asking.get(f"{path}/grey")["status"] == "pending"
    for asking, own, other in ((people.bob, "green", "grey"), (people.carol, "grey", "green")):
        assert [row["member_id"] for row in asking.get(path)["members"]] == [own]
        assert asking.get(f"{path}/{own}") == people.alice.get(f"{path}/{own}")
        assert_fault(asking("GET", f"{path}/{other}"), 404, "Resource member not found", other)


def test_whoever_is_no_member_sees_nothing(people: Callers, workflow: str) -> None:
    share(people.alice, workflow, "green")
    for method, end, body in (
        ("GET", "", None),
        ("POST", "", {"member_id": "grey"}),
        ("GET", "/green", None),
        ("PUT", "/green", {"status": "accepted"}),
        ("PUT", "/grey", {"status": "accepted"}),
        ("DELETE", "/green", None),
    ):
        answer = people.carol(method, f"/v2/workflows/{workflow}/members{end}", json=body)
        unknown = people.carol(method, f"/v2/workflows/{NOBODY}/members{end}", json=body)
        assert_fault(answer, 404, "not found")
        assert answer.text == unknown.text.replace(NOBODY, workflow)
    assert [row["status"] for row in people.alice.get(f"/v2/workflows/{workflow}/members")["members"]] == [
        "pending"
    ]


@pytest.mark.parametrize("who", ["alice", "root", "carol"])
def test_only_the_member_itself_answers(people: Callers, workflow: str, who: str) -> None:
    share(people.alice, workflow, "green")
    asking: Api = getattr(people, who)
    path = f"/v2/workflows/{workflow}/members/green"
    assert_fault(asking("PUT", path, json={"status": "accepted"}), 404, "Resource member not found")
    assert people.bob.get(path)["status"] == "pending"


def test_an_administrator_shares_for_others(people: Callers, workflow: str) -> None:
    assert share(people.root, workflow, "green")["project_id"] == "blue"
    assert people.root("DELETE", f"/v2/workflows/{workflow}/members/green").status_code == 204
    assert people.alice.get(f"/v2/workflows/{workflow}/members") == {"members": []}


def test_a_member_may_change_its_mind(people: Callers, workflow: str) -> None:
    share(people.alice, workflow, "green")
    for status, seen in (("rejected", 404), ("accepted", 200), ("pending", 404), ("accepted", 200)):
        accept(people.bob, workflow, "green", status)
        assert people.bob("GET", f"/v2/workflows/{workflow}").status_code == seen
    path = f"/v2/workflows/{workflow}/members/green"
    before = people.bob.get(path)
    assert people.bob.put(path, status="accepted") == before


@pytest.mark.parametrize(
    ("method", "end", "body", "status", "words"),
    [
        ("POST", "", {}, 400, "Member id must be provided"),
        ("POST", "", {"member_id": ""}, 400, "Member id must be provided"),
        ("POST", "", {"member_id": 7}, 400, "member_id"),
        ("POST", "", {"member_id": "p" * 81}, 400, "at most 80"),
        ("POST", "", {"member_id": "blue"}, 400, "belongs to the project 'blue' already"),
        ("POST", "", {"member_id": "green"}, 409, "Duplicate entry for ResourceMember"),
        ("POST", "", {"member_id": "grey", "colour": 1}, 400, "colour"),
        ("PUT", "", {}, 400, "Missing argument"),
        ("DELETE", "", None, 400, "Missing argument"),
        ("GET", "?limit=1", None, 400, "limit"),
        ("GET", "/none", None, 404, "Resource member not found [resource_id="),
        ("DELETE", "/none", None, 404, "Resource member not found [resource_id="),
        ("PUT", "/green", {"status": "maybe"}, 400, "pending, accepted, rejected"),
        ("PUT", "/green", {}, 400, "Status must be provided"),
    ],
)
def test_bad_requests(
    people: Callers, workflow: str, method: str, end: str, body: Any, status: int, words: str
) -> None:
    share(people.alice, workflow, "green")
    answer = people.alice(method, f"/v2/workflows/{workflow}/members{end}", json=body)
    assert_fault(answer, status, words)
    assert [row["status"] for row in people.alice.get(f"/v2/workflows/{workflow}/members")["members"]] == [
        "pending"
    ]


def test_workflows_are_shared_by_their_id(people: Callers, workflow: str) -> None:
    assert workflow
    answer = people.alice("POST", "/v2/workflows/shared/members", json={"member_id": "green"})
    assert_fault(answer, 400, "'shared' is not a UUID")


def test_a_public_workflow_is_there_for_everybody(people: Callers) -> None:
    (public,) = people.root.define(TEXT, scope="public")
    answer = people.root("POST", f"/v2/workflows/{public['id']}/members", json={"member_id": "green"})
    assert_fault(answer, 400, "Only private resource could be shared.")
    assert people.bob.get(f"/v2/workflows/{public['id']}/members") == {"members": []}


def test_members_go_with_the_workflow(people: Callers, workflow: str) -> None:
    share(people.alice, workflow, "green")
    accept(people.bob, workflow, "green")
    assert people.alice("DELETE", f"/v2/workflows/{workflow}").status_code == 204
    assert_fault(people.bob("GET", f"/v2/workflows/{workflow}/members"), 404)
    assert_fault(people.bob("GET", f"/v2/workflows/{workflow}/members/green"), 404)


@pytest.mark.parametrize(
    ("method", "end"), [("GET", ""), ("POST", ""), ("GET", "/p"), ("PUT", "/p"), ("DELETE", "/p")]
)
def test_without_authentication_there_is_nobody_to_share_with(tmp_path: Path, method: str, end: str) -> None:
    with serving(f"sqlite:///{tmp_path}/open.db") as api:
        body = {"member_id": "p"} if method in ("POST", "PUT") else None
        answer = api(method, f"/v2/workflows/{NOBODY}/members{end}", json=body)
        words = "Resource sharing feature can only be supported with authentication enabled."
        assert_fault(answer, 400, words)
