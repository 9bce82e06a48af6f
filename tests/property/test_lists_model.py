"""Lists of executions and tasks against a model of what filters, orders and pages mean, in plain Python."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from store_rows import action, execution, task

from maestrale.model import states
from maestrale.model.listing import Filter, Listing, Operator, SortKey
from maestrale.store import queries, stretches
from maestrale.store.database import Database
from maestrale.store.executions import write_executions
from maestrale.store.paging import read_page
from maestrale.store.rows import ExecutionRows
from maestrale.store.schema import prepare
from maestrale.store.selection import Resource, Viewer

SECOND: Final = 1_000_000
ROWS: Final = 90
PROJECTS: Final = ("p", "q", "r")
NAMES: Final = ("backup", "Backup", "deploy", "deploy_all", "restore", "100%")
TAGS: Final[tuple[list[str], ...]] = ([], ["night"], ["night", "disk"], ["Disk"], [])
TEXTS: Final = (None, "", "a", "B", "a_b", "a%b")
EQUALITY: Final[tuple[Operator, ...]] = ("eq", "neq", "in", "nin")
ORDER: Final[tuple[Operator, ...]] = ("lt", "lte", "gt", "gte")

Fact = dict[str, Any]


def identifier(number: int, group: int = 0x8000) -> str:
    return f"00000000-0000-4000-{group:04x}-{number:012x}"


def _text(number: int, among: tuple[Any, ...], spread: int) -> Any:
    return among[number * spread // 7 % len(among)]


def _rows(number: int) -> ExecutionRows:
    """Few different values, so that many rows are equal in any order."""
    root = number // 6 * 6
    is_child = number % 6 in (2, 3)
    shown: dict[str, Any] = {
        "project_id": _text(root, PROJECTS, 5),
        "state": _text(number, states.WORKFLOW_STATES, 11),
        "state_info": _text(number, TEXTS, 3),
        "tags": json.dumps(_text(number, TAGS, 9), separators=(",", ":")),
        "created_at": number * 13 % 17 * SECOND // 2,
        "updated_at": None if number % 3 else number * 7 % 11 * SECOND // 2,
    }
    rows = execution(
        identifier(number),
        name=_text(number, NAMES, 5),
        workflow_id=None if number % 9 == 8 else identifier(number % 4, 0x9000),
        description=_text(number, TEXTS, 4),
        parent_task_id=identifier(root, 1) if is_child else None,
        root_id=identifier(root if is_child else number),
        **shown,
    )
    rows.new_tasks = [
        task(
            identifier(number * 2 + n, 1),
            rows.execution_id,
            sequence=n,
            name=_text(number + n, NAMES, 3),
            processed=bool(number % 2),
            **shown,
        )
        for n in range(2)
    ]
    rows.new_actions = [
        action(identifier(number, 2), rows.execution_id, task_id=identifier(number % 5 * 2, 1), **shown)
    ]
    return rows


def _facts(which: str) -> list[Fact]:
    """The same, as the API names it."""
    found: list[Fact] = []
    for number in range(ROWS):
        rows = _rows(number)
        workflow = rows.workflow or {}
        of_workflow = {
            "workflow_name": workflow["name"],
            "workflow_id": workflow["workflow_id"],
            "workflow_namespace": workflow["namespace"],
        }
        if which == "executions":
            parent = workflow["parent_task_id"]
            root = None if parent is None else workflow["root_id"]
            found.append({**workflow, **of_workflow, "task_execution_id": parent, "root_execution_id": root})
        elif which == "tasks":
            found += [
                {**of_workflow, **row, "workflow_execution_id": row["execution_id"]} for row in rows.new_tasks
            ]
        else:
            found += [{**of_workflow, **row, "task_execution_id": row["task_id"]} for row in rows.new_actions]
    return found


RESOURCES: Final[dict[str, Resource]] = {
    "executions": queries.EXECUTIONS,
    "tasks": queries.TASKS,
    "action_executions": queries.ACTION_EXECUTIONS,
}
FACTS: Final = {name: _facts(name) for name in RESOURCES}
ON_POSTGRESQL: Final = 1

LEFT_OUT: Final = frozenset({"task_name", "runtime_context", "input", "output", "params", "published"})
"""Not in the model: documents are compared as a whole, and the name of another row."""


def holds(resource: Resource, fact: Fact, filter_: Filter) -> bool:
    """Whether a filter lets a row through."""
    kind, value = resource.fields[filter_.name].kind, fact[filter_.name]
    if kind == "tags":
        return _tags_hold(json.loads(value), value, filter_)
    if filter_.operator == "has":
        return value is not None and _contains(value, filter_.value)
    meant = [_meant(kind, text) for text in filter_.value.split(",")]
    if filter_.operator not in ("in", "nin"):
        meant = [_meant(kind, filter_.value)]
    if kind == "time" and value is not None:
        value = value // SECOND
    if filter_.operator in ("neq", "nin"):
        return value not in meant
    if value is None:
        return False
    if filter_.operator in ("eq", "in"):
        return value in meant
    (other,) = meant
    left, right = (value.encode(), other.encode()) if isinstance(value, str) else (value, other)
    compared: dict[str, bool] = {
        "lt": left < right, "lte": left <= right, "gt": left > right, "gte": left >= right,
    }  # fmt: skip
    return compared[filter_.operator]


def _tags_hold(tags: list[str], text: str, filter_: Filter) -> bool:
    if filter_.operator == "has":
        return _contains(text, filter_.value)
    given_ = filter_.value.split(",")
    all_, any_ = all(tag in tags for tag in given_), any(tag in tags for tag in given_)
    return {"eq": all_, "neq": not all_, "in": any_, "nin": not any_}[filter_.operator]


def _contains(value: str, pattern: str) -> bool:
    """`%` is any text, `_` any character; ASCII letters are equal in upper and lower case."""
    parts = re.split("([%_])", pattern)
    regex = "".join({"%": ".*", "_": "."}.get(part, re.escape(part)) for part in parts)
    return re.search(regex, value, re.IGNORECASE | re.DOTALL | re.ASCII) is not None


def _meant(kind: str, text: str) -> Any:
    if kind == "flag":
        return text == "true"
    if kind == "time":
        return int(text.rpartition(":")[2])
    return text


def ordered(facts: list[Fact], sort: tuple[SortKey, ...]) -> list[Fact]:
    """Rows by their keys, the last key first; nothing comes before everything."""
    for key in reversed(sort):
        facts = sorted(facts, key=lambda fact: _rank(fact[key.name]), reverse=key.descending)
    return facts


def _rank(value: Any) -> tuple[bool, Any]:
    if value is None:
        return False, 0
    return True, value.encode() if isinstance(value, str) else value


def _values(name: str, kind: str) -> st.SearchStrategy[str]:
    if kind == "time":
        return st.integers(0, 9).map(lambda second: f"1970-01-01 00:00:{second:02}")
    if kind == "flag":
        return st.sampled_from(["true", "false"])
    if kind == "tags":
        return st.sampled_from(["night", "disk", "Disk", "none", "night,disk"])
    if kind == "uuid":
        return st.sampled_from([identifier(n, group) for n in (0, 2, 6) for group in (0x8000, 0x9000, 1)])
    known = {
        "state": st.sampled_from(states.WORKFLOW_STATES),
        "project_id": st.sampled_from(PROJECTS),
        "workflow_name": st.sampled_from(NAMES),
        "name": st.sampled_from((*NAMES, "std.noop")),
        "root_execution_id": st.sampled_from([identifier(n) for n in (0, 6, 7)]),
        "workflow_execution_id": st.sampled_from([identifier(n) for n in (0, 6, 7)]),
    }
    texts = st.sampled_from([text for text in TEXTS if text is not None])
    return known.get(name, texts)


PATTERNS: Final = st.sampled_from(["", "a", "up", "EP", "_", "%", "a_", "0%", "night", "[", '"', "zzz"])


@st.composite
def filters(draw: st.DrawFn, resource: Resource, name: str) -> Filter:
    kind = resource.fields[name].kind
    operators = list(EQUALITY)
    if kind in ("text", "uuid", "time"):
        operators += ORDER
    if kind in ("text", "tags", "uuid"):
        operators.append("has")
    operator = draw(st.sampled_from(operators))
    if operator == "has":
        return Filter(name, operator, draw(PATTERNS))
    if operator in ("in", "nin"):
        return Filter(name, operator, ",".join(draw(st.lists(_values(name, kind), min_size=1, max_size=3))))
    return Filter(name, operator, draw(_values(name, kind)))


@st.composite
def listings(draw: st.DrawFn, resource: Resource) -> Listing:
    """Any list; most in the order of time, as they are asked for."""
    shape = resource.shape()
    names = sorted(shape.filters - LEFT_OUT)
    leads = [lead.name for lead in resource.leads]
    one = st.sampled_from(leads).map(lambda name: [name])
    chosen = draw(one | st.lists(st.sampled_from(names) | st.sampled_from(leads), max_size=3, unique=True))
    sortable = sorted(shape.sortable - LEFT_OUT)
    others = st.lists(st.sampled_from(sortable), min_size=1, max_size=3, unique=True)
    keys = [*draw(st.just(["created_at"]) | st.just(["created_at"]) | others)]
    if "id" not in keys:
        keys.append("id")
    return Listing(
        limit=draw(st.integers(4, 40)),
        sort=tuple(SortKey(key, draw(st.booleans())) for key in keys),
        filters=tuple(draw(filters(resource, name)) for name in chosen),
        nulls=tuple(draw(st.lists(st.sampled_from(sorted(shape.nullable - LEFT_OUT)), max_size=1))),
        fields=("id",),
    )


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, Viewer, Listing]:
    name = draw(st.sampled_from(sorted(RESOURCES)))
    viewer = Viewer(draw(st.sampled_from(PROJECTS)), draw(st.booleans()))
    return name, viewer, draw(listings(RESOURCES[name]))


def expected(name: str, viewer: Viewer, listing: Listing) -> list[str]:
    """The ids of all rows of a list, in order."""
    resource = RESOURCES[name]
    found = [
        fact
        for fact in FACTS[name]
        if (viewer.sees_all or fact["project_id"] == viewer.project_id)
        and all(holds(resource, fact, filter_) for filter_ in listing.filters)
        and all(fact[null] is None for null in listing.nulls)
    ]
    return [str(fact["id"]) for fact in ordered(found, listing.sort)]


def walked(name: str, viewer: Viewer, listing: Listing) -> Callable[[Connection], list[str]]:
    """The same from the database, page by page."""

    def walk(connection: Connection) -> list[str]:
        found: list[str] = []
        marker = None
        while True:
            page = read_page(
                connection,
                RESOURCES[name],
                viewer,
                Listing(listing.limit, listing.sort, listing.filters, listing.nulls, marker, listing.fields),
            )
            found += [str(row["id"]) for row in page]
            if len(page) < listing.limit or len(found) > 3 * ROWS:
                return found
            marker = found[-1]

    return walk


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    opened = Database(module_database_url)
    prepare(opened)
    opened.write(write_executions, [_rows(number) for number in range(ROWS)]).result()
    yield opened
    opened.close()


def _check(database: Database, question: tuple[str, Viewer, Listing]) -> None:
    assert database.read(walked(*question)).result() == expected(*question)


QUIET: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@seed(1)
@settings(QUIET, max_examples=25, database=None)
@given(question=questions())
def test_with_room_for_few_values(database: Database, question: tuple[str, Viewer, Listing]) -> None:
    """Where a field has more values, or a list more stretches, than are looked at, it says the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "MOST_VALUES", 2)
        patch.setattr(stretches, "MOST_STRETCHES", 2)
        _check(database, question)


@pytest.mark.slow
@settings(QUIET, max_examples=5000)
@given(question=questions())
def test_many_pages_are_what_the_model_says(
    database: Database, question: tuple[str, Viewer, Listing]
) -> None:
    _check(database, question)


def _of(name: str, filter_: Filter) -> tuple[str, Viewer, Listing]:
    return name, Viewer("p", sees_all=True), Listing(limit=40, filters=(filter_,), fields=("id",))


@example(question=_of("executions", Filter("state", "neq", "SUCCESS")))
@example(question=_of("executions", Filter("state", "nin", "SUCCESS,ERROR")))
@example(question=_of("executions", Filter("workflow_name", "in", "backup,restore")))
@example(question=_of("tasks", Filter("state", "nin", "SUCCESS,ERROR")))
@example(question=_of("executions", Filter("tags", "has", "[")))
@example(question=_of("executions", Filter("tags", "in", "disk,Disk")))
@seed(20261128)
@settings(QUIET, max_examples=60, database=None)
@given(question=questions())
def test_pages_are_what_the_model_says(database: Database, question: tuple[str, Viewer, Listing]) -> None:
    _check(database, question)
