"""The state of one workflow execution in memory: the committed part."""

from __future__ import annotations

from collections import deque

import msgspec

from maestrale.engine.context import Context
from maestrale.engine.timers import Timers
from maestrale.model import states
from maestrale.model.values import Json, Microseconds

Cause = dict[str, Json]
"""Why something is RUNNING or WAITING: {"kind": ..., reference ...}. Kinds: action, sub-workflow, items,
join, due, continue, pause, pause-before, rerun, skip, tasks, outside, executor."""


class WorkflowExecution(msgspec.Struct, kw_only=True):
    """One row of workflow_executions. `globals` holds what was published globally, `variables` the vars.

    `cascades`: what sub-workflows are still to be told. Under `waiting` the events by key, the oldest first,
    each with the place of who is next; under each key the ids of all receivers, which do not change.
    """

    id: str
    project_id: str
    scope: str
    name: str
    namespace: str
    workflow_id: str | None
    definition_hash: str
    workbook: str = ""
    root_id: str
    parent_id: str | None
    parent_task_id: str | None
    item_index: int | None
    attempt: int
    state: str
    state_info: str | None = None
    cause: Cause | None = None
    input: dict[str, Json]
    params: dict[str, Json]
    variables: dict[str, Json]
    globals: dict[str, Json]
    output: Json = None
    backlog: list[dict[str, Json]] | None = None
    cascades: dict[str, Json] | None = None
    description: str | None
    tags: list[str]
    security_context: str | None
    caller: dict[str, Json] | None = None
    created_at: Microseconds
    updated_at: Microseconds | None = None
    finished_at: Microseconds | None = None


class TaskExecution(msgspec.Struct, kw_only=True):
    """One row of task_executions.

    `items` are the values of with-items, one map of variables for each index. `context` is the inbound
    context, None until it is rebuilt after a load; it is stored only where `checkpointed`. `live` is false
    once a restart has superseded it: then only its row is left, as history.
    """

    id: str
    execution_id: str
    sequence: int
    name: str
    type: str
    state: str
    state_info: str | None = None
    cause: Cause | None = None
    triggered_by: list[dict[str, Json]]
    next_tasks: list[list[str]] | None = None
    published: dict[str, Json] | None = None
    published_global: dict[str, Json] | None = None
    runtime: dict[str, Json] = {}
    tags: list[str] = []
    due_at: Microseconds | None = None
    timeout_at: Microseconds | None = None
    items: list[dict[str, Json]] | None = None
    items_count: int | None = None
    items_next: int = 0
    items_done: int = 0
    items_failed: int = 0
    is_join: bool = False
    live: bool = True
    processed: bool = False
    error_handled: bool = False
    created_at: Microseconds
    updated_at: Microseconds | None = None
    started_at: Microseconds | None = None
    finished_at: Microseconds | None = None
    context: Context | None = None
    checkpointed: bool = False

    @property
    def is_completed(self) -> bool:
        """Whether it has ended (for now: a rerun opens it again)."""
        return self.state in states.COMPLETED

    @property
    def attempt(self) -> int:
        """How many times its children were thrown away for a new attempt (retry, rerun)."""
        attempt: int = self.runtime.get("attempt", 0)
        return attempt


Places = dict[str, tuple[int, int]]
"""Where in the stored text of an ad-hoc action a section or an entry of it stands (line, column), by a path
such as "base-input.x"."""


class Transformation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `output` section of an ad-hoc action, to be applied to the result of what is below it."""

    action: str
    output: Json
    places: Places = {}


class AdHocRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is really run for an ad-hoc or dynamic action: under which name (or key) an executor finds it, and
    how the result is transformed, innermost first."""

    name: str
    input: dict[str, Json] = {}
    outputs: tuple[Transformation, ...] = ()


class Child(msgspec.Struct, kw_only=True):
    """A child of a task: an action execution (a row that this execution owns) or a sub-workflow.

    For sub-workflows only id, task_id, item_index, attempt, state and accepted mean something.
    `name` and `input` are those of the task; `adhoc` says what is really run if that is something else.
    """

    id: str
    task_id: str
    is_workflow: bool = False
    item_index: int | None = None
    attempt: int = 0
    name: str = ""
    state: str = states.RUNNING
    state_info: str | None = None
    accepted: bool = False
    repeatable: bool = False
    waits_outside: bool = False
    target: str | None = None
    input: dict[str, Json] = {}
    output: Json = None
    created_at: Microseconds = 0
    updated_at: Microseconds | None = None
    adhoc: AdHocRun | None = None

    @property
    def real_name(self) -> str:
        """The name of the action that is really run."""
        return self.name if self.adhoc is None else self.adhoc.name

    @property
    def real_input(self) -> dict[str, Json]:
        """The input of the action that is really run."""
        return self.input if self.adhoc is None else self.adhoc.input

    @property
    def needs_executor(self) -> bool:
        """Whether it ends by an executor of ours (not by an outside party or another execution)."""
        return not self.is_workflow and not self.waits_outside


class Outcome(msgspec.Struct, frozen=True):
    """How an accepted child ended."""

    state: str
    result: Json
    child_id: str


class Known(msgspec.Struct, frozen=True):
    """What a task has heard of one of its sub-workflows. Stored beside it, for its own row may be ahead."""

    state: str
    output: Json = None
    accepted: bool = False


class Runs(msgspec.Struct):
    """What is in memory of the children of one task: open ones by id, accepted outcomes by item index.

    `local`: how many of the open ones an executor of ours has to run.
    """

    open: dict[str, Child] = msgspec.field(default_factory=dict)
    outcomes: dict[int, Outcome] = msgspec.field(default_factory=dict)
    local: int = 0


class JoinProgress(msgspec.Struct):
    """Who has triggered a join in its current round, and who will not.

    `arrivals`: task execution id -> event. `come`: inbound task name -> how many of its executions are among
    the arrivals. `missing`: inbound task name -> reason.
    """

    arrivals: dict[str, str] = msgspec.field(default_factory=dict)
    come: dict[str, int] = msgspec.field(default_factory=dict)
    missing: dict[str, str] = msgspec.field(default_factory=dict)


class Execution:
    """The committed state of one workflow execution. Only loading and `Draft.apply` change it."""

    __slots__ = (
        "children",
        "control_epoch",
        "ends",
        "joins",
        "last_time",
        "latest",
        "local_actions",
        "next_sequence",
        "open_tasks",
        "ready",
        "runs",
        "seed",
        "sub_workflows",
        "tasks",
        "timers",
        "unprocessed",
        "unprocessed_bits",
        "version",
        "waiting_joins",
        "workflow",
    )

    def __init__(self, seed: str, version: int = 0) -> None:
        self.seed = seed
        self.version = version
        self.next_sequence = 1
        self.open_tasks = 0
        self.waiting_joins = 0
        self.control_epoch = 0
        self.local_actions = 0
        """Open action executions that an executor has to run."""
        self.sub_workflows = 0
        """Open sub-workflow executions."""
        self.last_time: Microseconds = 0
        self.workflow: WorkflowExecution | None = None
        self.tasks: dict[str, TaskExecution] = {}
        self.latest: dict[str, str] = {}
        self.runs: dict[str, Runs] = {}
        self.children: dict[str, str] = {}
        self.joins: dict[str, JoinProgress] = {}
        self.unprocessed: dict[str, int] = {}
        """Task name -> how many of its executions have still to choose what follows; only beside joins."""
        self.unprocessed_bits = 0
        """Its keys, as `Routes.bits`."""
        self.timers = Timers()
        self.ends: dict[str, bool] = {}
        self.ready: deque[str] = deque()

    def add_open(self, child: Child) -> None:
        """Put an open child in place that was read from its row."""
        runs = self.runs.setdefault(child.task_id, Runs())
        runs.open[child.id] = child
        runs.local += child.needs_executor
        self.children[child.id] = child.task_id
        self.local_actions += child.needs_executor
        self.sub_workflows += child.is_workflow
