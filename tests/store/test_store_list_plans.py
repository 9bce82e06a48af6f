"""The lists that people ask for are read along an index, and nothing but a page of them is sorted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from sqlalchemy import Connection, text
from store_plans import plans
from store_rows import action, execution, task

from maestrale.model.listing import Filter, Listing, Operator, SortKey
from maestrale.store import queries
from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.rows import ExecutionRows
from maestrale.store.schema import prepare
from maestrale.store.selection import Viewer
from maestrale.store.tables import metadata

EXECUTIONS: Final = 2000
NEWEST: Final = (SortKey("created_at", True), SortKey("id"))
OLDEST: Final = (SortKey("created_at"), SortKey("id"))
PROJECT: Final = Viewer("p")
EVERYBODY: Final = Viewer("p", sees_all=True)
KEY: Final = "00000000-0000-4000-8000-000000001000"
WORKFLOW: Final = "00000000-0000-4000-9000-000000000000"

Unit = Callable[[Connection], object]


def identifier(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _rows(number: int) -> ExecutionRows:
    """A year of a service in small: most have succeeded, some have tags, some are children."""
    key = identifier(number)
    parent = identifier(number // 100 * 100) if number % 10 == 9 else None
    project = "q" if number // 50 % 20 else "p"
    state = {0: "RUNNING", 1: "ERROR", 2: "PAUSED"}.get(number % 50, "SUCCESS")
    own: dict[str, Any] = {"project_id": project, "created_at": number * 10}
    rows = execution(
        key,
        name=f"wf{number % 20}",
        workflow_id=f"00000000-0000-4000-9000-{number % 20:012}",
        tags='["nightly"]' if number % 20 == 7 else "[]",
        parent_id=parent,
        parent_task_id=parent and f"{parent}-t1",
        root_id=parent or key,
        state=state,
        **own,
    )
    rows.new_tasks = [
        task(
            f"{key}-t{n}", key, name=f"t{n}_{number % 10}", sequence=n, state=(state, "SUCCESS")[n - 1], **own
        )
        for n in range(2)
    ]
    rows.new_actions = [action(f"{key}-a", key, task_id=f"{key}-t1", state=state, **own)]
    return rows


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    """As in service: PostgreSQL knows how the rows are spread, SQLite does not."""
    opened = Database(module_database_url)
    prepare(opened)

    def fill(connection: Connection) -> None:
        write_executions(connection, [_rows(number) for number in range(EXECUTIONS)])
        if opened.dialect.file is None:
            connection.execute(text("ANALYZE"))

    opened.write(fill).result()
    yield opened
    opened.close()


def _listing(*filters: tuple[str, Operator, str], sort: tuple[SortKey, ...] = NEWEST, **more: Any) -> Listing:
    return Listing(limit=20, sort=sort, filters=tuple(Filter(*filter_) for filter_ in filters), **more)


def _executions(*filters: tuple[str, Operator, str], viewer: Viewer = PROJECT, **more: Any) -> Unit:
    return lambda c: queries.list_executions(c, viewer, _listing(*filters, **more))


def _tasks(*filters: tuple[str, Operator, str], viewer: Viewer = PROJECT, **more: Any) -> Unit:
    return lambda c: queries.list_tasks(c, viewer, _listing(*filters, **more))


def _actions(*filters: tuple[str, Operator, str], viewer: Viewer = PROJECT, **more: Any) -> Unit:
    return lambda c: queries.list_action_executions(c, viewer, _listing(*filters, **more))


LISTS: Final[dict[str, tuple[Unit, str]]] = {
    "newest executions": (_executions(), "workflow_executions_project_id_created_at"),
    "oldest executions": (_executions(sort=OLDEST), "workflow_executions_project_id_created_at"),
    "next page": (_executions(marker=KEY), "workflow_executions_project_id_created_at"),
    "executions since a time": (
        _executions(("created_at", "gte", "1970-01-01 00:00:00"), sort=OLDEST),
        "workflow_executions_project_id_created_at",
    ),
    "executions without a parent": (
        _executions(nulls=("root_execution_id",)), "workflow_executions_project_id_created_at"),
    "executions in a state": (
        _executions(("state", "eq", "RUNNING")), "workflow_executions_project_id_state"),
    "executions in some states": (
        _executions(("state", "in", "RUNNING,ERROR")), "workflow_executions_project_id_state"),
    "executions not in a state": (
        _executions(("state", "neq", "SUCCESS")), "workflow_executions_project_id_state"),
    "executions in a state, next page": (
        _executions(("state", "eq", "ERROR"), marker=KEY), "workflow_executions_project_id_state"),
    "executions of a name": (
        _executions(("workflow_name", "eq", "wf7")), "workflow_executions_project_id_name"),
    "executions of a name in a state": (
        _executions(("workflow_name", "eq", "wf7"), ("state", "eq", "SUCCESS")),
        "workflow_executions_project_id_name",
    ),
    "executions whose name has a text": (
        _executions(("workflow_name", "has", "f7")), "workflow_executions_project_id_name"),
    "executions of an id": (
        _executions(("workflow_id", "eq", WORKFLOW)), "workflow_executions_project_id_workflow_id"),
    "executions with a tag": (_executions(("tags", "eq", "nightly")), "workflow_executions_project_id_tags"),
    "executions of all projects": (
        _executions(viewer=EVERYBODY), "workflow_executions_created_at_id"),
    "executions in a state, of all projects": (
        _executions(("state", "eq", "PAUSED"), viewer=EVERYBODY), "workflow_executions_project_id_state"),
    "newest tasks": (_tasks(), "task_executions_project_id_created_at"),
    "newest tasks of all projects": (_tasks(viewer=EVERYBODY), "task_executions_created_at"),
    "tasks in a state": (_tasks(("state", "eq", "ERROR")), "task_executions_project_id_state"),
    "tasks of a name": (_tasks(("name", "eq", "t1_3")), "task_executions_project_id_name"),
    "newest action executions": (_actions(), "action_executions_project_id_created_at"),
    "action executions of all projects": (_actions(viewer=EVERYBODY), "action_executions_created_at"),
    "action executions in a state": (
        _actions(("state", "eq", "RUNNING")), "action_executions_project_id_state"),
}  # fmt: skip
"""Each with the index that it is read along."""

OF_ONE: Final[dict[str, tuple[Unit, str]]] = {
    "tasks of an execution": (
        _tasks(("workflow_execution_id", "eq", KEY)), "task_executions_execution_id_sequence"),
    "action executions of a task": (
        _actions(("task_execution_id", "eq", f"{identifier(7)[:-1]}7")),
        "action_executions_task_id_item_index",
    ),
    "executions that a task started": (
        _executions(("task_execution_id", "eq", KEY)), "workflow_executions_parent_task_id"),
    "executions of a tree": (
        _executions(("root_execution_id", "eq", KEY)), "workflow_executions_root_id"),
}  # fmt: skip
"""What one object has is sorted, and nothing beyond it."""


def _sorts_all(plan: str) -> bool:
    """Whether all that was found is sorted, not only what is as old as each other; what is merged from pages
    of several stretches may be."""
    if "UNION" in plan:
        plan = re.sub(r"SCAN anon_\d+\nUSE TEMP B-TREE FOR ORDER BY$", "", plan)
    if "Append" in plan:
        plan = re.sub(r"\A(Limit .*\n\s*->  )?Sort  ", "", plan)
    return "USE TEMP B-TREE FOR ORDER BY" in plan or re.search(r"(?<!Incremental )Sort  ", plan) is not None


def _is_read_by(plan: str, index: str) -> bool:
    return re.search(rf"ix_{index}\b", plan) is not None


def _scans(plan: str) -> list[str]:
    """Tables of ours that are read from end to end; SQLite says so of indexes, too."""
    found = re.findall(r"(?:Seq Scan on|SCAN) (\w+)(?!.* USING)", plan)
    return [name for name in found if name in metadata.tables]


@pytest.mark.parametrize("name", LISTS)
def test_along_an_index(database: Database, name: str) -> None:
    unit, index = LISTS[name]
    found = plans(database, unit, "enable_sort = off", "enable_bitmapscan = off")
    assert any(_is_read_by(plan, index) for plan in found), found
    for plan in found:
        assert not _sorts_all(plan), plan
        assert not _scans(plan), plan


@pytest.mark.parametrize("name", OF_ONE)
def test_of_one_object(database: Database, name: str) -> None:
    unit, index = OF_ONE[name]
    found = plans(database, unit)
    assert any(_is_read_by(plan, index) for plan in found), found
    assert not any(map(_scans, found)), found


@pytest.mark.parametrize("name", ["newest tasks", "executions in a state", "executions with a tag"])
def test_it_is_seen_when_the_index_is_missing(database: Database, name: str) -> None:
    """These tests can fail: without its index a list is read in another way."""
    unit, index = LISTS[name]

    found = plans(database, unit, "enable_sort = off", "enable_bitmapscan = off", without=f"ix_{index}")
    assert not any(_is_read_by(plan, index) for plan in found)
