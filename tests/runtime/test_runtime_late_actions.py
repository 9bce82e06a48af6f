"""Actions that packages find only when somebody asks for them, in a whole service."""

from __future__ import annotations

import threading

import pytest
from service import PATIENCE, PROJECT, World

from maestrale.actions import plugins
from maestrale.actions.legacy import LegacyAction
from maestrale.actions.plugins import PluginFailure
from maestrale.model.errors import InvalidAction
from maestrale.runtime import actions as looking
from maestrale.store.catalogue import Draft, create_definitions

ON_POSTGRESQL = 1

ADHOC = """
version: '2.0'
late.act:
  base: std.echo
  base-input: {output: the ad-hoc one}
"""


class Late:
    """Says what it is."""

    def run(self, context: object) -> str:
        return f"the late one, {context}"


class Package:
    """Has one action, found when it is asked for; refuses another, and never answers for a third."""

    def __init__(self, world: World) -> None:
        self.asked: list[str] = []
        self._world = world

    def discover(self, name: str, namespace: str) -> plugins.Provided | None:
        self.asked.append(name)
        if name == "late.act":
            self._world.service.registry.plugins._add([LegacyAction(name, Late)], "test")
        elif name == "late.bad":
            raise PluginFailure("it is broken")
        elif name == "late.never":
            threading.Event().wait(PATIENCE)
        assert namespace == ""
        return None


@pytest.fixture
def package(world: World, monkeypatch: pytest.MonkeyPatch) -> Package:
    made = Package(world)
    monkeypatch.setattr(world.service.registry.plugins, "may_have_more", True)
    monkeypatch.setattr(world.service.registry.plugins, "discover", made.discover)
    return made


def test_it_is_looked_for_once(world: World, package: Package) -> None:
    for _ in range(2):
        assert world.run_action("late.act").result == "the late one, None"
    world.run_action("std.echo", {"output": 1})
    assert package.asked == ["late.act"]


def test_an_adhoc_action_of_its_name_comes_first_before_and_after(world: World, package: Package) -> None:
    world.service.database.write(
        create_definitions, "action", ["0" * 8 + "-0000-4000-8000-" + "0" * 12], [Draft("late.act", ADHOC)],
        project_id="other", namespace="", scope="private", now=1,
    ).result(PATIENCE)  # fmt: skip
    assert world.run_action("late.act").result == "the late one, None"
    world.service.database.write(
        create_definitions, "action", ["1" * 8 + "-0000-4000-8000-" + "0" * 12], [Draft("late.act", ADHOC)],
        project_id=PROJECT, namespace="", scope="private", now=1,
    ).result(PATIENCE)  # fmt: skip
    assert world.run_action("late.act").result == "the ad-hoc one"
    assert package.asked == ["late.act"]


def test_what_is_broken_or_too_slow_says_so(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "LONGEST_SEARCH", 0.05)
    with pytest.raises(InvalidAction, match="it is broken"):
        world.run_action("late.bad")
    with pytest.raises(InvalidAction, match=r"'late\.never' was not found by the packages in 0\.05 s"):
        world.run_action("late.never")
    with pytest.raises(InvalidAction, match=r"Failed to find action \[action_name=late\.none\]"):
        world.run_action("late.none")
    assert package.asked == ["late.bad", "late.never", "late.none"]
