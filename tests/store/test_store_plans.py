"""What happens all the time goes by an index, on every database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text
from store_plans import choose_any_index
from store_plans import plans as plans_of
from store_rows import execution

from maestrale.engine.events import Continue
from maestrale.model.listing import Filter, Listing, SortKey
from maestrale.store import (
    catalogue,
    cron_triggers,
    deletion,
    expiry,
    mail,
    marks,
    processes,
    queries,
    writes,
)
from maestrale.store.causes import CauseReader
from maestrale.store.database import Database
from maestrale.store.documents import dump
from maestrale.store.executions import find_committed, load_execution, write_executions
from maestrale.store.expiry import Ended
from maestrale.store.pipeline import Pipeline
from maestrale.store.rows import ExecutionRows, Row, mail_row
from maestrale.store.schema import prepare
from maestrale.store.selection import Viewer
from maestrale.store.tables import cron_triggers as trigger_rows
from maestrale.store.tables import decision_records, event_triggers, metadata
from maestrale.store.tables import mail as letters

EXECUTIONS = 3000
VIEWER = Viewer("p")
KEY = "e-01000"


def _rows(number: int) -> ExecutionRows:
    """One of a hundred has an owner, an alarm, or is a child."""
    key = f"e-{number:05}"
    parent = f"e-{number // 1000 * 1000:05}" if number % 100 == 1 else None
    rows = execution(
        key,
        created_at=number,
        project_id="p" if number % 2 else "q",
        name=f"wf{number % 50}",
        parent_id=parent,
        parent_task_id=f"{parent}-t" if parent else None,
        root_id=parent or key,
        definition_hash=f"h{number % 50}",
        state="RUNNING" if number % 100 < 2 else "SUCCESS",
        finished_at=None if number % 100 < 2 else number,
    )
    rows.head["owner"] = f"process-{number % 7}" if number % 100 == 2 else None
    rows.head["alarm_at"] = number if number % 100 == 3 else None
    rows.new_tasks[0]["created_at"] = rows.new_actions[0]["created_at"] = number
    rows.new_actions[0]["state"] = "RUNNING" if number % 100 == 2 else "SUCCESS"
    rows.new_actions[0]["executor"] = f"process-{number % 7}"
    return rows


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """Rows in numbers that let a planner see which index helps."""
    opened = Database(module_database_url)
    prepare(opened)

    def fill(connection: Connection) -> None:
        batch = [_rows(number) for number in range(EXECUTIONS)]
        write_executions(connection, batch)
        keys = [rows.execution_id for rows in batch]
        letter = {"epoch": 0, "event": dump(Continue()), "attempts": 0, "created_at": 1}
        connection.execute(insert(letters), [{"execution_id": key, **letter} for key in keys])
        record = {"sequence": 0, "at": 1, "event": dump(Continue())}
        connection.execute(insert(decision_records), [{"execution_id": key, **record} for key in keys])
        connection.execute(insert(trigger_rows), [_trigger(number) for number in range(EXECUTIONS)])
        connection.execute(insert(event_triggers), [_event_trigger(number) for number in range(EXECUTIONS)])
        connection.execute(text("ANALYZE"))

    opened.write(fill).result()
    yield opened
    opened.close()


NEWEST = (SortKey("created_at", True), SortKey("id", True))
OLDEST = (SortKey("created_at"), SortKey("id"))


def _listing(*filters: tuple[str, str], sort: tuple[SortKey, ...] = OLDEST, **options: Any) -> Listing:
    chosen = tuple(Filter(name, "eq", value) for name, value in filters)
    return Listing(limit=20, sort=sort, filters=chosen, **options)


NOBODY = ("task_execution_id", "00000000-0000-4000-8000-000000000000")
IN_ONE = ("workflow_execution_id", KEY)


LETTER = mail_row("none", Continue(), 1)


def _due(remaining: int | None = None) -> cron_triggers.Due:
    """The trigger that has been due longest."""
    return cron_triggers.Due("c-00000", "c0", "p", "w", "w", "{}", "{}", "@daily", 0, remaining, 0)


def _trigger(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("scope", "workflow_name", "workflow_input", "workflow_params", "pattern"), "")
    return {
        "id": f"c-{number:05}",
        "name": f"c{number}",
        "project_id": "p" if number % 2 else "q",
        "workflow_id": f"w{number % 50}",
        "next_execution_time": number,
        "failures": 0,
        "created_at": number,
        **texts,
    }


def _event_trigger(number: int) -> dict[str, Any]:
    texts = dict.fromkeys(("scope", "workflow_input", "workflow_params", "exchange", "topic"), "")
    return {
        "id": f"t-{number:05}",
        "project_id": "p",
        "workflow_id": f"w{number % 50}",
        "event": f"e{number}",
        "created_at": number,
        **texts,
    }


def _delete_tree(connection: Connection) -> None:
    marks.mark(connection, [KEY])
    deletion.remove(connection, [KEY])


UNITS: dict[str, Callable[[Connection], object]] = {
    "newest executions of a project": lambda c: queries.list_executions(c, VIEWER, _listing(sort=NEWEST)),
    "oldest executions of a project": lambda c: queries.list_executions(c, VIEWER, _listing()),
    "the next page": lambda c: queries.list_executions(c, VIEWER, _listing(marker="e-01001")),
    "executions of a name": lambda c: queries.list_executions(c, VIEWER, _listing(("workflow_name", "wf7"))),
    "executions in a state": lambda c: queries.list_executions(c, VIEWER, _listing(("state", "RUNNING"))),
    "children of a task": lambda c: queries.list_executions(c, VIEWER, _listing(NOBODY)),
    "newest tasks": lambda c: queries.list_tasks(c, VIEWER, _listing(sort=NEWEST)),
    "tasks of an execution": lambda c: queries.list_tasks(c, VIEWER, _listing(IN_ONE)),
    "one execution": lambda c: queries.get_execution(c, Viewer("q"), KEY),
    "one task": lambda c: queries.get_task(c, Viewer("q"), f"{KEY}-t"),
    "a whole execution": lambda c: load_execution(c, KEY),
    "whether a commit has happened": lambda c: find_committed(c, [_rows(7)]),
    "mail of an execution": lambda c: mail.read_letters(c, [KEY]),
    "a letter that leads to nothing": lambda c: mail.settle(c, 1, None),
    "a command": lambda c: mail.post_command(c, {"execution_id": "none"}),
    "alarms": lambda c: processes.alarms(c, 2000),
    "actions that a process left": lambda c: processes.take_left_actions(
        c, processes.Left("p", ["process-3"])
    ),
    "a deletion that begins": lambda c: deletion.begin(c, KEY, True),
    "marks below": lambda c: marks.mark(c, deletion.children(c, [KEY])),
    "a tree that is deleted": _delete_tree,
    "actions of what is deleted": lambda c: deletion.running_actions(c, [KEY]),
    "deletions that are half done": deletion.unfinished,
    "what is too old": lambda c: expiry.find_expired(c, "SUCCESS", Ended(500, ""), None),
    "what is too old, further on": lambda c: expiry.find_expired(
        c, "SUCCESS", Ended(900, ""), Ended(500, "e-00500")
    ),
    "what is too much": lambda c: expiry.newest_surplus(c, ("SUCCESS", "ERROR"), 1000),
    "trees that expire": lambda c: expiry.expire(c, [Ended(1100, "e-01100"), Ended(1106, "e-01106")]),
    "texts that nothing uses": lambda c: deletion.drop_texts(c, ["h1", *deletion.unused_texts(c)]),
    "executions that processes left": lambda c: processes.find_left(
        c, processes.Left("process-1", ["process-3", "process-4"])
    ),
    "executions whose owners are gone": lambda c: processes.claim_left(
        c, processes.Left("process-1", ["process-3"]), ["e-00202", "e-00302", "e-00402"]
    ),
    "whose executions these are": lambda c: processes.find_projects(c, [KEY, "none"]),
    "when the next trigger is due": cron_triggers.next_due_time,
    "triggers that are due": lambda c: cron_triggers.find_due(c, 30, 20),
    "a trigger that fires": lambda c: cron_triggers.fire(c, _due(), 5000, LETTER, 1),
    "the last time of a trigger": lambda c: cron_triggers.fire(c, _due(remaining=1), 5000, LETTER, 1),
    "a trigger that cannot fire": lambda c: cron_triggers.pass_over(c, _due(), 5000, "why", 1),
    "oldest triggers": lambda c: cron_triggers.list_cron_triggers(c, Viewer("p", True), _listing()),
    "whether triggers use a workflow": lambda c: catalogue._check_unused(
        c, {"id": "none", "project_id": "none"}
    ),
    "why an action waits": lambda c: CauseReader(c, KEY).open_actions([f"{KEY}-t"]),
}


@pytest.mark.parametrize("name", UNITS)
def test_by_an_index(database: Database, name: str) -> None:
    plans = plans_of(database, UNITS[name])
    assert plans
    for plan in plans:
        _assert_by_index(plan)


def test_a_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a commit changes are found by their keys, also where they come as one JSON text."""
    plans: list[str] = []

    class Explained(Pipeline):
        def flush(self, connection: Connection) -> None:
            driver: Any = connection.connection.driver_connection
            for found in self._statements:
                rows = driver.execute(f"EXPLAIN {found.text}", found.parameters)
                plans.append("\n".join(row[0] for row in rows))

    def explained(connection: Connection, statement: str, rows: Sequence[Row]) -> int:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", rows[0])
        plans.append("\n".join(str(row[-1]) for row in found))
        return len(rows)

    monkeypatch.setattr(writes, "Pipeline", Explained)
    monkeypatch.setattr(writes, "execute", explained)
    batch = []
    for number in (500, 600, 700):
        rows = _rows(number)
        rows.is_new, rows.old_version, rows.old_owner = False, 1, None
        rows.full_tasks, rows.new_tasks = rows.new_tasks, []
        rows.new_actions = []
        rows.changed_actions = [
            {"b_id": f"e-{number:05}-a", "state": "SUCCESS", "state_info": None, "accepted": True,
             "output": None, "updated_at": 1}
        ]  # fmt: skip
        rows.known = [{"b_id": KEY, "accepted": True, "known_state": None, "known_output": None}]
        rows.consumed = [number]
        batch.append(rows)

    def commit(connection: Connection) -> None:
        choose_any_index(connection)
        write_executions(connection, batch)

    database.write(commit).result()
    assert len(plans) >= 6
    for plan in plans:
        _assert_by_index(plan)


def _assert_by_index(plan: str) -> None:
    """No table is read from end to end. What was made on the way may be, and the few processes."""
    for line in plan.splitlines():
        found = re.search(r"(?:Seq Scan on|SCAN) (\w+)(.*)", line)
        if found is not None and found[1] in metadata.tables and found[1] != "processes":
            assert "USING" in found[2], plan
