"""Who sees which definition, against a model in plain words; the same for people and for workflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from maestrale.model.errors import Forbidden, NotFound
from maestrale.model.listing import Listing
from maestrale.store.catalogue import (
    KindName,
    definition_to_start,
    delete_definition,
    get_definition,
    list_definitions,
)
from maestrale.store.database import Database
from maestrale.store.lookups import find_action_definitions, find_workflow
from maestrale.store.members import get_member, list_members
from maestrale.store.schema import prepare
from maestrale.store.selection import Viewer
from maestrale.store.tables import definition_texts, definitions, resource_members

PROJECTS: Final = ("p", "q", "r")
KINDS: Final[tuple[KindName, ...]] = ("workflow", "action", "workbook")
NAMES: Final = ("a", "b")
NAMESPACES: Final = ("", "n")


class Definition(NamedTuple):
    """A definition and how it stands with each other project."""

    kind: KindName
    name: str
    namespace: str
    project: str
    scope: str
    created_at: int
    members: dict[str, str]

    @property
    def key(self) -> tuple[str, ...]:
        return self.kind, self.name, self.namespace, self.project

    def is_seen_by(self, viewer: Viewer) -> bool:
        """In plain words: whose it is, what is public, and what was offered and accepted."""
        if viewer.sees_all or viewer.project_id == self.project or self.scope == "public":
            return True
        return self.kind == "workflow" and self.members.get(viewer.project_id) == "accepted"


DEFINITIONS: Final = st.lists(
    st.builds(
        Definition,
        st.sampled_from(("workflow", *KINDS)),
        st.sampled_from(NAMES),
        st.sampled_from(NAMESPACES),
        st.sampled_from(PROJECTS),
        st.sampled_from(["private", "private", "public"]),
        st.integers(1, 3),
        st.dictionaries(st.sampled_from(PROJECTS), st.sampled_from(["pending", "accepted", "rejected"])),
    ),
    unique_by=lambda definition: definition.key,
    max_size=8,
)
VIEWERS: Final = st.builds(Viewer, st.sampled_from((*PROJECTS, "nobody")), st.booleans())


class Undone(Exception):
    """Ends a transaction without a trace."""


@pytest.fixture(scope="module")
def database(module_database_url: str) -> Iterator[Database]:
    opened = Database(module_database_url)
    prepare(opened)
    yield opened
    opened.close()


def identifier(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def store(connection: Connection, world: list[Definition]) -> None:
    connection.execute(insert(definition_texts), [{"hash": "h", "text": "Text"}])
    for number, one in enumerate(world):
        row = {
            "id": identifier(number), "kind": one.kind, "name": one.name, "namespace": one.namespace,
            "project_id": one.project, "scope": one.scope, "text_hash": "h", "input": "", "interface": "{}",
            "tags": "[]", "is_system": False, "created_at": one.created_at,
        }  # fmt: skip
        connection.execute(insert(definitions), [row])
        for place, (member, status) in enumerate(one.members.items()):
            connection.execute(
                insert(resource_members),
                [{"id": identifier(1000 * (number + 1) + place), "resource_id": identifier(number),
                  "resource_type": one.kind, "project_id": one.project, "member_id": member,
                  "status": status, "created_at": place}],
            )  # fmt: skip


def first(world: list[Definition], viewer: Viewer, kind: KindName, name: str, namespace: str) -> int | None:
    """The one that a name means: the viewer's own, else the oldest."""
    fitting = [
        (one.project != viewer.project_id, one.created_at, number)
        for number, one in enumerate(world)
        if (one.kind, one.name, one.namespace) == (kind, name, namespace) and one.is_seen_by(viewer)
    ]
    return min(fitting)[2] if fitting else None


def check(connection: Connection, world: list[Definition], viewer: Viewer) -> None:
    for kind in KINDS:
        rows = list_definitions(connection, viewer, kind, Listing(limit=100))
        seen = {identifier(n) for n, one in enumerate(world) if one.kind == kind and one.is_seen_by(viewer)}
        assert {row["id"] for row in rows} == seen
        for name in NAMES:
            for namespace in NAMESPACES:
                expected = first(world, viewer, kind, name, namespace)
                try:
                    row = get_definition(connection, viewer, kind, name, namespace)
                except NotFound:
                    assert expected is None
                else:
                    assert row["id"] == identifier(expected if expected is not None else -1)
    _check_what_runs(connection, world, viewer)
    for number, one in enumerate(world):
        _check_one(connection, one, identifier(number), viewer)


def _check_what_runs(connection: Connection, world: list[Definition], viewer: Viewer) -> None:
    """Starts see what the caller sees, tasks what their project sees, whoever started them."""
    project = Viewer(viewer.project_id)
    for name in NAMES:
        for namespace in NAMESPACES:
            expected = first(world, viewer, "workflow", name, namespace)
            try:
                started = definition_to_start(connection, viewer, name, namespace).id
            except NotFound:
                started = None
            assert started == (None if expected is None else identifier(expected))
            found = find_workflow(connection, viewer.project_id, name, namespace)
            expected = first(world, project, "workflow", name, namespace)
            assert (found and found.id) == (None if expected is None else identifier(expected))
            actions = find_action_definitions(connection, viewer.project_id, name, [namespace])
            expected = first(world, project, "action", name, namespace)
            assert (actions[0].id if actions else None) == (
                None if expected is None else identifier(expected)
            )


def _check_one(connection: Connection, one: Definition, key: str, viewer: Viewer) -> None:
    if one.kind == "workflow":
        may_know = one.members if viewer.sees_all or viewer.project_id == one.project else {}
        mine = {name: status for name, status in one.members.items() if name == viewer.project_id}
        known = {**may_know, **mine}
        try:
            listed = {row["member_id"]: row["status"] for row in list_members(connection, viewer, key)}
        except NotFound:
            assert not known
            assert not one.is_seen_by(viewer)
        else:
            assert listed == known
        for member in PROJECTS:
            try:
                get_member(connection, viewer, key, member)
            except NotFound:
                assert member not in known
            else:
                assert member in known
    if one.kind == "workbook":  # they go by their names
        return
    with connection.begin_nested() as attempt:
        try:
            delete_definition(connection, viewer, one.kind, key, "")
        except NotFound:
            assert not one.is_seen_by(viewer)
        except Forbidden:
            assert one.is_seen_by(viewer)
            assert one.project != viewer.project_id
        else:
            assert viewer.sees_all or one.project == viewer.project_id
        attempt.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=DEFINITIONS, viewer=VIEWERS)
def test_who_sees_what(database: Database, world: list[Definition], viewer: Viewer) -> None:
    def unit(connection: Connection) -> None:
        store(connection, world)
        check(connection, world, viewer)
        raise Undone

    with pytest.raises(Undone):
        database.write(unit).result()
