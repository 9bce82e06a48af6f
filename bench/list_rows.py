"""Rows of a service that has run for a year: made up, the same every time, and quickly.

Five projects of very different size with ten workflows each; of a hundred executions ten are sub-workflows,
one still runs and six have failed; some hold large documents; a few tasks and executions are very wide.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

YEAR: Final = 365 * 24 * 3600 * 1_000_000
BEGINNING: Final = 1_760_000_000_000_000
"""The oldest execution: microseconds since 1970."""

PROJECTS: Final = ("large", "big", "middle", "small", "tiny")
PROJECT_SHARES: Final = (0.50, 0.30, 0.15, 0.049, 0.001)
WORKFLOWS: Final = 10
WORKFLOW_SHARES: Final = (0.4, 0.2, 0.1, 0.1, 0.08, 0.05, 0.04, 0.02, 0.008, 0.002)
STATES: Final = ("SUCCESS", "ERROR", "CANCELLED", "PAUSED", "RUNNING")
STATE_SHARES: Final = (0.90, 0.06, 0.02, 0.01, 0.01)
TAGS: Final = ("[]", '["nightly"]', '["nightly","storage"]', '["network"]', "[]")
VERBS: Final = ("prepare", "fetch", "apply", "verify", "report")
TASKS: Final = len(VERBS)
WIDE: Final = 5_000
WIDE_EVERY: Final = 200_000
WIDE_EXECUTION: Final = 150_003
WIDE_TASK: Final = 150_007
"""Of so many executions the one with this number has so many tasks, or a task with so many actions."""

Rows = tuple[Any, ...]


class Kind(NamedTuple):
    """A workflow of a project."""

    project: str
    name: str
    id: str
    tags: str
    tasks: tuple[str, ...]


class Execution(NamedTuple):
    """What all rows of one execution go by."""

    number: int
    id: str
    root_id: str
    parent: str | None
    kind: Kind
    state: str
    created_at: int
    took: int
    document: str


def identifier(at: int, number: int, group: int = 0) -> str:
    """An id that says when it was made, as those of the service do."""
    time = f"{at // 1000:012x}"
    return f"{time[:8]}-{time[8:]}-7{group:03x}-8000-{number:012x}"


def kinds() -> list[list[Kind]]:
    """The workflows of each project."""
    return [
        [
            Kind(
                project,
                f"{project}_workflow_{number}",
                f"00000000-0000-4000-8000-{place:04x}{number:08x}",
                TAGS[number % len(TAGS)],
                tuple(f"{verb}_{number}" if verb != "report" else verb for verb in VERBS),
            )
            for number in range(WORKFLOWS)
        ]
        for place, project in enumerate(PROJECTS)
    ]


def executions(count: int) -> Iterator[Execution]:
    """That many, from the oldest to the newest."""
    chance = random.Random(1)
    known = kinds()
    step = YEAR // count
    root: Execution | None = None
    for number in range(count):
        at = BEGINNING + number * step + chance.randrange(step)
        key = identifier(at, number)
        (project,) = chance.choices(range(len(PROJECTS)), PROJECT_SHARES)
        is_child = root is not None and number % 10 == 9
        if root is not None and is_child:
            project = PROJECTS.index(root.kind.project)
        (kind,) = chance.choices(known[project], WORKFLOW_SHARES)
        (state,) = chance.choices(STATES, STATE_SHARES)
        note = "x" * (3000 if number % 50 == 7 else 60)
        found = Execution(
            number,
            key,
            root.id if root is not None and is_child else key,
            root.id if root is not None and is_child else None,
            kind,
            state,
            at,
            chance.randrange(1_000, 600_000_000),
            f'{{"host":"node-{number % 997}","retries":3,"note":"{note}"}}',
        )
        if not is_child:
            root = found
        yield found


def task_id(execution: Execution, number: int) -> str:
    """The id of the task of an execution with this number."""
    return identifier(execution.created_at, execution.number, 1 + number % 4000)[:-5] + f"{number:05x}"


def head_row(one: Execution) -> Rows:
    """A row of execution_heads."""
    open_tasks = 0 if one.state not in ("RUNNING", "PAUSED") else 1
    return (
        one.id, one.number + 7, None, None, one.kind.project, one.root_id, 5, open_tasks, None, 0, "0" * 32,
        False,
    )  # fmt: skip


def workflow_row(one: Execution, parent_task: str | None) -> Rows:
    """A row of workflow_executions."""
    ended = None if one.state in ("RUNNING", "PAUSED") else one.created_at + one.took
    output = None if ended is None else one.document
    info = "Failure caused by error in tasks: apply" if one.state == "ERROR" else None
    described = f"run {one.number}" if one.number % 3 == 0 else None
    return (
        one.id, one.kind.project, "private", one.kind.name, "", one.kind.id, "", f"{one.kind.name:064}",
        one.root_id, one.parent, parent_task, None, 0, one.state, info, None, one.document,
        '{"env":{},"namespace":""}', "{}", "{}", output, None, described, one.kind.tags, False, None,
        one.created_at, ended, ended, None, None, None,
    )  # fmt: skip


def task_rows(one: Execution, count: int) -> Iterator[Rows]:
    """Rows of task_executions; the last of them is in the state of the execution."""
    before = "[]"
    for number in range(count):
        key = task_id(one, number)
        state = one.state if number == count - 1 and one.state != "CANCELLED" else "SUCCESS"
        at = one.created_at + number * 1000
        ended = None if state in ("RUNNING", "PAUSED") else at + one.took // count
        yield (
            key, one.id, number, one.kind.tasks[number % TASKS], "ACTION", state, None, None, before, "[]",
            '{"host":"node"}', None, None, "{}", None, "[]", None, None, None, 0, 0, 0, False, True,
            ended is not None, False, at, ended, at, ended, one.kind.project,
        )  # fmt: skip
        before = f'[{{"task_id":"{key}","event":"on-success"}}]'


def action_rows(one: Execution, task: str, count: int) -> Iterator[Rows]:
    """Rows of action_executions: so many items of a task."""
    for item in range(count):
        key = (
            identifier(one.created_at, one.number, 0x800 + item % 1000)[:-5]
            + task[-2:]
            + f"{item // 1000:03x}"
        )
        state = "RUNNING" if one.state == "RUNNING" and item == 0 and task[-1] == "1" else "SUCCESS"
        yield (
            key, one.id, task, item, 0, one.kind.project, "std.echo", "", None, state, None,
            state == "SUCCESS", False, False, False, None, None, '{"output":"node"}', '"node"', None, "[]",
            one.created_at + 10 + item, one.created_at + 2000 + item, None,
        )  # fmt: skip
