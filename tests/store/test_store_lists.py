"""Lists say the same on every database: filters, order, pages, with whatever texts and nulls there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, event, insert
from store_rows import action, execution, task

from maestrale.model.errors import MaestraleError
from maestrale.model.listing import OPERATORS, Filter, Listing, SortKey
from maestrale.store import actions, catalogue, environments, queries
from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.paging import read_page
from maestrale.store.rows import ExecutionRows
from maestrale.store.schema import prepare
from maestrale.store.selection import Resource, Viewer
from maestrale.store.tables import definition_texts, definitions
from maestrale.store.tables import environments as environments_table
from postgresql import PostgresqlServer

pytestmark = pytest.mark.postgresql

TEXTS: Final = (
    "",
    "a",
    "A",
    "b",
    "Ä",
    "ä",
    "ab",
    "a_b",
    "a%b",
    "a\\b",
    "a'b",
    "Z",
    "z",
    "\U0001f600",
    "~",
    "_a",
)
VALUES: Final = (
    *TEXTS, "%", "_", "\\", "a\\", "A,b", "\x01", "true", "0", '["x"]', '{"a": 1}', "x", "X", "x,Y",
    "1970-01-01 00:00:01", "00000000-0000-4000-8000-000000000003",
)  # fmt: skip
VIEWERS: Final = (Viewer("p"), Viewer("q"), Viewer("p", sees_all=True))
Pair = tuple[Database, Database]
Outcome = list[str] | str

SECOND: Final = 1_000_000
LIMIT: Final = 7
PART: Final = 12
"""Every field is compared by every operator with one of so many values, each time with other ones."""

BUILT_IN: Final = tuple(actions.BuiltIn(f"std.{text}", text, text) for text in ("a", "B", "ä"))

RESOURCES: Final[dict[str, Resource]] = {
    "executions": queries.EXECUTIONS,
    "tasks": queries.TASKS,
    "action executions": queries.ACTION_EXECUTIONS,
    "workflows": catalogue.WORKFLOWS,
    "environments": environments.ENVIRONMENTS,
    "actions": actions.action_resource(BUILT_IN),
}


def identifier(number: int, group: int = 0x8000) -> str:
    return f"00000000-0000-4000-{group:04x}-{number:012x}"


def fill(connection: Connection) -> None:
    """Some rows of everything, with equal values, nulls, and texts that sort and compare oddly."""
    write_executions(connection, [_execution(number, text) for number, text in enumerate(TEXTS)])
    connection.execute(insert(definition_texts), [{"hash": "h", "text": "Text"}])
    for number, text in enumerate(TEXTS):
        facts = {
            "name": text,
            "project_id": "q" if number % 2 else "p",
            "scope": "public" if number % 3 else "private",
            "description": text if number % 3 else None,
            "created_at": SECOND * (number // 3),
            "updated_at": number if number % 2 else None,
        }
        definition = {
            "namespace": "N" if number % 2 else "",
            "text_hash": "h",
            "input": text,
            "interface": "{}",
            "tags": msgspec.json.encode([text]).decode(),
            "is_system": number % 4 == 0,
        }
        for group, kind in enumerate(("workflow", "action")):
            row = {"id": identifier(number, group), "kind": kind, **facts, **definition}
            connection.execute(insert(definitions), [row])
        row = {"id": identifier(number), "variables": '{"a":1}', **facts}
        connection.execute(insert(environments_table), [row])


def _execution(number: int, text: str) -> ExecutionRows:
    shown: dict[str, Any] = {
        "name": text,
        "state_info": None if number % 2 else text,
        "tags": msgspec.json.encode([text, "x"] if number % 2 else ["X"]).decode(),
        "created_at": SECOND * (number // 4),
        "updated_at": number * SECOND // 2 if number % 3 == 1 else None,
    }
    is_child = number % 4 == 1
    rows = execution(
        identifier(number),
        project_id="q" if number % 5 == 4 else "p",
        description=text if number % 3 else None,
        parent_task_id=identifier(0, 1) if is_child else None,
        root_id=identifier(0 if is_child else number),
        **shown,
    )
    flags = {"processed": bool(number % 2), "started_at": shown["updated_at"]}
    rows.new_tasks = [task(identifier(number, 1), rows.execution_id, **flags, **shown)]
    task_id = identifier(number, 1) if number % 3 else None
    rows.new_actions = [
        action(identifier(number, 2), rows.execution_id, task_id=task_id, accepted=bool(number % 2), **shown)
    ]
    return rows


@pytest.fixture(scope="module")
def databases(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = postgresql.lend()
    folder = tmp_path_factory.mktemp("lists")
    pair = Database(f"sqlite:///{folder}/lists.db"), Database(postgresql.url(name))
    for database in pair:
        prepare(database)
        database.write(fill).result()
    yield pair
    for database in pair:
        database.close()
    postgresql.take_back(name)


def page(resource: Resource, viewer: Viewer, listing: Listing) -> Callable[[Connection], Outcome]:
    def read(connection: Connection) -> Outcome:
        try:
            return [repr(row) for row in read_page(connection, resource, viewer, listing)]
        except MaestraleError as error:
            return str(error)

    return read


def same(databases: Pair, listings: list[tuple[Resource, Viewer, Listing]]) -> list[Outcome]:
    """What the databases answer, which must be the same."""
    questions = [page(*listing) for listing in listings]
    first, second = ([database.read(q) for q in questions] for database in databases)
    answers = []
    for listing, one, other in zip(listings, first, second, strict=True):
        answers.append(one.result())
        assert other.result() == answers[-1], listing[1:]
    return answers


@pytest.mark.parametrize("name", RESOURCES)
def test_filters(databases: Pair, name: str) -> None:
    resource = RESOURCES[name]
    filters: list[Filter] = []
    for field in sorted(resource.shape().filters):
        for operator in OPERATORS:
            start = len(filters) % PART
            filters += [Filter(field, operator, value) for value in VALUES[start::PART]]
    asked = [(resource, VIEWERS[0], Listing(limit=100, filters=(filter_,))) for filter_ in filters]
    answers = same(databases, asked)
    found = {len(answer) for answer in answers if isinstance(answer, list)}
    assert len(found) > 5  # they select this and that, not all or nothing


@pytest.mark.parametrize("name", RESOURCES)
def test_orders_and_pages(databases: Pair, name: str) -> None:
    resource = RESOURCES[name]
    for viewer in VIEWERS:
        for field in sorted(resource.shape().sortable):
            for descending in (False, True):
                sort = SortKey(field, descending), SortKey("id", descending)
                (whole,) = same(
                    databases, [(resource, viewer, Listing(limit=100, sort=sort, fields=("id",)))]
                )
                assert isinstance(whole, list)
                pages: list[str] = []
                marker = None
                while len(pages) < len(whole):
                    listing = Listing(limit=LIMIT, sort=sort, fields=("id",), marker=marker)
                    (part,) = same(databases, [(resource, viewer, listing)])
                    assert isinstance(part, list)
                    assert part
                    pages += part
                    marker = _id(databases[0], resource, viewer, pages[-1])
                assert pages == whole


def _id(database: Database, resource: Resource, viewer: Viewer, shown: str) -> str:
    rows = database.read(read_page, resource, viewer, Listing(limit=100, fields=("id",))).result()
    return next(str(row["id"]) for row in rows if repr(row) == shown)


@pytest.mark.parametrize("name", RESOURCES)
def test_nulls(databases: Pair, name: str) -> None:
    resource = RESOURCES[name]
    nullable = sorted(resource.shape().nullable)
    answers = same(
        databases, [(resource, VIEWERS[2], Listing(limit=100, nulls=(field,))) for field in nullable]
    )
    assert any(answers)


@pytest.mark.parametrize("name", ["executions", "tasks", "action executions"])
def test_documents_that_are_not_wanted_are_not_read(databases: Pair, name: str) -> None:
    asked: list[str] = []
    listing = Listing(limit=5, fields=("id", "state"), sort=(SortKey("state_info"), SortKey("id")))

    def read(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *told: asked.append(str(told[2])))
        lists = {"executions": queries.list_executions, "tasks": queries.list_tasks}
        lists.get(name, queries.list_action_executions)(connection, VIEWERS[2], listing)

    databases[0].write(read).result()
    assert asked
    for document in ("input", "output", "params", "published", "runtime", "triggered_by", "globals"):
        assert not any(f".{document}" in statement for statement in asked), asked


def test_texts_are_ordered_by_their_bytes(databases: Pair) -> None:
    for database in databases:
        listing = Listing(
            limit=100, sort=(SortKey("workflow_name"), SortKey("id")), fields=("workflow_name",)
        )
        rows = database.read(queries.list_executions, VIEWERS[2], listing).result()
        assert [row["workflow_name"] for row in rows] == sorted(TEXTS, key=str.encode)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a_b", {"a_b", "a%b", "a\\b", "a'b"}),
        ("a\\", {"a\\b"}),
        ("A", {"a", "A", "ab", "a_b", "a%b", "a\\b", "a'b", "_a"}),
        ("ä", {"ä"}),
    ],
)
def test_patterns(databases: Pair, pattern: str, found: set[str]) -> None:
    for database in databases:
        listing = Listing(
            limit=100, filters=(Filter("workflow_name", "has", pattern),), fields=("workflow_name",)
        )
        rows = database.read(queries.list_executions, VIEWERS[2], listing).result()
        assert {row["workflow_name"] for row in rows} == found
