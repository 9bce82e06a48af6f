"""Which trees expire, and how they go: marked, in bounded parts, with everything that belongs to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, update
from store_rows import action, execution

from maestrale.engine.events import Continue
from maestrale.engine.needs import FindExecutions
from maestrale.model.listing import Listing, SortKey
from maestrale.store import deletion, expiry, lookups, mail, marks, processes, queries
from maestrale.store.catalogue import Draft, create_definitions, delete_definition, text_hash
from maestrale.store.database import Database
from maestrale.store.documents import dump
from maestrale.store.executions import Overtaken, load_execution, write_executions
from maestrale.store.expiry import Ended
from maestrale.store.schema import prepare
from maestrale.store.selection import Viewer
from maestrale.store.tables import (
    action_executions,
    command_replies,
    decision_records,
    definition_texts,
    execution_heads,
    execution_values,
    metadata,
    workflow_executions,
)
from postgresql import PostgresqlServer

VIEWER = Viewer("p")
LATE = Ended(1000, "")
PER_EXECUTION = (
    "execution_heads", "workflow_executions", "task_executions", "action_executions", "mail",
    "decision_records", "execution_values",
)  # fmt: skip
"""Every table that has rows of an execution."""


class Store:
    """A database, asked as a process asks it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def write(self, unit: Any, *args: Any) -> Any:
        """A unit of work, committed."""
        return self.database.write(unit, *args).result(20)

    def read(self, unit: Any, *args: Any) -> Any:
        """A unit of work that only reads."""
        return self.database.read(unit, *args).result(20)

    def add(self, key: str, ended: int | None = 1, state: str = "SUCCESS", **changed: Any) -> None:
        """An execution with a task, an action, a record and a value of its own."""
        rows = execution(key, state=state, finished_at=ended, **changed)
        rows.new_tasks[0]["state"] = rows.new_actions[0]["state"] = "SUCCESS"
        rows.new_actions[0]["queued"] = False
        rows.values["0" * 63 + key[-1]] = key.encode()
        record = {"execution_id": key, "sequence": 0, "at": 1, "event": dump(Continue()), "answers": None}
        rows.records = [record | {"version": 1}]
        self.write(write_executions, [rows])

    def child(self, key: str, parent: str, root: str | None = None, **changed: Any) -> None:
        """The same below another execution."""
        below: dict[str, Any] = {"parent_id": parent, "parent_task_id": f"{parent}-t"}
        self.add(key, root_id=root or parent, **below, **changed)

    def letter(self, key: str, command_id: str | None = None) -> bool:
        """A command to an execution."""
        row: dict[str, Any] = {"execution_id": key, "epoch": 0, "event": dump(Continue()), "attempts": 0}
        row |= {"created_at": 1, "command_id": command_id}
        posted: bool = self.write(mail.post_command, row)
        return posted

    def change(self, table: Any, key: str, **values: Any) -> None:
        """Another state of one row."""
        self.write(lambda c: c.execute(update(table).where(table.c.id == key).values(**values)) and None)

    def quiet(self, state: str = "SUCCESS", until: Ended = LATE, after: Ended | None = None) -> list[str]:
        """What would go."""
        return [ended.id for ended in self.read(expiry.find_expired, state, until, after).quiet]

    def ids(self) -> list[str]:
        """The executions that are there, marked or not."""
        return list(self.read(lambda c: [*c.execute(select(execution_heads.c.id).order_by("id")).scalars()]))

    def counts(self) -> dict[str, int]:
        """Rows of each table that has some."""
        found = self.read(
            lambda c: {
                t.name: c.execute(select(func.count()).select_from(t)).scalar()
                for t in metadata.sorted_tables
            }
        )
        return {name: count for name, count in found.items() if count}

    def remove_all(self, *keys: str) -> int:
        """Remove marked trees; how many transactions that took."""
        left, parts = list(keys), 0
        while left:
            before = sum(self.counts().values())
            left = self.write(deletion.remove, left)
            parts += 1
            assert (
                before - sum(self.counts().values())
                <= deletion.ROWS_PER_PART + 2 * deletion.EXECUTIONS_PER_PART
            )
        return parts


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    database = Database(database_url)
    prepare(database)
    yield Store(database)
    database.close()


# -- which


def test_the_oldest_of_a_state_come_first_and_page_by_page(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        store.add(f"s{number}", 10 - number)
    store.add("e", 1, "ERROR")
    store.add("r", None, "RUNNING")
    store.child("c", "s0", ended=1)

    assert store.quiet() == ["s4", "s3", "s2", "s1", "s0"]
    assert store.quiet("ERROR") == ["e"]
    assert store.quiet(until=Ended(8, "")) == ["s4", "s3"]
    assert store.quiet(until=Ended(8, "s2")) == ["s4", "s3", "s2"]
    assert store.quiet(after=Ended(7, "s3")) == ["s2", "s1", "s0"]
    monkeypatch.setattr(expiry, "EXECUTIONS_PER_PART", 2)
    page = store.read(expiry.find_expired, "SUCCESS", LATE, None)
    assert page.last == Ended(7, "s3")


def test_beyond_the_newest_of_all_states_together(store: Store) -> None:
    for number, state in enumerate(("SUCCESS", "ERROR", "CANCELLED", "SUCCESS")):
        store.add(f"x{number}", number, state)
    store.add("x9", 3)
    every = ("SUCCESS", "ERROR", "CANCELLED")

    assert store.read(expiry.newest_surplus, every, 5) is None
    assert store.read(expiry.newest_surplus, every, 4) == Ended(0, "x0")
    assert store.read(expiry.newest_surplus, every, 1) == Ended(3, "x3")
    assert store.read(expiry.newest_surplus, ("ERROR",), 1) is None
    assert store.read(expiry.newest_surplus, ("SUCCESS",), 2) == Ended(0, "x0")


def _goes_on(store: Store) -> None:
    store.change(workflow_executions, "c", state="RUNNING", finished_at=None)


def _is_owned(store: Store) -> None:
    store.change(execution_heads, "c", owner="somebody")


def _has_work(store: Store) -> None:
    store.change(execution_heads, "c", ready='["c-t"]')


def _has_mail(store: Store) -> None:
    assert store.letter("c")


def _is_deleted(store: Store) -> None:
    store.write(marks.mark, ["c"])


@pytest.mark.parametrize("disturb", [_goes_on, _is_owned, _has_work, _has_mail, _is_deleted])
def test_a_tree_stays_while_something_goes_on_anywhere_in_it(store: Store, disturb: Any) -> None:
    store.add("r")
    store.child("b", "r")
    store.child("c", "b", "r")
    store.add("other")
    assert store.quiet() == ["other", "r"]
    disturb(store)

    assert store.quiet() == ["other"]
    assert store.write(expiry.expire, [Ended(1, "other"), Ended(1, "r")]) == []
    assert store.ids() == ["b", "c", "r"]


@pytest.mark.parametrize(
    ("queued", "waits_outside", "stays"),
    [(True, False, True), (False, False, True), (True, True, True), (False, True, False)],
)
def test_an_action_that_is_at_work_keeps_its_tree(
    store: Store, queued: bool, waits_outside: bool, stays: bool
) -> None:
    """One that only waits for an outside party does not: its workflow has ended without it."""
    store.add("r")
    store.child("c", "r")
    values = {"state": "RUNNING", "queued": queued, "waits_outside": waits_outside}
    store.change(action_executions, "c-a", **values)

    assert store.quiet() == ([] if stays else ["r"])


def test_what_has_run_again_meanwhile_stays(store: Store) -> None:
    store.add("r", 5)
    store.change(workflow_executions, "r", finished_at=700)
    store.write(expiry.expire, [Ended(5, "r")])
    assert store.ids() == ["r"]


# -- how


def test_nothing_of_a_tree_is_left(store: Store) -> None:
    store.add("r")
    for number in range(3):
        store.child(f"c{number}", "r")
    store.child("d", "c1", "r")
    store.add("other")
    expected = store.counts()
    assert set(PER_EXECUTION) - {"mail"} == set(expected)

    assert store.write(expiry.expire, [Ended(1, "r")]) == []

    assert store.counts() == dict.fromkeys(expected, 1)
    assert store.ids() == ["other"]


def test_all_tables_are_known_here() -> None:
    """A new table says here whether it has rows of executions."""
    others = {
        "command_replies", "processes", "definition_texts", "definitions", "environments", "cron_triggers",
        "event_triggers", "resource_members",
    }  # fmt: skip
    others |= {"code_sources", "dynamic_actions", "maintenance", "notifications", "security_contexts"}
    assert {*PER_EXECUTION, *others} == set(metadata.tables)
    assert "execution_id" not in command_replies.c


def test_a_huge_tree_goes_in_bounded_parts(store: Store) -> None:
    """Whatever its size lies in: actions, records, or executions."""
    store.add("r")
    actions = [action(f"a{n:05}", "r", state="SUCCESS", queued=False) for n in range(2200)]
    record = {"execution_id": "r", "at": 1, "event": b"{}", "version": 1}
    records = [{"sequence": n, **record} for n in range(1, 1200)]

    def fill(connection: Connection) -> None:
        connection.execute(insert(action_executions), actions)
        connection.execute(insert(decision_records), records)
        below = {
            "parent_id": "r",
            "parent_task_id": "r-t",
            "root_id": "r",
            "state": "SUCCESS",
            "finished_at": 1,
        }
        write_executions(connection, [execution(f"c{n:04}", **below) for n in range(400)])
        connection.execute(update(action_executions).values(state="SUCCESS", queued=False))

    store.write(fill)
    assert store.quiet() == ["r"]

    assert store.write(expiry.expire, [Ended(1, "r")]) == ["r"]
    assert store.remove_all("r") >= 7
    assert store.counts() == {}


def test_leaves_go_first(store: Store) -> None:
    """What remains is always the upper part of a tree, so that the mark of its root is enough."""
    store.add("r")
    for branch in "abc":
        store.child(branch, "r")
        for number in range(3):
            store.child(f"{branch}{number}", branch, "r")
            store.child(f"{branch}{number}-leaf", f"{branch}{number}", "r")
    store.write(deletion.begin, "r", True)
    table = workflow_executions.c
    left, sizes = ["r"], [22]
    while left:
        left = store.write(deletion.remove, left, 10)
        rows = store.read(lambda c: list(c.execute(select(table.id, table.parent_id))))
        assert {parent for _, parent in rows} <= {None, *(key for key, _ in rows)}
        sizes.append(len(rows))
    assert sorted(set(sizes), reverse=True) == [22, 13, 4, 1, 0]  # level by level, each in several parts


def test_large_values_go_a_few_at_a_time(store: Store) -> None:
    store.add("r")
    large = [{"root_id": "r", "hash": f"{n:064}", "data": bytes(1_500_000)} for n in range(9)]
    store.write(lambda c: c.execute(insert(execution_values), large) and None)

    left = store.write(expiry.expire, [Ended(1, "r")])

    parts = 1
    while left:
        before = store.counts()["execution_values"]
        left = store.write(deletion.remove, left)
        assert before - store.counts().get("execution_values", 0) <= 3
        parts += 1
    assert parts >= 4
    assert store.counts() == {}


def test_what_is_being_deleted_counts_as_absent(store: Store) -> None:
    """The mark of the root is enough for the whole tree, and stays until nothing is left."""
    store.add("r")
    store.child("c", "r")
    store.add("other")
    many = [action(f"a{n:04}", "c", state="SUCCESS", queued=False) for n in range(1500)]
    store.write(lambda c: c.execute(insert(action_executions), many) and None)
    assert store.write(expiry.expire, [Ended(1, "r")]) == ["r"]

    newest = Listing(limit=50, sort=(SortKey("created_at"), SortKey("id")))
    assert [row["id"] for row in store.read(queries.list_executions, VIEWER, newest)] == ["other"]
    assert [row["id"] for row in store.read(queries.list_tasks, VIEWER, newest)] == ["other-t"]
    assert [row["id"] for row in store.read(queries.list_action_executions, VIEWER, newest)] == ["other-a"]
    for key in ("r", "c"):
        assert store.read(queries.find_execution, VIEWER, key) is None
        assert store.read(load_execution, key) is None
        assert store.write(processes.claim, key, "somebody") == processes.Claim(None, is_leaving=True)
        assert not store.letter(key)
    found = store.read(lookups.find_executions, FindExecutions(None, None, None, None, None, "p"))
    assert [row["id"] for row in found] == ["other"]
    assert store.letter("other")

    assert store.read(deletion.unfinished) == ["r"]  # what the next process finds, if this one ends here
    store.remove_all("r")
    assert store.ids() == ["other"]
    assert store.read(deletion.unfinished) == []


def test_nothing_can_be_committed_for_what_is_marked(store: Store) -> None:
    """Not even by who had it in memory; and nobody takes up what a dead process left of it."""
    store.add("r", None, "RUNNING")
    store.child("c", "r", ended=None, state="RUNNING")
    store.change(action_executions, "c-a", state="RUNNING", executor="dead", queued=True)
    decided = execution("r")
    decided.is_new, decided.old_version, decided.old_owner = False, 1, None
    decided.new_tasks = decided.new_actions = []
    left = processes.Left("heir", ["dead"])
    store.write(deletion.begin, "r", True)

    with pytest.raises(Overtaken):
        store.write(write_executions, [decided])
    assert store.write(processes.take_left_actions, left) == []


def test_whoever_waits_for_a_reply_gets_one(store: Store) -> None:
    """Also in a process that knows nothing of the deletion."""
    store.add("r")
    store.letter("r", command_id="asked")
    assert store.letter("r")
    store.write(deletion.begin, "r", False)
    store.remove_all("r")
    (reply,) = store.read(mail.find_replies, ["asked"])
    assert (reply.status, reply.message) == (404, "WorkflowExecution not found [id=r]")
    assert list(store.counts()) == ["command_replies"]


def test_the_highest_of_the_marked_is_found(store: Store) -> None:
    store.add("r")
    store.child("c", "r")
    store.child("d", "c", "r")
    store.write(marks.mark, ["c", "d"])
    assert store.read(deletion.unfinished) == ["c"]
    store.remove_all("c")
    assert store.ids() == ["r"]
    assert len(store.counts()) == len(PER_EXECUTION) - 1  # values are shared, and go with the root


# -- several processes


@pytest.fixture
def shared(postgresql: PostgresqlServer) -> Iterator[Store]:
    name = postgresql.lend()
    database = Database(postgresql.url(name))
    yield Store(database)
    database.close()
    postgresql.take_back(name)


@pytest.mark.postgresql
def test_commands_and_removals_do_not_miss_each_other(shared: Store) -> None:
    """Who comes first wins: a command that is on its way keeps a tree, and none reaches a marked one."""
    store = shared
    store.add("r")
    store.child("c", "r")
    row = {"execution_id": "c", "epoch": 0, "event": dump(Continue()), "attempts": 0, "created_at": 1}
    with store.database.writing.connect() as commanding:
        assert mail.post_command(commanding, row)
        store.write(expiry.expire, [Ended(1, "r")])
        assert store.ids() == ["c", "r"]
        commanding.rollback()
    many = [action(f"a{n:04}", "c", state="SUCCESS", queued=False) for n in range(1500)]
    store.write(lambda c: c.execute(insert(action_executions), many) and None)
    with store.database.writing.connect() as removing:
        assert expiry.expire(removing, [Ended(1, "r")]) == ["r"]
        with store.database.writing.connect() as other:  # it passes over what somebody is removing
            assert expiry.expire(other, [Ended(1, "r")]) == []
            assert deletion.remove(other, ["r"]) == ["r"]
        waiting = store.database.write(mail.post_command, row)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        removing.commit()
        assert waiting.result(20) is False


# -- texts


def test_texts_go_when_nothing_uses_them(store: Store) -> None:
    def define(connection: Connection, name: str) -> None:
        create_definitions(
            connection, "workflow", [name], [Draft(name, f"text of {name}")],
            project_id="p", namespace="", scope="private", now=1,
        )  # fmt: skip

    for name in ("kept", "run", "gone"):
        store.write(define, name)
    store.add("x", definition_hash=text_hash("text of run"))
    assert store.read(deletion.unused_texts) == []
    for name in ("run", "gone"):
        store.write(lambda c, name=name: delete_definition(c, VIEWER, "workflow", name, ""))
    assert store.read(deletion.unused_texts) == [text_hash("text of gone")]

    store.write(deletion.drop_texts, [text_hash(f"text of {name}") for name in ("kept", "run", "gone")])

    left = store.read(lambda c: {*c.execute(select(definition_texts.c.text)).scalars()})
    assert left == {"text of kept", "text of run"}
    store.write(expiry.expire, [Ended(1, "x")])
    assert store.read(deletion.unused_texts) == [text_hash("text of run")]
