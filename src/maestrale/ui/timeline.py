"""When the tasks of an execution waited and ran, as bars on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from maestrale.model import states
from maestrale.model.values import Microseconds
from maestrale.store.overview import ChildSeen, Overview, TaskSeen
from maestrale.ui.drawing import progress

SCALE: Final = 1000.0
"""Width of all time together."""

NARROWEST: Final = 3.0
MOST_PARTS: Final = 100
"""Action executions and sub-workflows that a bar shows; of more, the newest."""

SECOND: Final = 1_000_000


class Bar(NamedTuple):
    """A stretch of time: from `x` on, `width` wide, of `SCALE`."""

    x: float
    width: float
    state: str


class Cause(NamedTuple):
    """What led to a task execution; no `task_id` where it was not read or is gone."""

    clause: str
    name: str
    task_id: str | None


class Row(NamedTuple):
    """A task execution: it waited, then it ran; `parts` are its action executions and sub-workflows."""

    task: TaskSeen
    causes: list[Cause]
    note: str
    begun: Microseconds
    seconds: float
    waiting: Bar | None
    running: Bar
    parts: list[Bar]


class Timeline(NamedTuple):
    """All rows, in the order in which the tasks began, and how long all took (seconds)."""

    rows: list[Row]
    seconds: float


def timeline(overview: Overview, now: Microseconds) -> Timeline:
    """The bars of an execution; what is not over lasts until `now`."""
    begin: Microseconds = overview.row["created_at"]
    end = overview.row["finished_at"] or max(now, begin)
    for task in overview.tasks:
        end = max(end, task.finished_at or task.created_at)
    scale = _Scale(begin, end)
    parts: dict[str, list[ChildSeen]] = {}
    for child in (*overview.actions, *overview.sub_workflows):
        parts.setdefault(child.task_id, []).append(child)
    names = {task.id: task.name for task in overview.tasks}
    rows = [_row(task, names, parts.get(task.id, ()), scale) for task in overview.tasks]
    return Timeline(rows, (end - begin) / SECOND)


class _Scale(NamedTuple):
    begin: Microseconds
    end: Microseconds

    def bar(self, start: Microseconds, end: Microseconds, state: str) -> Bar:
        whole = max(self.end - self.begin, 1)
        x = (min(max(start, self.begin), self.end) - self.begin) / whole * SCALE
        width = (min(max(end, start), self.end) - start) / whole * SCALE
        width = max(width, NARROWEST)
        return Bar(round(min(x, SCALE - width), 1), round(width, 1), state)


def _row(task: TaskSeen, names: dict[str, str], parts: Sequence[ChildSeen], scale: _Scale) -> Row:
    begun = task.started_at or task.created_at
    ended = task.finished_at or scale.end
    notes = []
    if task.items_count is not None:
        notes.append(f"items {progress(task)}")
    if task.retries:
        notes.append(f"retry {task.retries}")
    if not task.live:
        notes.append("superseded")
    waited = begun - task.created_at > (scale.end - scale.begin) / SCALE
    return Row(
        task=task,
        causes=[
            Cause(clause, names.get(source or "", ""), source if source in names else None)
            for source, clause in task.triggers
        ],
        note=", ".join(notes),
        begun=begun,
        seconds=max(ended - begun, 0) / SECOND,
        waiting=scale.bar(task.created_at, begun, "WAITING") if waited else None,
        running=scale.bar(begun, ended, task.state),
        parts=[
            scale.bar(part.created_at, _end_of(part, scale.end), part.state) for part in parts[-MOST_PARTS:]
        ],
    )


def _end_of(part: ChildSeen, now: Microseconds) -> Microseconds:
    return part.updated_at or part.created_at if part.state in states.COMPLETED else now
