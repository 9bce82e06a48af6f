"""The lists that people ask for: each a request, made anew for every measurement."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import quote

from bench import list_rows
from bench.list_rows import Execution

NEWEST: Final = "sort_keys=created_at&sort_dirs=desc&limit=100"
OLDEST: Final = "limit=100"
EVERYBODY: Final = "admin"
"""The caller who sees all projects."""

SAMPLES: Final = 2_000


class Asked(NamedTuple):
    """A request. `caller` is a project, or `EVERYBODY`."""

    caller: str
    path: str
    query: str


class Case(NamedTuple):
    """One kind of list."""

    name: str
    ask: Callable[[Known], Asked]


class Known:
    """What a database holds, for choosing what to ask for; the same choices every time."""

    def __init__(self, count: int) -> None:
        self._chance = random.Random(2)
        every = max(1, count // SAMPLES)
        self._executions: dict[str, list[Execution]] = {project: [] for project in list_rows.PROJECTS}
        self._any: list[Execution] = []
        self.wide: list[Execution] = []
        self.wide_task: list[Execution] = []
        for one in list_rows.executions(count):
            if one.number % every == 0 or one.kind.project == list_rows.PROJECTS[-1]:
                self._executions[one.kind.project].append(one)
            if one.number % every == 0:
                self._any.append(one)
            if one.number % list_rows.WIDE_EVERY == list_rows.WIDE_EXECUTION:
                self.wide.append(one)
            if one.number % list_rows.WIDE_EVERY == list_rows.WIDE_TASK:
                self.wide_task.append(one)

    def execution(self, project: str | None = None) -> Execution:
        """Any execution of a project."""
        return self._chance.choice(self._any if project is None else self._executions[project])

    def project(self) -> str:
        """Any project, however small."""
        return self._chance.choice(list_rows.PROJECTS)

    def number(self) -> int:
        """Any number of a workflow; small ones are more common among executions."""
        return self._chance.randrange(list_rows.WORKFLOWS)

    def second(self) -> str:
        """Any time of the year."""
        at = list_rows.BEGINNING + self._chance.randrange(list_rows.YEAR)
        return datetime.datetime.fromtimestamp(at // 1_000_000, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def _of_project(path: str, query: Callable[[Known, str], str]) -> Callable[[Known], Asked]:
    def ask(known: Known) -> Asked:
        project = known.project()
        return Asked(project, path, query(known, project))

    return ask


def _of_all(path: str, query: Callable[[Known], str]) -> Callable[[Known], Asked]:
    return lambda known: Asked(EVERYBODY, path, query(known))


def _always(query: str) -> Callable[[Known, str], str]:
    return lambda _known, _project: query


def _tasks_of(known: Known) -> Asked:
    one = known.execution()
    return Asked(one.kind.project, f"/v2/executions/{one.id}/tasks", OLDEST)


def _tasks_of_a_wide_one(known: Known) -> Asked:
    one = known.wide[0] if known.wide else known.execution()
    return Asked(one.kind.project, f"/v2/executions/{one.id}/tasks", NEWEST)


def _actions_of(known: Known) -> Asked:
    one = known.execution()
    return Asked(one.kind.project, f"/v2/tasks/{list_rows.task_id(one, 0)}/action_executions", OLDEST)


def _actions_of_a_wide_one(known: Known) -> Asked:
    one = known.wide_task[0] if known.wide_task else known.execution()
    return Asked(one.kind.project, f"/v2/tasks/{list_rows.task_id(one, 1)}/action_executions", NEWEST)


def _children_of(known: Known) -> Asked:
    one = known.execution()
    return Asked(one.kind.project, f"/v2/tasks/{list_rows.task_id(one, 0)}/workflow_executions", OLDEST)


EXECUTIONS: Final = "/v2/executions"
TASKS: Final = "/v2/tasks"
ACTIONS: Final = "/v2/action_executions"

CASES: Final = (
    Case("newest executions", _of_project(EXECUTIONS, _always(NEWEST))),
    Case("next page, anywhere", _of_project(
        EXECUTIONS, lambda known, project: f"{NEWEST}&marker={known.execution(project).id}")),
    Case("newest executions in RUNNING", _of_project(EXECUTIONS, _always(f"{NEWEST}&state=RUNNING"))),
    Case("oldest executions in ERROR", _of_project(EXECUTIONS, _always(f"{OLDEST}&state=ERROR"))),
    Case("newest executions not in SUCCESS", _of_project(EXECUTIONS, _always(f"{NEWEST}&state=neq:SUCCESS"))),
    Case("newest executions of a workflow's name", _of_project(
        EXECUTIONS,
        lambda known, project: f"{NEWEST}&workflow_name={project}_workflow_{known.number()}")),
    Case("newest executions of a workflow's id", _of_project(
        EXECUTIONS, lambda known, project: f"{NEWEST}&workflow_id={known.execution(project).kind.id}")),
    Case("executions since a time", _of_project(
        EXECUTIONS, lambda known, _: f"{OLDEST}&created_at=gte:{quote(known.second())}")),
    Case("newest executions without a parent", _of_project(
        EXECUTIONS, _always(f"{NEWEST}&nulls=root_execution_id"))),
    Case("executions that a task started", _children_of),
    Case("newest executions with a tag", _of_project(EXECUTIONS, _always(f"{NEWEST}&tags=storage"))),
    Case("newest executions whose workflow's name has a text", _of_project(
        EXECUTIONS, lambda known, _: f"{NEWEST}&workflow_name=has:flow_{known.number()}")),
    Case("newest executions of other workflows than these", _of_project(
        EXECUTIONS, lambda _, own: f"{NEWEST}&workflow_name=nin:{own}_workflow_0,{own}_workflow_1")),
    Case("newest executions of all projects", _of_all(EXECUTIONS, lambda _: f"{NEWEST}&all_projects=true")),
    Case("newest in RUNNING of all projects", _of_all(EXECUTIONS, lambda _: f"{NEWEST}&state=RUNNING")),
    Case("newest of a workflow's name of all projects", _of_all(
        EXECUTIONS, lambda known: f"{NEWEST}&workflow_name={known.project()}_workflow_{known.number()}")),
    Case("newest tasks", _of_project(TASKS, _always(NEWEST))),
    Case("tasks of an execution", _tasks_of),
    Case("newest tasks of an execution of 5,000", _tasks_of_a_wide_one),
    Case("newest tasks in ERROR", _of_project(TASKS, _always(f"{NEWEST}&state=ERROR"))),
    Case("oldest tasks in RUNNING of all projects", _of_all(TASKS, lambda _: f"{OLDEST}&state=RUNNING")),
    Case("newest tasks of a name", _of_project(
        TASKS, lambda known, _: f"{NEWEST}&name=apply_{known.number()}")),
    Case("newest action executions", _of_project(ACTIONS, _always(NEWEST))),
    Case("action executions of a task", _actions_of),
    Case("newest action executions of a task of 5,000", _actions_of_a_wide_one),
    Case("oldest action executions in RUNNING", _of_project(ACTIONS, _always(f"{OLDEST}&state=RUNNING"))),
)  # fmt: skip
