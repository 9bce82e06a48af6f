"""From a decided draft to the rows that change. Pure, so that it runs outside of the writer thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from maestrale.engine.context import Context
from maestrale.engine.draft import Change, Draft
from maestrale.engine.effects import Tell
from maestrale.engine.events import AnyEvent
from maestrale.engine.execution import (
    AdHocRun,
    Child,
    Places,
    TaskExecution,
    Transformation,
    WorkflowExecution,
)
from maestrale.engine.needs import Answers, AnyQuestion
from maestrale.model.values import Json, Microseconds
from maestrale.store.documents import Values, decode, dump, encode, encode_optional, has_marks, restore

Row = dict[str, Any]

MATCHED: Final = "b_"
"""What a name in a changed row begins with if its value is to be found in the row, not to be put there."""

_HEAVY = (
    "triggered_by", "next_tasks", "published", "published_global", "runtime", "items", "context",
)  # fmt: skip

_event_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_change_decoder = msgspec.json.Decoder(tuple[Change, ...])


class Reply(msgspec.Struct, frozen=True):
    """The answer to a command that came by mail: HTTP-like status, and why if it was refused."""

    command_id: str
    status: int
    message: str | None = None
    created_at: Microseconds = 0


_ROW_BYTES: Final = 300
"""What a row takes besides its documents: ids, names, states."""


class Size(NamedTuple):
    """How much a commit writes, about. `bytes` counts documents, and so much for each row."""

    rows: int
    bytes: int


class ExecutionRows(msgspec.Struct):
    """Everything one execution writes in one commit."""

    execution_id: str
    root_id: str
    old_version: int | None
    old_owner: str | None
    head: Row
    workflow: Row | None = None
    is_new: bool = False
    new_tasks: list[Row] = []
    light_tasks: list[Row] = []
    full_tasks: list[Row] = []
    new_actions: list[Row] = []
    changed_actions: list[Row] = []
    known: list[Row] = []
    rejected: list[tuple[str, int, list[int] | None]] = []
    dropped: list[str] = []
    records: list[Row] = []
    values: Values = msgspec.field(default_factory=Values)
    mail: list[Row] = []
    notifications: list[Row] = []
    consumed: list[int] = []
    replies: list[Reply] = []
    process_id: str | None = None
    """In whose name this is written, and whose the actions are that start with it."""

    @property
    def size(self) -> Size:
        """How much this is."""
        lists = (
            self.new_tasks, self.light_tasks, self.full_tasks, self.new_actions, self.changed_actions,
            self.known, self.records, self.mail, self.notifications,
        )  # fmt: skip
        count = 1 + (self.workflow is not None) + sum(map(len, lists)) + len(self.values) + len(self.consumed)
        recorded = sum([len(row["event"]) + len(row["changes"] or "") for row in self.records])
        events = recorded + sum([len(row["event"]) for row in self.mail])
        events += sum([len(row["body"]) for row in self.notifications])
        return Size(count, count * _ROW_BYTES + self.values.bytes + events)


def row_bytes(row: Mapping[Any, Any]) -> int:
    """Bytes (characters, of texts) of the values that have no fixed size."""
    return sum([len(value) for value in row.values() if type(value) is str or type(value) is bytes])


class AnswerRecord(msgspec.Struct, frozen=True):
    """One answered need, as stored in a decision record."""

    question: AnyQuestion
    answer: Json


class Unreadable(Exception):
    """What was stored is no event that this version knows."""


def load_event(data: bytes) -> AnyEvent:
    """An event as it was stored in mail or in a decision record. Raises `Unreadable`."""
    try:
        event = _event_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(error) from None
    return restore(event) if has_marks(data) else event


def load_answers(data: bytes | None) -> Answers:
    """The answers of a decision record."""
    if data is None:
        return {}
    found = msgspec.json.decode(data, type=list[AnswerRecord])
    return {a.question: a.answer for a in (restore(found) if has_marks(data) else found)}


def load_changes(text: str | None) -> tuple[Change, ...]:
    """The changes of a decision record."""
    return () if text is None else _change_decoder.decode(text)


def render(
    draft: Draft,
    *,
    execution_id: str,
    old_version: int | None,
    old_owner: str | None,
    new_version: int,
    new_owner: str | None,
    now: Microseconds,
) -> ExecutionRows:
    """The rows of a draft. Raises `Unstorable` for a value that JSON cannot hold."""
    workflow = draft.workflow
    values = Values()
    rows = ExecutionRows(
        execution_id=execution_id,
        root_id=workflow.root_id,
        old_version=old_version,
        old_owner=old_owner,
        is_new=draft.is_new,
        head={
            "id": execution_id,
            "version": new_version,
            "owner": new_owner,
            "alarm_at": draft.next_alarm(),
            "project_id": workflow.project_id,
            "root_id": workflow.root_id,
            "next_sequence": draft.next_sequence,
            "open_tasks": draft.open_tasks,
            "ready": msgspec.json.encode(list(draft.ready)).decode() if draft.ready else None,
            "control_epoch": draft.control_epoch,
            "seed": draft.base.seed,
            "deleting": False,
        },
        rejected=draft.rejected,
        dropped=draft.dropped,
        values=values,
    )
    if draft.workflow_changed:
        rows.workflow = workflow_row(workflow, values)
    project_id, namespace = workflow.project_id, workflow.namespace
    rows.new_tasks = [
        task_row(task, values) | {"project_id": project_id} for task in draft.new_tasks.values()
    ]
    for task_id, task in draft.changed_tasks.items():
        before = draft.base.tasks[task_id]
        if all(getattr(task, name) is getattr(before, name) for name in _HEAVY):
            rows.light_tasks.append(light_task_row(task, values))
        else:
            rows.full_tasks.append(task_row(task, values))
    rows.new_actions = [
        action_row(child, execution_id, project_id, namespace, values)
        for child in draft.new_children.values()
    ]
    rows.changed_actions = [
        changed_action_row(child, values)
        for child in draft.changed_children.values()
        if not child.is_workflow
    ]
    rows.known = [
        {
            "b_id": child_id,
            "accepted": known.accepted,
            "known_state": known.state,
            "known_output": encode(known.output, values) if known.accepted else None,
        }
        for child_id, known in draft.known.items()
    ]
    rows.records = [
        {
            "execution_id": execution_id,
            "sequence": record.sequence,
            "version": new_version,
            "at": record.at,
            "event": dump(record.event),
            "answers": dump([AnswerRecord(q, a) for q, a in record.answers.items()])
            if record.answers
            else None,
            "changes": msgspec.json.encode(record.changes).decode() if record.changes else None,
        }
        for record in draft.records
    ]
    rows.mail = [
        mail_row(effect.execution_id, effect.event, now)
        for effect in draft.effects
        if isinstance(effect, Tell)
    ]
    return rows


def mail_row(
    execution_id: str,
    event: AnyEvent,
    now: Microseconds,
    command_id: str | None = None,
    reply_to: str | None = None,
) -> Row:
    """One letter to an execution."""
    return {
        "execution_id": execution_id,
        "epoch": 0,
        "command_id": command_id,
        "event": dump(event),
        "attempts": 0,
        "created_at": now,
        "reply_to": reply_to,
    }


def workflow_row(workflow: WorkflowExecution, values: Values) -> Row:
    """A row of workflow_executions."""
    return {
        "id": workflow.id,
        "project_id": workflow.project_id,
        "scope": workflow.scope,
        "name": workflow.name,
        "namespace": workflow.namespace,
        "workflow_id": workflow.workflow_id,
        "workbook": workflow.workbook,
        "definition_hash": workflow.definition_hash,
        "root_id": workflow.root_id,
        "parent_id": workflow.parent_id,
        "parent_task_id": workflow.parent_task_id,
        "item_index": workflow.item_index,
        "attempt": workflow.attempt,
        "state": workflow.state,
        "state_info": workflow.state_info,
        "cause": encode_optional(workflow.cause, values),
        "input": encode(workflow.input, values),
        "params": encode(workflow.params, values),
        "variables": encode(workflow.variables, values),
        "globals": encode(workflow.globals, values),
        "output": encode_optional(workflow.output, values),
        "backlog": encode_optional(workflow.backlog, values),
        "cascades": encode_optional(workflow.cascades, values),
        "description": workflow.description,
        "tags": encode(workflow.tags, values),
        "accepted": False,
        "security_context": workflow.security_context,
        "caller": encode_optional(workflow.caller, values),
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
        "finished_at": workflow.finished_at,
    }


def light_task_row(task: TaskExecution, values: Values) -> Row:
    """The columns of a task that change often and cost little."""
    if task.state_info:
        values.bytes += len(task.state_info)
    return {
        "id": task.id,
        "state": task.state,
        "state_info": task.state_info,
        "cause": encode_optional(task.cause, values),
        "due_at": task.due_at,
        "timeout_at": task.timeout_at,
        "items_count": task.items_count,
        "items_next": task.items_next,
        "items_done": task.items_done,
        "items_failed": task.items_failed,
        "live": task.live,
        "processed": task.processed,
        "error_handled": task.error_handled,
        "updated_at": task.updated_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
    }


def task_row(task: TaskExecution, values: Values) -> Row:
    """A whole row of task_executions."""
    row = light_task_row(task, values)
    row.update(
        execution_id=task.execution_id,
        sequence=task.sequence,
        name=task.name,
        type=task.type,
        triggered_by=encode(task.triggered_by, values),
        next_tasks=encode_optional(task.next_tasks, values),
        published=encode_optional(task.published, values),
        published_global=encode_optional(task.published_global, values),
        checkpoint=_checkpoint(task.context, values) if task.checkpointed else None,
        runtime=encode(task.runtime, values),
        items=encode_optional(task.items, values),
        tags=encode(task.tags, values),
        is_join=task.is_join,
        created_at=task.created_at,
    )
    return row


def _checkpoint(context: Context | None, values: Values) -> str | None:
    if context is None:
        return None
    text = encode(context.flat(), values)
    versions = msgspec.json.encode(context.flat_versions()).decode()
    return f'{{"values":{text},"versions":{versions}}}'


def action_row(child: Child, execution_id: str, project_id: str, namespace: str, values: Values) -> Row:
    """A new row of action_executions; `queued` and `executor` are filled in by whoever dispatches it."""
    return {
        "id": child.id,
        "execution_id": execution_id,
        "task_id": child.task_id,
        "item_index": child.item_index,
        "attempt": child.attempt,
        "project_id": project_id,
        "name": child.name,
        "namespace": namespace,
        "target": child.target,
        "state": child.state,
        "state_info": child.state_info,
        "accepted": child.accepted,
        "queued": False,
        "repeatable": child.repeatable,
        "waits_outside": child.waits_outside,
        "executor": None,
        "timeout": None,
        "input": encode(child.input, values),
        "output": encode(child.output, values) if child.accepted else None,
        "description": None,
        "tags": "[]",
        "created_at": child.created_at,
        "updated_at": child.updated_at,
        "adhoc": encode_adhoc(child.adhoc, values),
    }


def changed_action_row(child: Child, values: Values) -> Row:
    """What changes on an action execution after its creation."""
    return {
        "b_id": child.id,
        "state": child.state,
        "state_info": child.state_info,
        "accepted": child.accepted,
        "output": encode(child.output, values) if child.accepted else None,
        "updated_at": child.updated_at,
    }


def encode_adhoc(adhoc: AdHocRun | None, values: Values) -> str | None:
    """What an ad-hoc action runs, as it is stored with it."""
    return None if adhoc is None else encode(msgspec.structs.asdict(adhoc), values)


def decode_adhoc(text: str | None, fetch: Callable[[str], bytes]) -> AdHocRun | None:
    """The same, read back."""
    if text is None:
        return None
    found = decode(text, fetch)
    outputs = tuple(
        Transformation(step["action"], step["output"], msgspec.convert(step.get("places", {}), Places))
        for step in found["outputs"]
    )
    return AdHocRun(found["name"], found["input"], outputs)
