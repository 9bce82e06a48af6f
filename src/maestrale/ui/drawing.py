"""What a drawing shows: the graph of a workflow with the states of one execution, ready for a template."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from maestrale.lang.spec import CLAUSES
from maestrale.store.overview import ChildSeen, Overview, TaskSeen
from maestrale.ui.graph import Box, Line, Point
from maestrale.ui.layers import Pair
from maestrale.ui.plan import REQUIRES, Plan, Route, Spot

PLANNED: Final = "not started"
NAME_LENGTH: Final = 22
DETAIL_LENGTH: Final = 27
"""Characters for which there is room in a box, and beside a line."""

CLEAR: Final = 60
"""Tasks up to which every line has its label; with more, lines of `on-success` have none."""


HALFWAY: Final = 0.45
EARLY: Final = 0.35
BELOW: Final = 12.0
"""How far along a line its label stands, along one that leads up, and below one from a box to itself."""


class Shape(NamedTuple):
    """A box: `detail` and `note` are its second line and what stands beside the state. `state`: of the newest
    task execution of this name, whose id is `task_id`; `child_id`: its only sub-workflow."""

    box: Box
    name: str
    short_name: str
    detail: str
    short_detail: str
    state: str
    note: str
    task_id: str | None
    child_id: str | None
    is_join: bool
    is_command: bool


class Stroke(NamedTuple):
    """A line: an SVG path, its label and where that stands. `title`: the label with all guards.
    `kind`: success, error, other. `is_taken`: the execution has gone this way."""

    path: str
    label: str
    title: str
    at: Point
    kind: str
    is_loop: bool
    is_taken: bool


class Picture(NamedTuple):
    """A whole drawing."""

    width: float
    height: float
    blocks: list[Box]
    strokes: list[Stroke]
    shapes: list[Shape]


def picture(plan: Plan, overview: Overview) -> Picture:
    """The graph of a workflow with the states of an execution."""
    newest = newest_by_name(overview.tasks)
    counts: dict[str, int] = {}
    for task in overview.tasks:
        counts[task.name] = counts.get(task.name, 0) + 1
    children: dict[str, list[ChildSeen]] = {}
    for child in overview.sub_workflows:
        children.setdefault(child.task_id, []).append(child)
    layout = plan.layout
    shapes = [
        _shape(spot, layout.boxes[spot.key], newest.get(spot.name), counts.get(spot.name, 0), children)
        for spot in plan.spots
    ]
    taken = _taken(overview.tasks)
    is_clear = len(plan.spots) <= CLEAR
    strokes = [_stroke(line, plan.routes, taken, is_clear=is_clear) for line in layout.lines]
    strokes.sort(key=lambda stroke: stroke.is_taken)  # those that count lie on top
    return Picture(layout.width, layout.height, layout.blocks, strokes, shapes)


def newest_by_name(tasks: Iterable[TaskSeen]) -> dict[str, TaskSeen]:
    """The task execution of each name that counts: the newest that was not superseded."""
    newest: dict[str, TaskSeen] = {}
    for task in tasks:
        known = newest.get(task.name)
        if known is None or task.live or not known.live:
            newest[task.name] = task
    return newest


def _shape(
    spot: Spot, box: Box, task: TaskSeen | None, count: int, children: Mapping[str, Sequence[ChildSeen]]
) -> Shape:
    if spot.task is None:
        return Shape(box, spot.name, spot.name, "", "", "", "", None, None, False, True)
    spec = spot.task
    detail = f"workflow {spec.workflow}" if spec.workflow else (spec.action or "std.noop")
    if spec.join is not None:
        detail = f"join {spec.join} · {detail}"
    if spec.with_items:
        detail = f"each · {detail}"
    own = children.get(task.id, ()) if task else ()
    return Shape(
        box=box,
        name=spot.name,
        short_name=cut(spot.name, NAME_LENGTH),
        detail=detail,
        short_detail=cut(detail, DETAIL_LENGTH),
        state=task.state if task else PLANNED,
        note=_note(task, count) if task else "",
        task_id=task.id if task else None,
        child_id=own[0].id if len(own) == 1 else None,
        is_join=spec.join is not None,
        is_command=False,
    )


def _note(task: TaskSeen, count: int) -> str:
    parts = []
    if task.items_count is not None:
        parts.append(progress(task))
    if task.retries:
        parts.append(f"retry {task.retries}")
    if count > 1:
        parts.append(f"run {count}×")
    return " · ".join(parts)


def progress(task: TaskSeen) -> str:
    """How far with-items has come."""
    failed = f", {task.items_failed} failed" if task.items_failed else ""
    return f"{task.items_done}/{task.items_count}{failed}"


def _taken(tasks: Sequence[TaskSeen]) -> set[Pair]:
    """The edges that led to a task execution."""
    names = {task.id: task.name for task in tasks}
    return {
        (names[source], task.name)
        for task in tasks
        for source, clause in task.triggers
        if source in names and (clause in CLAUSES or clause == REQUIRES)
    }


def _stroke(
    line: Line, routes: Mapping[Pair, Sequence[Route]], taken: set[Pair], *, is_clear: bool
) -> Stroke:
    found = list(dict.fromkeys(route for pair in line.pairs for route in routes[pair]))
    clauses = list(dict.fromkeys(route.clause for route in found))
    guards = list(dict.fromkeys(route.guard for route in found if route.guard))
    label = ", ".join(clauses)
    titled = [f"{route.clause} if {route.guard}" if route.guard else route.clause for route in found]
    if guards:
        label += " if …"
    elif not is_clear and clauses == ["on-success"]:
        label = ""
    return Stroke(
        path=path_of(line),
        label=label,
        title="; ".join(titled),
        at=_label_place(line),
        kind=_kind(clauses),
        is_loop=line.is_loop,
        is_taken=any(pair in taken for pair in line.pairs),
    )


def _kind(clauses: Sequence[str]) -> str:
    if clauses == ["on-success"]:
        return "success"
    return "error" if clauses == ["on-error"] else "other"


def path_of(line: Line) -> str:
    """An SVG path through the points of a line."""
    points = line.points
    first = points[0]
    if _is_to_itself(line):
        _, (out, _), last = points
        return f"M{_at(first)}C{_at((out, first[1] + 22))} {_at((out + 14, last[1] - 22))} {_at(last)}"
    parts = [f"M{_at(first)}"]
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        if x == next_x:
            parts.append(f"L{_at((next_x, next_y))}")
        else:
            half = (y + next_y) / 2
            parts.append(f"C{_at((x, half))} {_at((next_x, half))} {_at((next_x, next_y))}")
    return "".join(parts)


def _at(point: Point) -> str:
    return f"{point[0]:g},{point[1]:g}"


def _label_place(line: Line) -> Point:
    """On the first part of a line, near where it comes from; those of loops not beside those of others."""
    (x, y), (next_x, next_y) = line.points[:2]
    if _is_to_itself(line):
        return next_x, y + BELOW
    part = EARLY if line.is_loop else HALFWAY
    left, right = (1 - part) ** 2 * (1 + 2 * part), part**2 * (3 - 2 * part)
    down = 1.5 * part * (1 - part) + part**3
    return round(x * left + next_x * right, 1), round(y + (next_y - y) * down, 1)


def _is_to_itself(line: Line) -> bool:
    source, target = line.pairs[0]
    return source == target


def cut(text: str, length: int) -> str:
    """A text with its end left out where it is too long."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
