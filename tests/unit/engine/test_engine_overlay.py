"""A dictionary with pending changes laid over it."""

from __future__ import annotations

import pytest

from maestrale.engine.overlay import Overlay


@pytest.fixture
def base() -> dict[str, int]:
    return {"a": 1, "b": 2, "c": 3}


def test_reads_fall_through_and_writes_do_not(base: dict[str, int]) -> None:
    overlay = Overlay(base)
    overlay["b"] = 20
    overlay["d"] = 4
    overlay.remove("c")
    overlay.remove("nothing")
    assert [overlay.get(key) for key in "abcd"] == [1, 20, None, 4]
    assert [key in overlay for key in "abcd"] == [True, True, False, True]
    assert len(overlay) == 3
    assert list(overlay) == ["a", "b", "d"]
    assert list(overlay.items()) == [("a", 1), ("b", 20), ("d", 4)]
    assert base == {"a": 1, "b": 2, "c": 3}


def test_applying_writes_everything_once(base: dict[str, int]) -> None:
    overlay = Overlay(base)
    overlay["b"] = 20
    overlay["d"] = 4
    overlay.remove("c")
    overlay.apply()
    assert base == {"a": 1, "b": 20, "d": 4}
    base["b"] = 5
    overlay.apply()
    assert base["b"] == 5
    assert len(overlay) == 3


def test_what_is_removed_may_come_back(base: dict[str, int]) -> None:
    overlay = Overlay(base)
    overlay.remove("a")
    overlay.remove("a")
    assert len(overlay) == 2
    overlay["a"] = 9
    assert (overlay.get("a"), len(overlay)) == (9, 3)
    overlay["new"] = 1
    overlay.remove("new")
    assert "new" not in overlay
    overlay.apply()
    assert base == {"a": 9, "b": 2, "c": 3}


def test_clearing_removes_unchanged_and_new_entries(base: dict[str, int]) -> None:
    overlay = Overlay(base)
    overlay["d"] = 4
    overlay.clear()
    assert (len(overlay), list(overlay), list(overlay.items())) == (0, [], [])
    assert base == {"a": 1, "b": 2, "c": 3}
    overlay.apply()
    assert base == {}


def test_false_values_are_values() -> None:
    overlay: Overlay[str, int] = Overlay({"zero": 0})
    overlay["other"] = 0
    assert "zero" in overlay
    assert "other" in overlay
    assert (overlay.get("zero"), overlay.get("other"), len(overlay)) == (0, 0, 2)
