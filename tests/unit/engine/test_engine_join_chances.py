"""Failed joins that are chosen again: whether there is hope, and for whom."""

from __future__ import annotations

import pytest
from harness import run


def test_a_failed_join_that_is_chosen_again_without_hope_stays_as_it_is() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [b, j], on-complete: j}
            c: {on-success: j}
            b: {join: all, on-success: j}
            j: {join: all, on-error: handler}
            handler: {action: std.noop}
            keep: {action: remote}
    """)
    found.fail("a")
    assert found.states["j"] == "ERROR"
    ended = found.task("j").finished_at
    found.fail("keep")
    found.world.advance(1)
    found.rerun("a")
    found.fail("a")
    assert (found.task("j").state, found.task("j").finished_at) == ("ERROR", ended)
    assert found.names.count("handler") == 1


def test_a_failed_join_gets_another_chance_also_before_a_pause() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: [j, pause]}
            c: {on-success: j}
            j: {join: all, action: remote}
            keep: {action: remote}
    """)
    found.fail("a")
    assert found.states["j"] == "ERROR"
    found.fail("keep")
    found.rerun("a")
    found.finish("a")
    found.resume()
    assert found.task("j").state == "RUNNING"


@pytest.mark.parametrize("chosen", ["[again, last]", "[last, again]"])
def test_a_join_hopes_for_one_that_gets_another_chance_at_the_same_time(chosen: str) -> None:
    found = run(f"""
        w:
          tasks:
            a: {{on-success: again}}
            b: {{action: remote, on-success: {chosen}}}
            again: {{join: all, on-success: last}}
            last: {{join: all}}
            keep: {{action: remote}}
    """)
    found.fail("b")
    found.fail("keep")
    assert found.states["again"] == "ERROR"
    found.rerun("b")
    found.finish("b")
    assert (found.states["again"], found.states["last"]) == ("SUCCESS", "SUCCESS")
    assert len(found.tasks("last")) == 1


def test_of_failed_joins_that_are_chosen_together_none_hopes_for_one_without_hope() -> None:
    found = run("""
        w:
          tasks:
            a: {action: std.fail, on-success: never, on-complete: [first, second]}
            never: {action: std.noop, on-success: first}
            b: {action: remote, on-success: [second, first]}
            first: {join: all, on-success: second}
            second: {join: all}
    """)
    before = {name: found.task(name).finished_at for name in ("first", "second")}
    found.world.advance(1)
    found.finish("b")
    assert found.states["first"] == found.states["second"] == "ERROR"
    assert {name: found.task(name).finished_at for name in ("first", "second")} == before
