"""How fast the database itself is: the rows that the service writes, put there by a bare driver."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import workflows
from bench.scenarios import CLIENTS, DIAMOND_TASKS
from maestrale.engine.decide import decide
from maestrale.engine.decision import Limits
from maestrale.engine.draft import Draft
from maestrale.engine.events import Started
from maestrale.engine.execution import Execution
from maestrale.engine.program import Program
from maestrale.lang.parse import load_workflow
from maestrale.model.actions import ActionFacts
from maestrale.store.rows import ExecutionRows, render

SECONDS = 1.0
NAME = "bare"
MARK = "CREATE TABLE IF NOT EXISTS single_rows (number BIGINT PRIMARY KEY)"

Rows = list[dict[str, Any]]
Batch = dict[str, Rows]


@dataclass(frozen=True)
class Bare:
    """`tasks_per_second`: of diamonds, as rows only. `commits_per_second`: of one small row each."""

    tasks_per_second: float
    commits_per_second: float


class _Facts:
    """All actions do nothing."""

    def find(self, name: str) -> ActionFacts | None:
        return ActionFacts(name, pure=lambda: None)

    def suggestions(self, name: str) -> list[str]:
        del name
        return []

    def is_shadowed(self, name: str) -> bool:
        del name
        return False


def batches(executions: int) -> list[Batch]:
    """The rows of so many diamonds, in batches of as many as there are clients in the measured service."""
    program = Program(load_workflow(workflows.fork_join(NAME, DIAMOND_TASKS - 2, "std.noop"), NAME), NAME)
    rows = [_rows(program, number) for number in range(executions)]
    return [_tables(rows[start : start + CLIENTS]) for start in range(0, executions, CLIENTS)]


def on_sqlite(file: Path, executions: int) -> Bare:
    """Into the tables of a file that the service has made, with its settings."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(MARK)

        def commit(statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
            connection.execute("BEGIN")
            for text, rows in statements:
                connection.executemany(text, rows)
            connection.execute("COMMIT")

        return _measure(commit, "?", executions)


def on_postgresql(url: str, executions: int) -> Bare:
    """Into the tables of a database that the service has made."""
    with psycopg.connect(url) as connection:
        connection.execute(MARK)
        connection.commit()

        def commit(statements: Iterable[tuple[str, Sequence[Any]]]) -> None:
            with connection.pipeline(), connection.cursor() as cursor:
                for text, rows in statements:
                    cursor.executemany(text, rows)
            connection.commit()

        return _measure(commit, "%s", executions)


def _measure(
    commit: Callable[[Iterable[tuple[str, Sequence[Any]]]], None], place: str, executions: int
) -> Bare:
    prepared = [
        [
            (_insert(table, list(rows[0]), place), [tuple(row.values()) for row in rows])
            for table, rows in batch.items()
        ]
        for batch in batches(executions)
    ]
    began = time.perf_counter()
    for statements in prepared:
        commit(statements)
    seconds = time.perf_counter() - began
    first = count = time.time_ns()
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < SECONDS:
        commit([(f"INSERT INTO single_rows (number) VALUES ({place})", [(count,)])])
        count += 1
    return Bare(executions * DIAMOND_TASKS / seconds, (count - first) / elapsed)


def _insert(table: str, names: Sequence[str], place: str) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(place for _ in names)})"


def _rows(program: Program, number: int) -> ExecutionRows:
    draft = Draft(Execution(f"{time.time_ns()}{number}", 1))
    started = Started(
        workflow_name=NAME, definition_hash=NAME, workflow_id=NAME, workbook="", namespace="",
        project_id=NAME, input={}, params={},
    )  # fmt: skip
    execution_id = f"{time.time_ns()}-{number}"
    now = time.time_ns() // 1000
    decide(
        draft, started, execution_id=execution_id, program=program, now=now, answers={}, actions=_Facts(),
        limits=Limits(),
    )  # fmt: skip
    return render(
        draft, execution_id=execution_id, old_version=None, old_owner=None, new_version=1, new_owner=None,
        now=now,
    )  # fmt: skip


def _tables(batch: Sequence[ExecutionRows]) -> Batch:
    found: Batch = {
        "execution_heads": [rows.head for rows in batch],
        "workflow_executions": [rows.workflow for rows in batch if rows.workflow is not None],
        "task_executions": [row for rows in batch for row in rows.new_tasks],
        "action_executions": [row for rows in batch for row in rows.new_actions],
        "decision_records": [row for rows in batch for row in rows.records],
    }
    return {table: rows for table, rows in found.items() if rows}
