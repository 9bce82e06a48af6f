"""What a decision costs does not grow with what the execution has done before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import World

from maestrale.engine.identity import Identity
from maestrale.engine.overlay import Overlay

LOOP = """
w:
  tasks:
    s: {on-success: a}
    a:
      publish:
        x: <% $.get(x, 0) + 1 %>
      on-success:
        - a: <% $.x < COUNT %>
"""
LOOP_WITH_JOINS = """
w:
  tasks:
    s: {on-success: [j, k]}
    j:
      join: 1
      publish:
        x: <% $.get(x, 0) + 1 %>
      on-success: b
    b:
      on-success:
        - j: <% $.x < COUNT %>
        - e: <% $.x >= COUNT %>
    e: {on-success: z}
    k: {on-success: z}
    z: {join: all}
"""
DELAYS = """
w:
  tasks:
    t: {with-items: 'i in <% range(COUNT).toList() %>', workflow: inner}
inner:
  tasks:
    a: {wait-before: 1}
"""
ITEMS = """
w:
  tasks:
    t: {with-items: 'i in <% range(COUNT).toList() %>', action: std.noop}
"""
ITEMS_WITH_LOOKUPS = """
w:
  tasks:
    t: {with-items: 'i in <% range(COUNT).toList() %>', action: std.echo output=<% task().name %>}
"""
RESULTS = """
w:
  tasks:
    s: {with-items: 'i in <% range(COUNT).toList() %>', action: std.echo output=<% $.i %>, on-success: t}
    t: {with-items: 'i in <% range(COUNT).toList() %>', action: 'std.echo output=<% task(s).result[$.i] %>'}
"""
WIDE_JOIN = """
w:
  tasks:
    s: {on-success: [BRANCHES]}
    z: {join: all}
"""


@contextmanager
def looking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count, in the one entry of the list, the entries of overlays that are looked at one after another."""
    seen = [0]

    def counting(original: Any) -> Any:
        def iterate(overlay: Overlay[Any, Any]) -> Iterator[Any]:
            for entry in original(overlay):
                seen[0] += 1
                yield entry

        return iterate

    with monkeypatch.context() as patch:
        patch.setattr(Overlay, "items", counting(Overlay.items))
        patch.setattr(Overlay, "__iter__", counting(Overlay.__iter__))
        yield seen


def looked_at(text: str, count: int, monkeypatch: pytest.MonkeyPatch, steps: int = 20) -> int:
    """How many entries are looked at until the workflow ends."""
    with looking(monkeypatch) as seen:
        world = World(text.replace("COUNT", str(count)), check_base=False, steps=steps)
        found = world.start()
        world.advance(2)
        assert found.state == "SUCCESS"
    return seen[0]


def looked_at_by_a_pause(count: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many entries are looked at while sub-workflows of one task are paused and resumed."""
    world = World(DELAYS.replace("COUNT", str(count)), check_base=False)
    found = world.start()
    with looking(monkeypatch) as seen:
        found.pause()
        assert found.task("t").state == "PAUSED"
        found.resume()
        assert found.task("t").state == "RUNNING"
    return seen[0]


class Id(str):
    """An id that counts how often it is held against another one."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Id.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def compared(text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often one id is compared with another until the workflow ends."""
    next_id = Identity.next_id
    Id.compared = 0
    with monkeypatch.context() as patch:
        patch.setattr(Identity, "next_id", lambda identity: Id(next_id(identity)))
        assert World(text, check_base=False, steps=10_000).start().state == "SUCCESS"
    return Id.compared


def wide_join(width: int) -> str:
    names = [f"b{number}" for number in range(width)]
    branches = "".join(f"    {name}: {{on-success: z}}\n" for name in names)
    return WIDE_JOIN.replace("BRANCHES", ", ".join(names)).rstrip() + f"\n{branches}"


@pytest.mark.parametrize("text", [LOOP, LOOP_WITH_JOINS, DELAYS, ITEMS, ITEMS_WITH_LOOKUPS])
def test_cost_is_proportional(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (looked_at(text, count, monkeypatch) for count in (40, 160))
    assert large <= 4.5 * small + 50


def test_results_are_collected_once_in_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (looked_at(RESULTS, count, monkeypatch, steps=10_000) for count in (40, 160))
    assert large <= 4.5 * small + 50


def test_a_join_does_not_search_among_its_branches(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (compared(wide_join(width), monkeypatch) for width in (40, 160))
    assert large <= 4.5 * small + 50


def test_pausing_costs_as_much_as_there_are_children(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (looked_at_by_a_pause(count, monkeypatch) for count in (40, 160))
    assert large <= 4.5 * small + 50
