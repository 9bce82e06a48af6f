"""Plays a script to the real core on its virtual clock, and shows what became of it beside the model."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

from engine_worlds import Run as Found
from engine_worlds import World
from reference_graphs import End, Workflows, definition
from reference_model import SOME_TEXT, Model
from reference_state import COMPLETED, Key

from maestrale.engine.draft import Draft
from maestrale.engine.events import ActionFinished, AlarmDue, RerunRequested, SkipRequested
from maestrale.engine.execution import Child, Runs, TaskExecution

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


class Chance:
    """What the outside world does: how every action ends, and what comes first at one instant."""

    def __init__(self, ends: list[End], seed: int) -> None:
        self.ends = ends
        self.seed = seed

    def script(self, key: Key) -> End:
        return self.ends[zlib.crc32(repr(key).encode()) % len(self.ends)]

    def order(self, key: Key) -> tuple[int, str]:
        return zlib.crc32(f"{self.seed}{key!r}".encode()), repr(key)


class Driver:
    """Plays a script to the engine on its virtual clock."""

    def __init__(
        self, graph: Workflows, chance: Chance, alarms: int, steps: int, restarts: int | None
    ) -> None:
        """`restarts`: the seed of when the world is loaded again, None for never."""
        text = "\n".join(
            f"{json.dumps(name)}: {json.dumps(body)}" for name, body in definition(graph).items()
        )
        self.world = World(text, steps=steps, check_base=restarts is not None)
        self.chance = chance
        self.alarms = alarms
        self.restarts = None if restarts is None else random.Random(restarts)
        self.root = self.world.start()

    def run(self) -> None:
        while self.root.state == "RUNNING":
            if self.restarts is not None and self.restarts.random() < 0.3:
                self.world.restart()  # which also checks both ways back
            at, _, _, happen = min(self.agenda(), key=lambda entry: entry[:3])
            self.world.now = at
            happen()

    def repair(self, key: Key, how: str, has_items: bool) -> None:
        """A person has a failed task of the root rerun or skipped."""
        task_id = tasks_of(self.root, ())[key].id
        if how == "skip":
            self.root.send(SkipRequested(task_id))
        else:
            self.root.send(RerunRequested(task_id, how == "rerun" or not has_items))
        self.run()

    def agenda(self) -> list[tuple[int, int, Any, Callable[[], None]]]:
        found: list[tuple[int, int, Any, Callable[[], None]]] = []
        for path, run in self.executions().items():
            if run.state != "RUNNING":
                continue
            alarm = Draft(run.execution).next_alarm()
            if alarm is not None:
                found.append((alarm, self.alarms, self.chance.order(path), partial(run.send, AlarmDue())))
            for key, task in tasks_of(run, path).items():
                for action in open_actions(run, task):
                    here = (*key, action.attempt, action.item_index or 0)
                    end = self.chance.script(here)
                    event = ActionFinished(action.id, end.state, end.result)
                    at = action.created_at + end.seconds * SECOND
                    found.append((at, 1, self.chance.order(here), partial(run.send, event)))
        return found

    def executions(self) -> dict[Key, Found]:
        """All workflow executions by their path."""
        found: dict[Key, Found] = {(): self.root}
        for execution_id, execution in self.world.executions.items():
            workflow = execution.workflow
            if workflow is None or workflow.parent_task_id is None:
                continue
            for key, task in tasks_of(self.root, ()).items():
                if task.id == workflow.parent_task_id:
                    path = (*key, workflow.attempt, workflow.item_index or 0)
                    found[path] = Found(self.world, execution_id)
        return found


def open_actions(run: Found, task: TaskExecution) -> list[Child]:
    runs = run.execution.runs.get(task.id)
    return [] if runs is None else [child for child in runs.open.values() if not child.is_workflow]


def tasks_of(run: Found, path: Key) -> dict[Key, TaskExecution]:
    """Task executions by their key: the workflow's path, the name, the number among its namesakes."""
    counts: dict[str, int] = {}
    found = {}
    for task in run.tasks():
        number = counts.get(task.name, 0)
        counts[task.name] = number + 1
        found[(*path, task.name, number)] = task
    return found


def scrubbed(value: Any) -> Any:
    """Without error texts, which name ids."""
    if isinstance(value, str) and "[" in value:
        return SOME_TEXT
    if isinstance(value, dict):
        return {
            key: SOME_TEXT if key == "result" and isinstance(inner, str | None) else scrubbed(inner)
            for key, inner in value.items()
        }
    return [scrubbed(inner) for inner in value] if isinstance(value, list) else value


def seconds(at: int | None) -> float | None:
    return None if at is None else (at - START) / SECOND


def parents(driver: Driver) -> list[str | None]:
    """The task of every action and sub-workflow ever made."""
    executions = driver.world.executions.values()
    sub_workflows = [e.workflow.parent_task_id for e in executions if e.workflow is not None]
    return [*(row.task_id for row in driver.world.rows.values()), *sub_workflows]


def seen_in_engine(driver: Driver) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, run in driver.executions().items():
        workflow = run.workflow
        found[repr(path)] = {
            "state": workflow.state,
            "ended": seconds(workflow.finished_at),
            "output": scrubbed(workflow.output),
            "globals": scrubbed(workflow.globals),
        }
        for key, task in tasks_of(run, path).items():
            runs = run.execution.runs.get(task.id, Runs())
            found[repr(key)] = {
                "state": task.state,
                "created": seconds(task.created_at),
                "ended": seconds(task.finished_at),
                "attempt": task.attempt,
                "children": parents(driver).count(task.id),
                "results": scrubbed([outcome.result for _, outcome in sorted(runs.outcomes.items())]),
                "published": scrubbed(task.published or {}),
                "globals": scrubbed(task.published_global or {}),
                "next": [name for name, _ in task.next_tasks or ()],
                "variables": scrubbed(run.inbound_of(task)),
            }
    return found


def seen_in_model(model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for execution in model.executions:
        found[repr(execution.path)] = {
            "state": execution.state,
            "ended": execution.ended_at,
            "output": execution.output,
            "globals": execution.globals,
        }
        if any(run.task.publish_global for run in execution.runs if not run.is_completed):
            del found[repr(execution.path)]["globals"]  # what goes on after the end may still publish
        for run in execution.runs:
            found[repr(run.key)] = {
                "state": run.state,
                "created": run.created_at,
                "ended": run.ended_at,
                "attempt": run.attempt,
                "children": run.children,
                "results": [value for _, (_, value) in sorted(run.results.items())],
                "published": run.published,
                "globals": run.published_global,
                "next": run.next,
                "variables": run.context.values,
            }
    return {key: scrubbed(what) for key, what in found.items()}


def differences(driver: Driver, model: Model) -> list[str]:
    """Where the two disagree, in words."""
    engine, expected = seen_in_engine(driver), seen_in_model(model)
    left_over = [key[:-1] for key, what in expected.items() if what["state"] not in COMPLETED]
    lines = []
    for key in sorted({*engine, *expected}):
        if key.startswith(tuple(left_over)):
            continue  # their workflow ended while they ran: how far they had come depends on the bound
        mine, theirs = engine.get(key), expected.get(key)
        if mine is None or theirs is None:
            lines.append(f"{key}: {'only the model' if mine is None else 'only the engine'} has it")
            continue
        lines += [
            f"{key} {what}: {mine[what]!r}, not {theirs[what]!r}"
            for what in theirs
            if mine[what] != theirs[what]
        ]
    return lines
