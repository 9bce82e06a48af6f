"""Workflows that run dynamic actions: found by name, checked before they run, each in a process."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from service import PATIENCE, PROJECT, World

from maestrale.actions.code_sources import read_classes
from maestrale.actions.process_settings import ProcessSettings
from maestrale.engine.events import StopRequested
from maestrale.runtime.requests import RunAction
from maestrale.store.catalogue import Draft, create_definitions
from maestrale.store.code_sources import create_code_source, get_code_source, update_code_source
from maestrale.store.dynamic_actions import create_dynamic_action
from maestrale.store.selection import Viewer
from maestrale.store.tables import code_sources

ON_POSTGRESQL = 2

ON = ProcessSettings(enabled=True, processes=2, time_limit=20)

TEXT = """
import os, time

class Greet:
    def __init__(self, who, mark="!"):
        self.text = f"hello {who}{mark}"

    def run(self, context):
        return self.text

class Fail:
    def run(self, context):
        raise ValueError("no luck")

class Outside:
    def is_sync(self):
        return False

    def run(self, context):
        return "is not looked at"

class Slow:
    def __init__(self, note):
        self.note = note

    def run(self, context):
        with open(self.note, "w") as file:
            file.write(str(os.getpid()))
        time.sleep(60)
"""
GREET = """
version: '2.0'
greet:
  output: {said: <% task(t).result %>}
  tasks: {t: {action: greet, input: {who: Ada}}}
"""


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with World(database_url, dynamic=ON) as opened:
        yield opened


def provide(
    world: World, project: str = PROJECT, scope: str = "private", text: str = TEXT, **names: str
) -> None:
    """Make classes of a text actions: `greet="Greet"`."""
    place: dict[str, Any] = {"namespace": "", "project_id": project, "scope": scope, "now": 1}
    source = world.database.write(
        create_code_source, str(uuid.uuid4()), uuid.uuid4().hex, text, **place
    ).result(PATIENCE)
    for name, class_name in names.items():
        world.database.write(
            create_dynamic_action, str(uuid.uuid4()), name, class_name, source, read_classes(text), **place
        ).result(PATIENCE)
    world.engine.definitions_changed().result(PATIENCE)


def test_a_workflow_runs_a_class(world: World) -> None:
    provide(world, greet="Greet")
    world.define(GREET)
    key = world.start("greet")
    assert world.end(key)["output"] == {"said": "hello Ada!"}
    (action,) = world.actions(key)
    assert (action["name"], action["state"], action["input"]) == ("greet", "SUCCESS", {"who": "Ada"})


def test_wrong_input_is_refused_before_it_runs(world: World) -> None:
    provide(world, greet="Greet")
    world.define(GREET.replace("who: Ada", "whom: Ada"))
    ended = world.end(world.start("greet"))
    assert ended["state"] == "ERROR"
    text = "Invalid input [name=greet, class=Greet, missing=['who'], unexpected=['whom']]"
    assert text in ended["state_info"]


def test_its_failure_is_the_tasks(world: World) -> None:
    provide(world, greet="Fail")
    world.define(
        "version: '2.0'\nw:\n  tasks:\n    t: {action: greet, on-error: e}\n    e: {action: std.noop}\n"
    )
    key = world.start("w")
    assert world.end(key)["state"] == "SUCCESS"
    (text,) = [action["output"] for action in world.actions(key) if action["name"] == "greet"]
    assert "[action=greet, " in text
    assert "no luck (line 13 of the code source" in text


def test_an_ad_hoc_action_may_stand_on_it(world: World) -> None:
    provide(world, greet="Greet")
    text = "version: '2.0'\npolite: {base: greet who=<% $.name %>, input: [name], output: <% $ + '!!' %>}\n"
    world.database.write(
        create_definitions, "action", [str(uuid.uuid4())], [Draft("polite", text)],
        project_id=PROJECT, namespace="", scope="private", now=1,
    ).result(PATIENCE)  # fmt: skip
    world.define(GREET.replace("greet, input: {who: Ada}", "polite name=Bob"))
    key = world.start("greet")
    assert world.end(key)["output"] == {"said": "hello Bob!!!"}


def test_it_takes_the_place_of_a_built_in_action_for_its_project_only(world: World) -> None:
    text = "class A:\n    def __init__(self, output): pass\n    def run(self): return 'mine'\n"
    provide(world, "another", "public", text=text, **{"std.echo": "A"})
    world.define(GREET.replace("greet, input: {who: Ada}", "std.echo output=1"))
    assert world.end(world.start("greet"))["output"] == {"said": 1}
    provide(world, text=text, **{"std.echo": "A"})
    assert world.end(world.start("greet"))["output"] == {"said": "mine"}


@pytest.mark.parametrize(("scope", "state"), [("public", "SUCCESS"), ("private", "ERROR")])
def test_other_projects_use_what_is_public(world: World, scope: str, state: str) -> None:
    provide(world, "another", scope, greet="Greet")
    world.define(GREET)
    assert world.end(world.start("greet"))["state"] == state


def test_a_new_version_runs_from_then_on(world: World) -> None:
    provide(world, greet="Greet")
    world.define(GREET)
    (source,) = world.rows(code_sources)
    viewer = Viewer(PROJECT)
    text = TEXT.replace("hello", "bye").replace("who, mark", "who, punctuation='', mark")
    world.database.write(
        update_code_source, viewer, source["id"], text, read_classes(text), namespace="", scope=None, now=2
    ).result(PATIENCE)
    assert world.database.read(get_code_source, viewer, source["id"], "").result()["version"] == 2
    world.define(GREET.replace("who: Ada", "who: Ada, punctuation: x").replace("greet:\n", "new:\n", 1))
    key = world.start("new")
    assert world.end(key)["output"] == {"said": "bye Ada!"}


def test_one_that_waits_outside_is_completed_by_others(world: World) -> None:
    provide(world, greet="Outside")
    world.define(GREET.replace("greet, input: {who: Ada}", "greet"))
    key = world.start("greet")
    (action,) = world.actions(key)
    assert action["waits_outside"]
    world.complete(action["id"], result="from outside")
    assert world.end(key)["output"] == {"said": "from outside"}


def test_a_stopped_workflow_ends_the_process(world: World, tmp_path: Any) -> None:
    provide(world, greet="Slow")
    note = tmp_path / "pid"
    world.define(GREET.replace("who: Ada", f"note: {note}"))
    key = world.start("greet")
    world.until(lambda: note.exists() and note.read_text())
    world.send(key, StopRequested("CANCELLED"))
    world.until(lambda: world.task(key, "t")["state"] == "CANCELLED")
    assert not world.engine.executor.active
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_a_timeout_ends_the_process(world: World, tmp_path: Any) -> None:
    provide(world, greet="Slow")
    note = tmp_path / "pid"
    world.define(GREET.replace("who: Ada}", f"note: {note}}}, timeout: 1"))
    ended = world.end(world.start("greet"))
    assert ended["state"] == "ERROR"
    world.until(lambda: not world.engine.executor.active)
    if note.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


def test_more_than_there_are_places_wait_for_one(world: World) -> None:
    provide(world, greet="Greet")
    world.define(
        "version: '2.0'\nw:\n  tasks: {t: {with-items: i in <% range(7) %>, action: greet who=<% $.i %>}}\n"
    )
    assert world.end(world.start("w"))["state"] == "SUCCESS"


def test_it_runs_outside_of_workflows(world: World) -> None:
    provide(world, greet="Greet")
    request = RunAction("greet", {"who": "Eve"}, project_id=PROJECT)
    ran = world.engine.run_action(request).result(PATIENCE)
    assert (ran.state, ran.result) == ("SUCCESS", "hello Eve!")


def test_switched_off_it_says_how_to_switch_it_on(database_url: str) -> None:
    with World(database_url) as world:
        provide(world, greet="Greet")
        world.define(GREET)
        ended = world.end(world.start("greet"))
        assert ended["state"] == "ERROR"
        assert "Dynamic actions are switched off on this server" in ended["state_info"]
        assert "enabled = true in the section [dynamic_actions]" in ended["state_info"]
