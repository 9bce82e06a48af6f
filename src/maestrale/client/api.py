"""Everything that can be asked of a server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from maestrale.client.absent import NOT_GIVEN
from maestrale.client.binding import Kind, M, operation
from maestrale.client.conversation import Request
from maestrale.client.paths import given
from maestrale.client.reading import as_sent, many, nothing, one
from maestrale.client.results import Evaluation, Maintenance, Process

if TYPE_CHECKING:
    from maestrale.client.catalogue import CronTriggers, Environments, EventTriggers, Members
    from maestrale.client.definitions import Actions, CodeSources, DynamicActions, Workbooks, Workflows
    from maestrale.client.executions import ActionExecutions, Executions, Tasks


class MaintenanceMode(Kind[M]):
    """Whether the service runs."""

    @operation
    def get(self) -> Request[Maintenance]:
        """`status` is "RUNNING", "PAUSING" or "PAUSED"."""
        return Request("GET", "/maintenance", one(Maintenance), beside=True)

    @operation
    def update(self, status: str) -> Request[Maintenance]:
        """Begin maintenance (PAUSED) or end it (RUNNING); the answer is the status from now on."""
        body = {"status": status}
        return Request("PUT", "/maintenance", one(Maintenance), body=body, beside=True, repeatable=True)


class Api(Kind[M]):
    """What both clients offer: the kinds of objects, and what belongs to the service itself.

    A kind is loaded when it is used: a command needs but one of them.
    """

    @cached_property
    def workbooks(self) -> Workbooks[M]:
        """Workbooks."""
        from maestrale.client.definitions import Workbooks

        return Workbooks(self.carrier)

    @cached_property
    def workflows(self) -> Workflows[M]:
        """Workflows."""
        from maestrale.client.definitions import Workflows

        return Workflows(self.carrier)

    @cached_property
    def actions(self) -> Actions[M]:
        """Actions."""
        from maestrale.client.definitions import Actions

        return Actions(self.carrier)

    @cached_property
    def executions(self) -> Executions[M]:
        """Executions."""
        from maestrale.client.executions import Executions

        return Executions(self.carrier)

    @cached_property
    def tasks(self) -> Tasks[M]:
        """Tasks."""
        from maestrale.client.executions import Tasks

        return Tasks(self.carrier)

    @cached_property
    def action_executions(self) -> ActionExecutions[M]:
        """Action executions."""
        from maestrale.client.executions import ActionExecutions

        return ActionExecutions(self.carrier)

    @cached_property
    def environments(self) -> Environments[M]:
        """Environments."""
        from maestrale.client.catalogue import Environments

        return Environments(self.carrier)

    @cached_property
    def cron_triggers(self) -> CronTriggers[M]:
        """Cron triggers."""
        from maestrale.client.catalogue import CronTriggers

        return CronTriggers(self.carrier)

    @cached_property
    def event_triggers(self) -> EventTriggers[M]:
        """Event triggers."""
        from maestrale.client.catalogue import EventTriggers

        return EventTriggers(self.carrier)

    @cached_property
    def members(self) -> Members[M]:
        """Members."""
        from maestrale.client.catalogue import Members

        return Members(self.carrier)

    @cached_property
    def code_sources(self) -> CodeSources[M]:
        """Code sources."""
        from maestrale.client.definitions import CodeSources

        return CodeSources(self.carrier)

    @cached_property
    def dynamic_actions(self) -> DynamicActions[M]:
        """Dynamic actions."""
        from maestrale.client.definitions import DynamicActions

        return DynamicActions(self.carrier)

    @cached_property
    def maintenance(self) -> MaintenanceMode[M]:
        """Whether the service runs."""
        return MaintenanceMode(self.carrier)

    @operation
    def evaluate(
        self, expression: str, data: Any = NOT_GIVEN, *, task_execution_id: str = ""
    ) -> Request[Evaluation]:
        """What an expression is: on `data`, or where a task execution stands. `ApiError` says the place."""
        body = {"expression": expression} | given(task_execution_id=task_execution_id)
        if data is not NOT_GIVEN:
            body["data"] = data
        return Request("POST", "/evaluations", one(Evaluation), body=body, repeatable=True)

    @operation
    def services(self) -> Request[Sequence[Process]]:
        """The processes that share the work, once for each of their roles."""
        return Request("GET", "/services", many(Process, "services"))

    @operation
    def info(self) -> Request[Any]:
        """What the operator says about the service."""
        return Request("GET", "/info", as_sent, beside=True)

    @operation
    def check_health(self) -> Request[None]:
        """Nothing, if the service can work; `ApiError` if it cannot."""
        return Request("GET", "/health", nothing, beside=True)
