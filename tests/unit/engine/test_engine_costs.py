"""What a decision costs does not grow with what the execution has done before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness import World

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


def looked_at(text: str, count: int, monkeypatch: pytest.MonkeyPatch, steps: int = 20) -> int:
    """How many entries of overlays are looked at one after another until the workflow ends."""
    seen = 0

    def counting(original: Any) -> Any:
        def iterate(overlay: Overlay[Any, Any]) -> Iterator[Any]:
            nonlocal seen
            for entry in original(overlay):
                seen += 1
                yield entry

        return iterate

    with monkeypatch.context() as patch:
        patch.setattr(Overlay, "items", counting(Overlay.items))
        patch.setattr(Overlay, "__iter__", counting(Overlay.__iter__))
        world = World(text.replace("COUNT", str(count)), check_base=False, steps=steps)
        found = world.start()
        world.advance(2)
        assert found.state == "SUCCESS"
    return seen


@pytest.mark.parametrize("text", [LOOP, LOOP_WITH_JOINS, DELAYS, ITEMS, ITEMS_WITH_LOOKUPS])
def test_cost_is_proportional(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (looked_at(text, count, monkeypatch) for count in (40, 160))
    assert large <= 4.5 * small + 50


def test_results_are_collected_once_in_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (looked_at(RESULTS, count, monkeypatch, steps=10_000) for count in (40, 160))
    assert large <= 4.5 * small + 50
