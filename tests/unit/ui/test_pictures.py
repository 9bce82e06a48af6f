"""What a drawing shows of an execution, and the bars of its tasks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from maestrale.lang.parse import load_workflow
from maestrale.store.overview import ChildSeen, Overview, TaskSeen
from maestrale.ui.drawing import PLANNED, Picture, Shape, Stroke, newest_by_name, picture
from maestrale.ui.plan import Plans, plan_of
from maestrale.ui.timeline import SCALE, Timeline, timeline

SECOND = 1_000_000
TEXT = """version: '2.0'
drawn:
  tasks:
    a: {action: std.echo output=1, on-success: [b: <% $.go %>], on-error: [b, fail]}
    b: {join: all, with-items: "i in <% range(2) %>", workflow: other, on-success: [c, noop]}
    c: {action: std.noop, on-complete: [c: <% $.again %>]}
backwards:
  type: reverse
  tasks:
    x: {action: std.noop}
    y: {action: std.noop, requires: [x]}
"""


def task(name: str, state: str = "SUCCESS", number: int = 1, **given: Any) -> TaskSeen:
    fields: dict[str, Any] = {
        "id": f"{name}{number}", "name": name, "type": "ACTION", "state": state, "state_info": None,
        "triggers": (), "retries": 0, "items_count": None, "items_done": 0, "items_failed": 0, "live": True,
        "created_at": 0, "started_at": 0, "finished_at": SECOND,
    }  # fmt: skip
    return TaskSeen(**fields | given)


def overview(
    *tasks: TaskSeen, actions: Any = (), children: Any = (), finished_at: int | None = None
) -> Overview:
    row = {"created_at": 0, "finished_at": finished_at}
    return Overview(row, "hash", 1, list(tasks), len(tasks), list(actions), list(children), 0)


def drawn(*tasks: TaskSeen, name: str = "drawn", **given: Any) -> Picture:
    return picture(plan_of(load_workflow(TEXT, name)), overview(*tasks, **given))


def shape(found: Picture, name: str) -> Shape:
    (one,) = [shape for shape in found.shapes if shape.name == name]
    return one


def stroke(found: Picture, label: str) -> Stroke:
    (one,) = [stroke for stroke in found.strokes if stroke.label == label]
    return one


def test_what_has_not_begun_is_planned() -> None:
    found = drawn(task("a"))
    assert [(shape.name, shape.state) for shape in found.shapes if not shape.is_command] == [
        ("a", "SUCCESS"),
        ("b", PLANNED),
        ("c", PLANNED),
    ]
    assert shape(found, "b").task_id is None
    assert shape(found, "b").is_join
    assert shape(found, "b").detail == "each · join all · workflow other"


def test_lines_say_what_they_are() -> None:
    found = drawn()
    assert sorted(stroke.label for stroke in found.strokes) == [
        "on-complete if …",
        "on-error",
        "on-success",
        "on-success",
        "on-success, on-error if …",
    ]
    one = stroke(found, "on-success, on-error if …")
    assert one.title == "on-success if <% $.go %>; on-error"
    assert stroke(found, "on-complete if …").is_loop
    assert [shape.name for shape in found.shapes if shape.is_command] == ["fail", "noop"]


def test_ways_that_were_taken() -> None:
    """Those that led to a task; not those that a join had expected in vain."""
    ways = (("a1", "on-success"),)
    assert [stroke.is_taken for stroke in drawn(task("a"), task("b", triggers=ways)).strokes].count(True) == 1
    assert stroke(drawn(task("a"), task("b", triggers=ways)), "on-success, on-error if …").is_taken
    in_vain = drawn(task("a"), task("b", triggers=(("a1", "not triggered"), (None, "on-success"))))
    assert not any(stroke.is_taken for stroke in in_vain.strokes)


def test_what_is_required_leads_to_what_requires_it() -> None:
    found = drawn(task("x"), task("y", triggers=(("x1", "requires"),)), name="backwards")
    assert [(stroke.label, stroke.is_taken) for stroke in found.strokes] == [("requires", True)]
    assert shape(found, "x").box.bottom < shape(found, "y").box.y


def test_notes_of_a_box() -> None:
    found = drawn(
        task("a"),
        task("a", number=2, retries=3),
        task("b", "RUNNING", items_count=2, items_done=1, items_failed=1),
        children=[ChildSeen("child", "b1", 0, "other", "RUNNING", 0, None)],
    )
    assert (shape(found, "a").note, shape(found, "a").task_id) == ("retry 3 · run 2×", "a2")
    assert (shape(found, "b").note, shape(found, "b").child_id) == ("1/2, 1 failed", "child")


def test_several_sub_workflows_are_not_one() -> None:
    children = [ChildSeen(f"child{i}", "b1", i, "other", "RUNNING", 0, None) for i in range(2)]
    assert shape(drawn(task("b"), children=children), "b").child_id is None


def test_what_was_superseded_does_not_count() -> None:
    tasks = [task("a", number=1), task("a", "ERROR", number=2, live=False)]
    assert newest_by_name(tasks)["a"].id == "a1"
    assert newest_by_name([task("a", live=False), task("a", number=2, live=False)])["a"].id == "a2"


def test_lines_of_success_need_no_label_among_many() -> None:
    names = [f"t{number}" for number in range(70)]
    tasks = "".join(
        f"    {name}: {{action: std.noop, on-success: {other}}}\n"
        for name, other in itertools.pairwise(names)
    )
    spec = load_workflow(f"version: '2.0'\nmany:\n  tasks:\n{tasks}    t69: {{on-error: fail}}\n", "many")
    found = picture(plan_of(spec), overview())
    assert {stroke.label for stroke in found.strokes} == {"", "on-error"}
    assert {stroke.title for stroke in found.strokes} == {"on-success", "on-error"}


def test_plans_are_made_once_per_definition() -> None:
    plans, spec = Plans(), load_workflow(TEXT, "drawn")
    first = plans.of("hash", spec)
    assert plans.of("hash", spec) is first
    assert plans.of("other", spec) is not first
    for number in range(30):
        plans.of(str(number), spec)
    assert plans.of("hash", spec) is not first


def lines(found: Timeline) -> list[tuple[float, float]]:
    return [(row.running.x, row.running.width) for row in found.rows]


def test_bars_share_one_scale() -> None:
    later: dict[str, Any] = {"created_at": 2 * SECOND, "started_at": 3 * SECOND, "finished_at": 4 * SECOND}
    found = timeline(overview(task("a"), task("b", **later), finished_at=4 * SECOND), 99 * SECOND)
    assert found.seconds == 4
    assert lines(found) == [(0, SCALE / 4), (SCALE * 3 / 4, SCALE / 4)]
    assert found.rows[0].waiting is None
    waited = found.rows[1].waiting
    assert waited is not None
    assert (waited.x, waited.width) == (SCALE / 2, SCALE / 4)


def test_what_runs_lasts_until_now() -> None:
    found = timeline(overview(task("a", "RUNNING", finished_at=None)), 8 * SECOND)
    assert (found.seconds, found.rows[0].seconds, lines(found)) == (8, 8, [(0, SCALE)])


def test_attempts_and_items_are_parts() -> None:
    """Each action execution by itself, with the end that is known of it."""
    actions = [
        ChildSeen("one", "a1", None, "std.http", "ERROR", 0, SECOND),
        ChildSeen("two", "a1", None, "std.http", "RUNNING", 2 * SECOND, SECOND),
    ]
    tasks = overview(task("a", "RUNNING", finished_at=None, retries=1), actions=actions)
    (row,) = timeline(tasks, 4 * SECOND).rows
    assert [(part.x, part.width, part.state) for part in row.parts] == [
        (0, SCALE / 4, "ERROR"),
        (SCALE / 2, SCALE / 2, "RUNNING"),
    ]
    assert row.note == "retry 1"


@pytest.mark.parametrize("now", [0, -5])
def test_no_time_at_all(now: int) -> None:
    """A clock may be behind."""
    found = timeline(overview(task("a", "RUNNING", finished_at=None)), now)
    ((x, width),) = lines(found)
    assert 0 <= x <= SCALE - width
    assert width > 0


def test_causes_have_names_where_they_are_known() -> None:
    found = timeline(overview(task("a"), task("b", triggers=(("a1", "on-success"), ("gone", "on-error")))), 1)
    assert [tuple(cause) for cause in found.rows[1].causes] == [
        ("on-success", "a", "a1"),
        ("on-error", "", None),
    ]
