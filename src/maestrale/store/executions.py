"""Writing what decisions changed, and reading an execution back into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, func, select, update

from maestrale.engine.context import Context
from maestrale.engine.draft import Record
from maestrale.engine.execution import Child, Execution, Outcome, Runs, TaskExecution, WorkflowExecution
from maestrale.engine.rebuild import waited_for
from maestrale.model import states
from maestrale.model.values import Json
from maestrale.store.database import guards_itself
from maestrale.store.documents import decode
from maestrale.store.marks import select_standing
from maestrale.store.rows import (
    ExecutionRows,
    Row,
    decode_adhoc,
    load_answers,
    load_changes,
    load_event,
    row_bytes,
)
from maestrale.store.sealing import opened, sealed, sealed_rows
from maestrale.store.tables import (
    action_executions,
    command_replies,
    decision_records,
    execution_heads,
    execution_values,
    mail,
    notifications,
    task_executions,
    workflow_executions,
)
from maestrale.store.writes import Writes, writing

INDEXES_PER_STATEMENT: Final = 500
"""Item indexes in one statement: databases bound the number of variables."""


class Overtaken(Exception):
    """Another owner, or another version, was found at commit: the whole batch is void."""


class MailChanged(Exception):
    """A letter that was decided on is not there any more: the whole batch is void."""


_HEAD_COLUMNS = ("version", "owner", "alarm_at", "next_sequence", "open_tasks", "ready", "control_epoch")
_WORKFLOW_COLUMNS = (
    "state", "state_info", "cause", "params", "globals", "variables", "output", "backlog", "cascades",
    "description", "updated_at", "finished_at",
)  # fmt: skip
_LIGHT_COLUMNS = (
    "state", "state_info", "cause", "due_at", "timeout_at", "items_count", "items_next", "items_done",
    "items_failed", "live", "processed", "error_handled", "updated_at", "started_at", "finished_at",
)  # fmt: skip
_FULL_COLUMNS = (
    *_LIGHT_COLUMNS, "triggered_by", "next_tasks", "published", "published_global", "checkpoint", "runtime",
    "items",
)  # fmt: skip


@guards_itself
def write_executions(connection: Connection, batch: list[ExecutionRows]) -> None:
    """Write all rows of a batch. Raises `Overtaken` or `MailChanged` if memory was not the truth, `LeaseLost`
    if they were decided before this process was taken for dead."""
    names = {rows.process_id for rows in batch if rows.process_id is not None}
    old = [r.workflow for r in batch if r.workflow and not r.is_new]
    with writing(connection) as writes:
        writes.hold(sorted(names))
        _write_heads(writes, batch)
        # What a parent has heard stands on the rows of its children, which others own and write too.
        known = {row["b_id"] for r in batch for row in r.known}
        writes.lock(workflow_executions.c.id, sorted(known.union(row["id"] for row in old)))
        writes.insert(workflow_executions, [r.workflow for r in batch if r.workflow and r.is_new])
        writes.update(workflow_executions, [_only(row, _WORKFLOW_COLUMNS) for row in old])
        writes.insert_new(
            execution_values,
            [
                {"root_id": r.root_id, "hash": key, "data": sealed(connection, data)}
                for r in sorted(batch, key=lambda rows: rows.root_id)
                for key, data in sorted(r.values.items())
            ],
        )
        writes.insert(task_executions, [row for r in batch for row in r.new_tasks])
        light = [_only(row, _LIGHT_COLUMNS) for r in batch for row in r.light_tasks]
        writes.update(task_executions, light)
        writes.update(task_executions, [_only(row, _FULL_COLUMNS) for r in batch for row in r.full_tasks])
        writes.insert(action_executions, [row for r in batch for row in r.new_actions])
        writes.update(action_executions, [row for r in batch for row in r.changed_actions])
        writes.update(workflow_executions, [row for r in batch for row in r.known])
        records = [row for r in batch for row in r.records]
        writes.insert(decision_records, sealed_rows(connection, records, "event", "answers"))
        _write_mail(writes, batch, sealed_rows(connection, [row for r in batch for row in r.mail], "event"))
        told = [row for r in batch for row in r.notifications]
        writes.insert(notifications, sealed_rows(connection, told, "publisher", "body"))
    for rows in batch:
        for task_id, attempt, indexes in rows.rejected:
            _reject(connection, task_id, attempt, indexes)
        for task_id in rows.dropped:
            connection.execute(
                update(action_executions).where(action_executions.c.task_id == task_id).values(output=None)
            )


def find_committed(connection: Connection, batch: list[ExecutionRows]) -> set[str]:
    """The executions among these whose rows have been committed, although the answer was lost.

    No other commit has the version of this one: it stands on the last decision record, or (nothing was
    decided) on the head.
    """
    found = set()
    for rows in batch:
        if rows.records:
            table = decision_records.c
            last = rows.records[-1]
            query = select(table.version).where(
                table.execution_id == rows.execution_id, table.sequence == last["sequence"]
            )
        else:
            query = select(execution_heads.c.version).where(execution_heads.c.id == rows.execution_id)
        if connection.execute(query).scalar() == rows.head["version"]:
            found.add(rows.execution_id)
    return found


def _write_heads(writes: Writes, batch: list[ExecutionRows]) -> None:
    changed = sorted((r for r in batch if not r.is_new), key=lambda rows: rows.execution_id)
    writes.lock(execution_heads.c.id, [r.execution_id for r in changed])
    rows = [
        {
            **{name: r.head[name] for name in _HEAD_COLUMNS},
            "b_id": r.execution_id,
            "b_version": r.old_version,
            "b_owner": r.old_owner,
        }
        for r in changed
    ]
    writes.update(execution_heads, rows, otherwise=Overtaken)
    writes.insert(execution_heads, [r.head for r in batch if r.is_new])


def _write_mail(writes: Writes, batch: list[ExecutionRows], letters: list[Row]) -> None:
    consumed = [sequence for r in batch for sequence in r.consumed]
    writes.delete(mail.c.sequence, consumed, otherwise=MailChanged)
    writes.insert(mail, letters)
    writes.insert(command_replies, [msgspec.structs.asdict(reply) for r in batch for reply in r.replies])


def _only(row: Row, columns: Iterable[str]) -> Row:
    return {"b_id": row["id"], **{name: row[name] for name in columns}}


def _reject(connection: Connection, task_id: str, attempt: int, indexes: list[int] | None) -> None:
    if indexes is not None and len(indexes) > INDEXES_PER_STATEMENT:
        for start in range(0, len(indexes), INDEXES_PER_STATEMENT):
            _reject(connection, task_id, attempt, indexes[start : start + INDEXES_PER_STATEMENT])
        return
    actions = update(action_executions).where(
        action_executions.c.task_id == task_id, action_executions.c.attempt < attempt
    )
    children = update(workflow_executions).where(
        workflow_executions.c.parent_task_id == task_id, workflow_executions.c.attempt < attempt
    )
    if indexes is not None:
        actions = actions.where(action_executions.c.item_index.in_(indexes))
        children = children.where(workflow_executions.c.item_index.in_(indexes))
    connection.execute(actions.values(accepted=False))
    connection.execute(children.values(accepted=False))


class LoadedExecution(msgspec.Struct):
    """An execution as it is in the database. Contexts and joins are rebuilt by the engine's `rebuild`.

    `size`: the bytes of the documents that were read for it.
    """

    execution: Execution
    owner: str | None
    size: int


class _Meter:
    """Counts the bytes of rows that go by."""

    def __init__(self) -> None:
        self.bytes = 0

    def measured(self, rows: Iterable[RowMapping]) -> Iterator[RowMapping]:
        """The same rows."""
        for row in rows:
            self.bytes += row_bytes(row)
            yield row


def fetcher(connection: Connection, root_id: str, *, opens: bool = True) -> Callable[[str], bytes]:
    """How to get a large value of an execution tree; each is read at most once.

    Secrets in it are opened only if it `opens` them: what is masked anyway needs no key.
    """
    return _fetcher(connection, root_id, _Meter(), opens=opens)


def _fetcher(
    connection: Connection, root_id: str, meter: _Meter, *, opens: bool = True
) -> Callable[[str], bytes]:
    known: dict[str, bytes] = {}

    def fetch(key: str) -> bytes:
        if key not in known:
            data = connection.execute(
                select(execution_values.c.data).where(
                    execution_values.c.root_id == root_id, execution_values.c.hash == key
                )
            ).scalar_one()
            known[key] = opened(connection, data) if opens else data
            meter.bytes += len(known[key])
        return known[key]

    return fetch


def load_execution(
    connection: Connection, execution_id: str, superseded: str | None = None
) -> LoadedExecution | None:
    """Read one execution with its tasks and the children that count; None if there is no such one, or if it
    is being deleted.

    `superseded`: the id of a task that counts no more, which is read as well with what its context follows
    from. That is for looking at it only.
    """
    head = connection.execute(select_standing(execution_id, *execution_heads.c)).mappings().one_or_none()
    if head is None:
        return None
    execution = Execution(head["seed"], head["version"])
    execution.next_sequence = head["next_sequence"]
    execution.open_tasks = head["open_tasks"]
    execution.ready.extend(msgspec.json.decode(head["ready"] or "[]"))
    execution.control_epoch = head["control_epoch"]
    meter = _Meter()
    fetch = _fetcher(connection, head["root_id"], meter)
    row = connection.execute(
        select(workflow_executions).where(workflow_executions.c.id == execution_id)
    ).mappings().one()  # fmt: skip
    meter.bytes += row_bytes(row)
    execution.workflow = _workflow(row, fetch)
    execution.last_time = (
        connection.execute(
            select(func.max(decision_records.c.at)).where(decision_records.c.execution_id == execution_id)
        ).scalar_one()
        or 0
    )
    tasks = connection.execute(
        select(task_executions)
        .where(task_executions.c.execution_id == execution_id, task_executions.c.live)
        .order_by(task_executions.c.sequence)
    )
    for task_data in meter.measured(tasks.mappings()):
        _add_task(execution, _task(task_data, fetch))
    if superseded is not None:
        _load_lineage(connection, execution, execution_id, superseded, fetch)
    _load_actions(connection, execution, execution_id, fetch, meter)
    _load_sub_workflows(connection, execution, execution_id, meter)
    return LoadedExecution(execution, head["owner"], meter.bytes)


def _workflow(row: Any, fetch: Callable[[str], bytes]) -> WorkflowExecution:
    names = WorkflowExecution.__struct_fields__
    documents = (
        "cause", "input", "params", "variables", "globals", "output", "backlog", "cascades", "tags", "caller",
    )  # fmt: skip
    return WorkflowExecution(**{n: decode(row[n], fetch) if n in documents else row[n] for n in names})


def _task(row: Any, fetch: Callable[[str], bytes]) -> TaskExecution:
    documents = (
        "cause", "triggered_by", "next_tasks", "published", "published_global", "runtime", "tags", "items",
    )  # fmt: skip
    plain = [n for n in TaskExecution.__struct_fields__ if n not in ("context", "checkpointed")]
    task = TaskExecution(**{n: decode(row[n], fetch) if n in documents else row[n] for n in plain})
    if row["checkpoint"] is not None:
        parts = msgspec.json.decode(row["checkpoint"], type=dict[str, msgspec.Raw])
        values: dict[str, Json] = decode(bytes(parts["values"]).decode(), fetch)
        versions: dict[str, int] = msgspec.json.decode(parts["versions"])
        task.context = Context((values,), (versions,))
        task.checkpointed = True
    return task


def _add_task(execution: Execution, task: TaskExecution) -> None:
    execution.tasks[task.id] = task
    execution.latest[task.name] = task.id
    times = [at for at in (task.due_at, task.timeout_at) if at is not None]
    if times and not task.is_completed:
        execution.timers[task.id] = min(times)
    if task.state == states.WAITING:
        execution.waiting_joins += 1
    if task.is_completed and not task.next_tasks:
        execution.ends[task.id] = True


def _load_lineage(
    connection: Connection,
    execution: Execution,
    execution_id: str,
    task_id: str,
    fetch: Callable[[str], bytes],
) -> None:
    """Add a superseded task, and the tasks before it up to those that are known or have a checkpoint."""
    table = task_executions.c
    wanted = [task_id]
    while wanted:
        query = select(task_executions).where(table.execution_id == execution_id, table.id.in_(wanted))
        found = [_task(row, fetch) for row in connection.execute(query).mappings()]
        execution.tasks.update((task.id, task) for task in found)
        sources = [
            trigger["task_id"] for task in found if not task.checkpointed for trigger in task.triggered_by
        ]
        wanted = [source for source in dict.fromkeys(sources) if source and source not in execution.tasks]


def _load_actions(
    connection: Connection,
    execution: Execution,
    execution_id: str,
    fetch: Callable[[str], bytes],
    meter: _Meter,
) -> None:
    table = action_executions
    query = select(table).where(
        table.c.execution_id == execution_id,
        table.c.accepted | table.c.state.in_([states.RUNNING, states.PAUSED]),
    )
    documents = ("input", "output")
    names = [n for n in Child.__struct_fields__ if n not in ("is_workflow", "adhoc")]
    for row in meter.measured(connection.execute(query).mappings()):
        task = execution.tasks.get(row["task_id"])
        if task is None:
            continue
        child = Child(**{n: decode(row[n], fetch) if n in documents else row[n] for n in names})
        child.adhoc = decode_adhoc(row["adhoc"], fetch)
        if child.accepted:
            runs = execution.runs.setdefault(task.id, Runs())
            runs.outcomes[child.item_index or 0] = Outcome(child.state, child.output, child.id)
        elif child.attempt == task.attempt or task.items_count is not None:
            execution.add_open(child)


def _load_sub_workflows(
    connection: Connection, execution: Execution, execution_id: str, meter: _Meter
) -> None:
    table = workflow_executions
    query = (
        select(
            table.c.id, table.c.parent_task_id, table.c.item_index, table.c.attempt, table.c.name,
            table.c.known_state, table.c.known_output, table.c.root_id, table.c.accepted, table.c.created_at,
        )
        .where(table.c.parent_id == execution_id)
        .order_by(table.c.created_at, table.c.id)
    )  # fmt: skip
    found: dict[str, list[Child]] = {}
    for row in meter.measured(connection.execute(query).mappings()):
        task = execution.tasks.get(row["parent_task_id"])
        if task is None:
            continue
        found.setdefault(task.id, []).append(_sub_workflow(task, row))
        if row["accepted"]:
            output = decode(row["known_output"], _fetcher(connection, row["root_id"], meter))
            runs = execution.runs.setdefault(task.id, Runs())
            runs.outcomes[row["item_index"] or 0] = Outcome(row["known_state"], output, row["id"])
    for task_id, sub_workflows in found.items():
        for child in waited_for(execution.tasks[task_id], sub_workflows):
            execution.add_open(child)


def _sub_workflow(task: TaskExecution, row: Any) -> Child:
    return Child(
        id=row["id"],
        task_id=task.id,
        is_workflow=True,
        item_index=row["item_index"],
        attempt=row["attempt"],
        name=row["name"],
        state=states.PAUSED if row["known_state"] == states.PAUSED else states.RUNNING,
        accepted=row["accepted"],
        created_at=row["created_at"],
    )


def read_records(connection: Connection, execution_id: str) -> list[Record]:
    """The decision records of an execution, in order."""
    query = (
        select(decision_records)
        .where(decision_records.c.execution_id == execution_id)
        .order_by(decision_records.c.sequence)
    )
    return [
        Record(
            row["sequence"],
            row["at"],
            load_event(opened(connection, row["event"])),
            load_answers(opened(connection, row["answers"])),
            load_changes(row["changes"]),
        )
        for row in connection.execute(query).mappings()
    ]
