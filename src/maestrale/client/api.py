"""Everything that can be asked of a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maestrale.client.absent import NOT_GIVEN
from maestrale.client.binding import Carrier, Kind, M, operation
from maestrale.client.catalogue import CronTriggers, Environments, EventTriggers, Members
from maestrale.client.conversation import Request
from maestrale.client.definitions import Actions, CodeSources, DynamicActions, Workbooks, Workflows
from maestrale.client.executions import ActionExecutions, Executions, Tasks
from maestrale.client.paths import given
from maestrale.client.reading import as_sent, many, nothing, one
from maestrale.client.results import Evaluation, Maintenance, Process


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
    """What both clients offer: the kinds of objects, and what belongs to the service itself."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier)
        self.workbooks: Workbooks[M] = Workbooks(carrier)
        self.workflows: Workflows[M] = Workflows(carrier)
        self.actions: Actions[M] = Actions(carrier)
        self.executions: Executions[M] = Executions(carrier)
        self.tasks: Tasks[M] = Tasks(carrier)
        self.action_executions: ActionExecutions[M] = ActionExecutions(carrier)
        self.environments: Environments[M] = Environments(carrier)
        self.cron_triggers: CronTriggers[M] = CronTriggers(carrier)
        self.event_triggers: EventTriggers[M] = EventTriggers(carrier)
        self.members: Members[M] = Members(carrier)
        self.code_sources: CodeSources[M] = CodeSources(carrier)
        self.dynamic_actions: DynamicActions[M] = DynamicActions(carrier)
        self.maintenance: MaintenanceMode[M] = MaintenanceMode(carrier)

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
