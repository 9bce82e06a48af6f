"""The engine's side of `task()`, `execution()`, `env()` and the like."""

from __future__ import annotations

from collections.abc import Mapping

from maestrale.engine.decision import CALLER, Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.identity import Identity
from maestrale.engine.needs import FindExecutions, FindTasks
from maestrale.engine.results import task_result
from maestrale.expressions.surroundings import LazyMap
from maestrale.model.values import Json, Microseconds, timestamp_text


class Lookups:
    """Answers functions for expressions of one task (or of the workflow, when there is none)."""

    __slots__ = ("_decision", "_task")

    def __init__(self, decision: Decision, task: TaskExecution | None) -> None:
        self._decision = decision
        self._task = task

    def task(self, name: str | None) -> LazyMap | None:
        """The current task, or the latest execution of the task called `name`."""
        current = self._task
        draft = self._decision.draft
        if name is None or (current is not None and name == current.name):
            found = None if current is None else draft.task(current.id) or current
        else:
            found = draft.latest_task(name)
        return None if found is None else task_map(self._decision, found)

    def tasks(
        self, execution_id: str | None, recursive: bool, state: str | None, flat: bool
    ) -> list[dict[str, Json]]:
        """Tasks of another execution, from committed data; of this one, as they are now."""
        workflow = self._decision.draft.workflow
        if execution_id == workflow.id and not recursive and not flat:
            tasks = sorted((t for _, t in self._decision.draft.tasks.items()), key=lambda t: t.sequence)
            return [task_map(self._decision, t).plain() for t in tasks if state is None or t.state == state]
        found: list[dict[str, Json]] = self._decision.ask(
            FindTasks(execution_id, recursive, state, flat, workflow.project_id)
        )
        return found

    def execution(self) -> dict[str, Json]:
        """The current workflow execution."""
        workflow = self._decision.draft.workflow
        return {
            "id": workflow.id,
            "name": workflow.name,
            "spec": self._decision.program.spec.raw,
            "input": workflow.input,
            "params": workflow.params,
            "created_at": timestamp_text(workflow.created_at),
            "updated_at": timestamp_text(workflow.updated_at),
            "root_execution_id": None if workflow.root_id == workflow.id else workflow.root_id,
        }

    def executions(
        self,
        execution_id: str | None,
        root_execution_id: str | None,
        state: str | None,
        from_time: str | None,
        to_time: str | None,
    ) -> list[dict[str, Json]]:
        """Other executions of the project, from committed data."""
        project = self._decision.draft.workflow.project_id
        found: list[dict[str, Json]] = self._decision.ask(
            FindExecutions(execution_id, root_execution_id, state, from_time, to_time, project)
        )
        return found

    def env(self) -> Mapping[str, Json]:
        """The environment of the root execution."""
        return self._decision.environment()

    def global_variable(self, name: str) -> Json:
        """A value of the execution's global store, None if absent."""
        workflow = self._decision.draft.workflow
        if name == "__execution":
            return {"id": workflow.id}
        default = workflow.caller if name == CALLER else None
        return workflow.globals.get(name, workflow.variables.get(name, default))

    def uuid(self) -> str:
        """A random id, the same whenever this decision is taken again."""
        return self._decision.identity.uuid()

    def random(self) -> float:
        """A random number in [0, 1), the same whenever this decision is taken again."""
        return self._decision.identity.random()

    def now(self) -> Microseconds:
        """The time of this decision."""
        return self._decision.now


class Outside:
    """Answers functions for expressions of an action that belongs to no workflow: there is nothing to see."""

    __slots__ = ("_identity", "_now")

    def __init__(self, identity: Identity, now: Microseconds) -> None:
        self._identity = identity
        self._now = now

    def task(self, name: str | None) -> None:
        """No task."""
        del name

    def tasks(
        self, execution_id: str | None, recursive: bool, state: str | None, flat: bool
    ) -> list[dict[str, Json]]:
        """No tasks."""
        del execution_id, recursive, state, flat
        return []

    def execution(self) -> None:
        """No execution."""

    def executions(
        self,
        execution_id: str | None,
        root_execution_id: str | None,
        state: str | None,
        from_time: str | None,
        to_time: str | None,
    ) -> list[dict[str, Json]]:
        """No executions."""
        del execution_id, root_execution_id, state, from_time, to_time
        return []

    def env(self) -> Mapping[str, Json]:
        """An empty environment."""
        return {}

    def global_variable(self, name: str) -> Json:
        """No global variables."""
        del name

    def uuid(self) -> str:
        """A random id."""
        return self._identity.uuid()

    def random(self) -> float:
        """A random number in [0, 1)."""
        return self._identity.random()

    def now(self) -> Microseconds:
        """The time at which the expression is evaluated."""
        return self._now


def task_map(decision: Decision, task: TaskExecution) -> LazyMap:
    """What expressions see of a task execution; the result of a task over many items costs something."""
    return LazyMap(
        {
            "id": task.id,
            "name": task.name,
            "spec": decision.program.spec.tasks[task.name].raw,
            "state": task.state,
            "state_info": task.state_info,
            "result": None,
            "published": task.published or {},
            "type": task.type,
            "workflow_execution_id": task.execution_id,
            "created_at": timestamp_text(task.created_at),
            "updated_at": timestamp_text(task.updated_at),
        },
        {"result": lambda: task_result(decision, task)},
    )
