"""Maps of which a value is worked out only when it is read."""

from __future__ import annotations

from typing import Any

import pytest
from expressions_world import World, value_of

from maestrale.expressions.surroundings import LazyMap


class LazyWorld(World):
    """A task whose result costs something."""

    def __init__(self) -> None:
        super().__init__()
        self.worked_out = 0

    def task(self, name: str | None) -> LazyMap:
        return LazyMap({"name": name, "result": None, "state": "SUCCESS"}, {"result": self._result})

    def _result(self) -> list[int]:
        self.worked_out += 1
        return [7, 8]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("<% task(t1).name %>", "t1"),
        ("<% task(t1).get(state) %>", "SUCCESS"),
        ("<% task(t1).len() %>", 3),
        ("<% task(t1).containsKey(result) %>", True),
        ("<% task(t1).keys().toList() %>", ["name", "result", "state"]),
        ("{{ task('t1').name }}", "t1"),
        ("{{ task('t1') | length }}", 3),
    ],
)
def test_what_is_not_read_is_not_worked_out(expression: str, expected: Any) -> None:
    world = LazyWorld()
    assert value_of(expression, world=world) == expected
    assert world.worked_out == 0


@pytest.mark.parametrize("expression", ["<% task(t1).result %>", "{{ task('t1').result }}"])
def test_what_is_read_is_there(expression: str) -> None:
    world = LazyWorld()
    assert value_of(expression, world=world) == [7, 8]
    assert world.worked_out == 1


@pytest.mark.parametrize("expression", ["<% task(t1) %>", "{{ task('t1') }}"])
def test_the_whole_map_is_an_ordinary_one(expression: str) -> None:
    found = value_of(expression, world=LazyWorld())
    assert type(found) is dict
    assert list(found.items()) == [("name", "t1"), ("result", [7, 8]), ("state", "SUCCESS")]
