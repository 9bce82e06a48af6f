"""The parsed form of a definition: plain frozen structures, every key of the language.

Values that may hold expressions stay as they were written; `WorkflowSpec.positions` says where
each of them stands in the file.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from maestrale.model.values import Json

Path = tuple[str | int, ...]
"""Keys from a workflow (or action) down to a value, e.g. ("tasks", "t1", "publish", "x")."""

Clause = Literal["on-success", "on-error", "on-complete", "on-skip"]
CLAUSES: tuple[Clause, ...] = ("on-success", "on-error", "on-complete", "on-skip")
COMMANDS = ("noop", "fail", "succeed", "pause")


class Position(msgspec.Struct, frozen=True):
    """A place in a file; both numbers start at 1."""

    line: int
    column: int


class InputParameter(msgspec.Struct, frozen=True):
    """One name in an `input` section. `default` means nothing where `required`."""

    name: str
    required: bool = True
    default: Json = None


class PublishSpec(msgspec.Struct, frozen=True):
    """The three scopes of an advanced `publish`; an absent scope is empty."""

    branch: dict[str, Json] = {}
    global_: dict[str, Json] = {}
    atomic: dict[str, Json] = {}


class TransitionSpec(msgspec.Struct, frozen=True):
    """One entry of an on-clause. `target` is a task of this workflow unless `is_command`."""

    target: str
    guard: str | None = None
    is_command: bool = False
    parameters: dict[str, Json] = {}
    path: Path = ()


class ClauseSpec(msgspec.Struct, frozen=True):
    """One on-clause: where to go, and what to publish on the way."""

    next: tuple[TransitionSpec, ...] = ()
    publish: PublishSpec | None = None


class ItemsSpec(msgspec.Struct, frozen=True):
    """One `variable in values` of `with-items`; `values` is a list or one expression."""

    variable: str
    values: Json
    path: Path = ()


class RetrySpec(msgspec.Struct, frozen=True):
    """`retry`: `count` further attempts with `delay` seconds before each."""

    count: int | str
    delay: int | str
    break_on: str | None = None
    continue_on: str | None = None


class PoliciesSpec(msgspec.Struct, frozen=True):
    """Policies in force for a task (its own, else the workflow's defaults); None = not given.

    Numbers are whole seconds (`concurrency`: items) or an expression; the flags bool or an expression.
    """

    retry: RetrySpec | None = None
    wait_before: int | str | None = None
    wait_after: int | str | None = None
    timeout: int | str | None = None
    pause_before: bool | str | None = None
    concurrency: int | str | None = None
    fail_on: bool | str | None = None
    safe_rerun: bool | str | None = None


class TaskSpec(msgspec.Struct, frozen=True):
    """One task.

    `action` and `workflow` hold the bare name (may be an expression); exactly one is set.
    `inline` are the parameters that stood beside the name; they win over `input` on conflicts
    (maps merge). `clauses` are the effective ones (own, else defaults). `paths` of policies that come
    from task-defaults start with "task-defaults". `raw` is what `task().spec` shows.
    """

    name: str
    action: str | None = None
    workflow: str | None = None
    inline: dict[str, Json] = {}
    input: dict[str, Json] | str = {}
    description: str | None = None
    tags: tuple[str, ...] = ()
    publish: dict[str, Json] = {}
    publish_on_error: dict[str, Json] = {}
    publish_on_skip: dict[str, Json] = {}
    with_items: tuple[ItemsSpec, ...] = ()
    keep_result: bool | str = True
    target: str | None = None
    join: Literal["all"] | int | None = None
    policies: PoliciesSpec = PoliciesSpec()
    clauses: dict[Clause, ClauseSpec] = {}
    requires: tuple[str, ...] = ()
    raw: dict[str, Json] = {}

    @property
    def type(self) -> Literal["ACTION", "WORKFLOW"]:
        """What the API calls the task's type."""
        return "WORKFLOW" if self.workflow else "ACTION"


class WorkflowSpec(msgspec.Struct, frozen=True):
    """One workflow. `raw` is its body as written, with `name` and `version` filled in."""

    name: str
    type: Literal["direct", "reverse"] = "direct"
    description: str | None = None
    tags: tuple[str, ...] = ()
    input: tuple[InputParameter, ...] = ()
    vars: dict[str, Json] = {}
    output: dict[str, Json] | None = None
    output_on_error: dict[str, Json] | None = None
    tasks: dict[str, TaskSpec] = {}
    raw: dict[str, Json] = {}
    positions: dict[Path, Position] = {}

    @property
    def class_name(self) -> str:
        """The name that messages about wrong input use."""
        return "ReverseWorkflowSpec" if self.type == "reverse" else "DirectWorkflowSpec"


class ActionSpec(msgspec.Struct, frozen=True):
    """One ad-hoc action: another action with prepared input and a transformed result."""

    name: str
    base: str
    base_input: dict[str, Json] = {}
    inline: dict[str, Json] = {}
    input: tuple[InputParameter, ...] = ()
    output: Json = None
    has_output: bool = False
    description: str | None = None
    tags: tuple[str, ...] = ()
    raw: dict[str, Json] = {}
    positions: dict[Path, Position] = {}


class WorkbookSpec(msgspec.Struct, frozen=True):
    """A workbook: workflows and ad-hoc actions under one name."""

    name: str
    description: str | None = None
    tags: tuple[str, ...] = ()
    workflows: tuple[WorkflowSpec, ...] = ()
    actions: tuple[ActionSpec, ...] = ()


class Problem(msgspec.Struct, frozen=True):
    """One finding in a definition text.

    `text` is the offending piece, `hint` what to do; `path` counts from the top of the text.
    """

    message: str
    line: int = 1
    column: int = 1
    text: str = ""
    hint: str = ""
    path: Path = ()
    is_error: bool = True
    kind: Literal["model", "syntax", "grammar"] = "model"
