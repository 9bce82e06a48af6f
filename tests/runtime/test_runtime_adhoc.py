"""Ad-hoc actions with a database: what names mean, restarts, and runs outside of workflows."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
import pytest
from gates import Gate
from service import PROJECT, World
from sqlalchemy import Connection, insert

from maestrale.actions.base import action
from maestrale.lang.parse import parse_actions
from maestrale.model.errors import BadRequest, InvalidAction, InvalidInput, MaestraleError
from maestrale.model.values import Json, Secret
from maestrale.store.catalogue import text_hash
from maestrale.store.statements import insert_new
from maestrale.store.tables import decision_records, definition_texts, definitions

ON_POSTGRESQL = 4

WRAPPED = """
version: '2.0'
wrapped:
  input: [label, {mark: '!'}]
  base: test.gate
  base-input: {label: <% $.label + $.mark %>}
  output: {got: <% $ %>}
"""

WORKFLOW = """
version: '2.0'
w:
  output: {r: <% $.get(r) %>}
  tasks:
    t:
      action: CALL
      publish: {r: <% task().result %>}
"""


@action("test.secret")
async def secret() -> Json:
    """Return a secret."""
    return Secret("hush")


@action("test.outside", waits_outside=True)
async def outside() -> str:
    """Ask somebody to report the result later."""
    return "asked"


def add_actions(
    world: World,
    text: str,
    *,
    namespace: str = "",
    project: str = PROJECT,
    scope: str = "private",
    workbook: str | None = None,
) -> None:
    """Store the ad-hoc actions of a text, as members of a workbook if one is named."""
    names = [spec.name for spec in parse_actions(text).specs]

    def store(connection: Connection) -> None:
        key = text_hash(text)
        connection.execute(
            insert_new(definition_texts).values(hash=key, text=text),
        )
        for name in names:
            connection.execute(
                insert(definitions).values(
                    id=str(uuid.uuid4()), kind="action", name=f"{workbook}.{name}" if workbook else name,
                    namespace=namespace, project_id=project, scope=scope, text_hash=key, input="",
                    interface="{}", tags="[]", is_system=False, workbook_name=workbook, created_at=1,
                )
            )  # fmt: skip

    world.database.write(store).result()
    world.engine.definitions_changed().result()


def echoing(name: str, output: str, *, base: str = "std.echo") -> str:
    return f"version: '2.0'\n{name}: {{base: {base}, base-input: {{output: '{output}'}}}}\n"


def called(world: World, name: str, **started: Any) -> Json:
    """The result of a task that calls an action."""
    return world.run(WORKFLOW.replace("CALL", name), **started)["output"]["r"]


def ended(world: World, action_id: str | None) -> dict[str, Any]:
    """The row of an action that was run by itself, once it has ended."""
    assert action_id is not None

    def find() -> dict[str, Any] | None:
        row = world.action(action_id)
        return row if row["state"] != "RUNNING" else None

    row = world.until(find)
    assert row is not None
    return row


# -- what a name means


def test_an_ad_hoc_action_runs_and_its_row_shows_it(world: World) -> None:
    add_actions(world, echoing("hello", "hi"))
    world.define(WORKFLOW.replace("CALL", "hello"))
    execution_id = world.start("w")
    assert world.end(execution_id)["output"] == {"r": "hi"}
    (row,) = world.actions(execution_id)
    assert (row["name"], row["input"], row["state"]) == ("hello", {}, "SUCCESS")
    assert msgspec.json.decode(row["adhoc"]) == {"name": "std.echo", "input": {"output": "hi"}, "outputs": []}


def test_other_actions_have_nothing_in_that_column(world: World) -> None:
    world.run(WORKFLOW.replace("CALL", "std.noop"))
    assert [row["adhoc"] for row in world.actions()] == [None]


def test_the_namespace_comes_before_the_default_one(world: World) -> None:
    add_actions(
        world, echoing("a", "default") + echoing("b", "only default").removeprefix("version: '2.0'\n")
    )
    add_actions(world, echoing("a", "special"), namespace="ns")
    world.define(WORKFLOW.replace("CALL", "a"), namespace="ns")
    assert world.end(world.start("w", namespace="ns"))["output"] == {"r": "special"}
    world.define(WORKFLOW.replace("CALL", "b").replace("w:", "v:"), namespace="ns")
    assert world.end(world.start("v", namespace="ns"))["output"] == {"r": "only default"}
    assert called(world, "a") == "default"


def test_what_is_in_another_namespace_is_not_found(world: World) -> None:
    add_actions(world, echoing("a", "special"), namespace="ns")
    row = world.run(WORKFLOW.replace("CALL", "a"))
    assert "Failed to find action [action_name=a]" in row["state_info"]


@pytest.mark.parametrize(
    ("mine", "public", "expected"),
    [(True, True, "mine"), (False, True, "theirs"), (True, False, "mine")],
)
def test_the_own_action_comes_before_a_public_one(
    world: World, mine: bool, public: bool, expected: str
) -> None:
    if public:
        add_actions(world, echoing("a", "theirs"), project="other", scope="public")
    if mine:
        add_actions(world, echoing("a", "mine"))
    assert called(world, "a") == expected


def test_a_private_action_of_another_project_is_not_found(world: World) -> None:
    add_actions(world, echoing("a", "theirs"), project="other")
    row = world.run(WORKFLOW.replace("CALL", "a"))
    assert "Failed to find action [action_name=a]" in row["state_info"]


def test_only_the_own_project_hides_an_action_of_the_system(world: World) -> None:
    add_actions(world, echoing("std.noop", "theirs"), project="other", scope="public")
    assert called(world, "std.noop") is None
    add_actions(world, echoing("std.noop", "mine"))
    world.define(WORKFLOW.replace("CALL", "std.noop").replace("w:", "v:"))
    assert world.end(world.start("v"))["output"] == {"r": "mine"}


def test_an_action_of_the_system_is_not_looked_up(world: World) -> None:
    add_actions(world, echoing("other", "x"))
    assert called(world, "std.noop") is None
    assert [row["answers"] for row in world.rows(decision_records)] == [None]
    add_actions(world, echoing("std.noop", "mine"))
    world.define(WORKFLOW.replace("CALL", "std.noop").replace("w:", "v:"))
    world.end(world.start("v"))
    assert [row["answers"] is None for row in world.rows(decision_records)].count(False) == 1


def test_members_of_the_own_workbook_come_first_also_as_bases(world: World) -> None:
    add_actions(world, echoing("inner", "member"), workbook="book")
    add_actions(world, "version: '2.0'\nouter: {base: inner}\n", workbook="book")
    add_actions(world, echoing("inner", "plain"))
    assert called(world, "inner", workbook="book") == "member"
    world.define(WORKFLOW.replace("CALL", "book.outer").replace("w:", "v:"))
    assert world.end(world.start("v"))["output"] == {"r": "member"}
    world.define(WORKFLOW.replace("CALL", "inner").replace("w:", "u:"))
    assert world.end(world.start("u"))["output"] == {"r": "plain"}


def test_a_stored_text_that_cannot_be_read_fails_the_task(world: World) -> None:
    add_actions(world, echoing("a", "x"))
    world.database.write(
        lambda connection: connection.execute(definition_texts.update().values(text="a: ["))
    ).result()
    row = world.run(WORKFLOW.replace("CALL", "a"))
    assert "The stored definition of the action cannot be read [action_name=a]" in row["state_info"]


# -- executors and restarts


def test_the_executor_runs_the_base(database_url: str) -> None:
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        world.define(WORKFLOW.replace("CALL", "wrapped label='x'"))
        execution_id = world.start("w")
        gate.wait()
        assert gate.labels == ["x!"]
        (row,) = world.actions(execution_id)
        assert (row["name"], row["input"]) == ("wrapped", {"label": "x", "mark": "!"})
        gate.open(7)
        assert world.end(execution_id)["output"] == {"r": {"got": 7}}


def test_after_a_crash_a_base_that_may_be_repeated_runs_again(database_url: str) -> None:
    gate = Gate(repeatable=True)
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        world.define(WORKFLOW.replace("CALL", "wrapped label='x'"))
        execution_id = world.start("w")
        gate.wait()
    again = Gate(repeatable=True)
    with World(database_url, actions=[again.action]) as world:
        again.wait()
        assert again.labels == ["x!"]
        again.open(7)
        assert world.end(execution_id)["output"] == {"r": {"got": 7}}
        (row,) = world.actions(execution_id)
        assert row["output"] == {"got": 7}


def test_after_a_crash_any_other_base_counts_as_lost(database_url: str) -> None:
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        world.define(WORKFLOW.replace("CALL", "wrapped label='x'"))
        execution_id = world.start("w")
        gate.wait()
    with World(database_url, actions=[Gate().action]) as world:
        row = world.end(execution_id)
        assert row["state"] == "ERROR"
        assert "action=wrapped" in row["state_info"]


def test_safe_rerun_of_the_task_decides_for_its_ad_hoc_action(database_url: str) -> None:
    gate = Gate()
    text = WORKFLOW.replace("CALL", "wrapped label='x'") + "      safe-rerun: true\n"
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        world.define(text)
        execution_id = world.start("w")
        gate.wait()
    again = Gate()
    with World(database_url, actions=[again.action]) as world:
        again.wait()
        again.open(1)
        assert world.end(execution_id)["output"] == {"r": {"got": 1}}


def test_names_are_known_after_a_restart(database_url: str) -> None:
    with World(database_url) as world:
        add_actions(world, echoing("std.noop", "mine"))
    with World(database_url) as world:
        assert called(world, "std.noop") == "mine"


def test_a_secret_stays_one_through_the_output(database_url: str) -> None:
    with World(database_url, actions=[secret]) as world:
        add_actions(world, "version: '2.0'\na: {base: test.secret, output: {token: 'x-<% $ %>'}}\n")
        world.run(WORKFLOW.replace("CALL", "a"))
        (row,) = world.actions()
        assert row["output"]["token"].keys() == {"$value"} or row["output"] == {
            "token": {"$secret": "x-hush"}
        }


def test_large_inputs_are_kept_by_reference(database_url: str) -> None:
    gate = Gate(repeatable=True)
    text = WORKFLOW.replace("CALL", "wrapped label=<% 'x' * 9000 %>")
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        world.define(text)
        execution_id = world.start("w")
        gate.wait()
        (row,) = world.actions(execution_id)
        assert len(row["adhoc"]) < 1000
    again = Gate(repeatable=True)
    with World(database_url, actions=[again.action]) as world:
        again.wait()
        assert again.labels == ["x" * 9000 + "!"]
        again.open(1)
        world.end(execution_id)


# -- outside of workflows


def test_who_waits_gets_what_the_base_delivers(world: World) -> None:
    add_actions(
        world,
        "version: '2.0'\na: {input: [x], base: std.echo output=<% $.x * 2 %>, output: {doubled: <% $ %>}}\n",
    )
    ran = world.run_action("a", {"x": 21})
    assert (ran.action_id, ran.state, ran.result) == (None, "SUCCESS", 42)
    assert world.actions() == []
    ran = world.run_action("a", {"x": 21}, save=True, wait=True)
    assert (ran.state, ran.result) == ("SUCCESS", 42)
    (row,) = world.actions()
    assert (row["name"], row["input"], row["output"]) == ("a", {"x": 21}, 42)


def test_a_saved_run_is_stored_under_its_name(database_url: str) -> None:
    gate = Gate()
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        ran = world.run_action("wrapped", {"label": "x"}, save=True)
        gate.wait()
        assert (ran.state, gate.labels) == ("RUNNING", ["x!"])
        gate.open(5)
        assert ran.action_id is not None
        row = ended(world, ran.action_id)
        assert (row["name"], row["input"]) == ("wrapped", {"label": "x", "mark": "!"})
        assert (row["state"], row["output"]) == ("SUCCESS", {"got": 5})


def test_a_saved_run_goes_on_after_a_crash(database_url: str) -> None:
    gate = Gate(repeatable=True)
    with World(database_url, actions=[gate.action]) as world:
        add_actions(world, WRAPPED)
        ran = world.run_action("wrapped", {"label": "x"}, save=True)
        gate.wait()
    again = Gate(repeatable=True)
    with World(database_url, actions=[again.action]) as world:
        again.wait()
        again.open(5)
        assert ended(world, ran.action_id)["output"] == {"got": 5}


def test_an_asynchronous_base_makes_it_asynchronous(database_url: str) -> None:
    with World(database_url, actions=[outside]) as world:
        add_actions(world, "version: '2.0'\na: {base: test.outside, output: {told: <% $ %>}}\n")
        ran = world.run_action("a")
        assert ran.state == "RUNNING"
        assert ran.action_id is not None
        world.complete(ran.action_id, "SUCCESS", 3)
        row = world.action(ran.action_id)
        assert (row["state"], row["output"]) == ("SUCCESS", {"told": 3})
        with pytest.raises(BadRequest, match="does not support synchronous execution"):
            world.run_action("a", wait=True)


def test_an_error_that_is_told_is_not_transformed(database_url: str) -> None:
    with World(database_url, actions=[outside]) as world:
        add_actions(world, "version: '2.0'\na: {base: test.outside, output: {told: <% $ %>}}\n")
        ran = world.run_action("a")
        assert ran.action_id is not None
        world.complete(ran.action_id, "ERROR", "no")
        row = world.action(ran.action_id)
        assert (row["state"], row["output"]) == ("ERROR", "no")


def test_an_error_in_the_output_is_the_result(world: World) -> None:
    add_actions(world, "version: '2.0'\na: {base: std.echo output=1, output: <% $.no.such %>}\n")
    row = ended(world, world.run_action("a", save=True).action_id)
    assert row["state"] == "ERROR"
    assert "at 'output' of action 'a', line 2" in row["output"]


@pytest.mark.parametrize(
    ("text", "given", "kind", "words"),
    [
        ("a: {input: [x], base: std.noop}", {}, InvalidInput, "missing=['x']"),
        ("a: {base: std.noop}", {"y": 1}, InvalidInput, "unexpected=['y']"),
        ("a: {base: nothing.here}", {}, InvalidAction, "Failed to find base action"),
        ("a: {base: a}", {}, InvalidAction, "Found a cycle"),
        ("a: {base: std.echo output=<% $.b %>}", {}, MaestraleError, "at 'base.output' of action 'a'"),
        ("b: {base: std.noop}", {}, InvalidAction, "Failed to find action [action_name=a]"),
    ],
)
def test_what_cannot_run_is_refused(
    world: World, text: str, given: dict[str, Json], kind: type[MaestraleError], words: str
) -> None:
    add_actions(world, f"version: '2.0'\n{text}\n")
    with pytest.raises(kind) as refused:
        world.run_action("a", given)
    assert words in refused.value.message
    assert refused.value.status == 400


def test_functions_of_workflows_find_nothing_outside(world: World) -> None:
    add_actions(
        world,
        "version: '2.0'\na:\n  base: std.echo output=<% [env(), task(), now()] %>\n",
    )
    ran = world.run_action("a")
    assert ran.state == "SUCCESS"
    assert ran.result[:2] == [{}, None]
