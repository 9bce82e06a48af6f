"""What use cases ask of the engine, and what they get back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Protocol, TypeVar

import msgspec

from maestrale.engine.events import AnyEvent, Started
from maestrale.expressions.surroundings import Elsewhere
from maestrale.expressions.template import Template
from maestrale.model.security import SecurityContext
from maestrale.model.values import Json, Microseconds
from maestrale.runtime.security import Security

T = TypeVar("T")


class StartWorkflow(msgspec.Struct, frozen=True):
    """Start one root execution; `execution_id` may be chosen by the client (then starting is idempotent).

    `security`: in whose name it works, if that is known.
    """

    started: Started
    execution_id: str | None = None
    security: SecurityContext | None = None


class StartedExecution(msgspec.Struct, frozen=True):
    """The durable answer to a start; `created` is false where the execution existed already."""

    execution_id: str
    created: bool


class RunAction(msgspec.Struct, frozen=True):
    """Run one action by itself.

    `save`: keep a row of it, and answer as soon as that is durable unless `wait`. `wait`: answer only with
    its result, which is refused for an action that is completed from outside; of those a row is kept always.
    The result of an ad-hoc action is transformed by its `output` only where nobody waits for it.
    """

    name: str
    input: dict[str, Json]
    namespace: str = ""
    project_id: str = ""
    description: str | None = None
    target: str | None = None
    timeout: float | None = None
    save: bool = False
    wait: bool = False
    security: SecurityContext | None = None


class RanAction(msgspec.Struct, frozen=True):
    """`action_id` is None where nothing was stored; `state` is RUNNING where the result comes later.

    `input`: what an action got that was not stored, secrets marked; None for an ad-hoc one.
    """

    action_id: str | None
    state: str
    result: Json = None
    input: dict[str, Json] | None = None


class PlannedTask(msgspec.Struct, frozen=True):
    """A task that a restart would make run again, the state it has now, and why it would."""

    id: str
    name: str
    state: str
    workflow_execution_id: str
    workflow_name: str
    reason: str


class Trial(Protocol):
    """A task execution at which expressions can be tried."""

    def evaluate(self, template: Template, items: Mapping[str, Json], now: Microseconds) -> Json:
        """What an expression of the task's input would be now, seeing `items` first; it may take a while."""


class WorkflowEngine(Protocol):
    """The engine as services see it. Every future resolves only after a durable commit.

    Futures fail with a `MaestraleError` that says why something was refused.
    """

    @property
    def security(self) -> Security:
        """In whose name executions and triggers work."""
        ...

    def start_workflow(self, request: StartWorkflow) -> Future[StartedExecution]:
        """Check input, environment and vars; create the execution and take its first decision."""

    def send(self, execution_id: str, event: AnyEvent) -> Future[None]:
        """Deliver an event (a command) to one execution. NotFound if there is no such execution."""

    def plan_restart(self, execution_id: str, task_id: str) -> Future[list[PlannedTask]]:
        """What a restart from a task would make run again. InvalidState if it would be refused."""

    def open_trial(self, execution_id: str, task_id: str) -> Future[Trial]:
        """What expressions of a task see, by committed data. NotFound if there is no such task."""

    def work_out(self, work: Callable[[Elsewhere], T]) -> Future[T]:
        """What `work` gives, which evaluates expressions outside of executions; it is repeated with the
        outcomes of those that take long."""

    def run_action(self, request: RunAction) -> Future[RanAction]:
        """Run one action outside of any workflow."""

    def complete_action(self, action_id: str, state: str, result: Json) -> Future[None]:
        """Complete (SUCCESS, ERROR, CANCELLED), pause or resume an action execution, stand-alone ones too."""

    def definitions_changed(self) -> Future[None]:
        """Take note of stored actions that were stored, renamed or deleted; to be told after the commit."""

    def triggers_changed(self) -> None:
        """Take note of cron triggers that were stored or deleted; to be told after the commit."""

    def delete_execution(self, execution_id: str, force: bool) -> Future[None]:
        """Delete a finished execution (any, with `force`) with everything below it."""
