"""The beginning of a workflow execution."""

from __future__ import annotations

from maestrale.engine.context import EMPTY
from maestrale.engine.decision import Decision
from maestrale.engine.direct import start_workflow_tasks
from maestrale.engine.events import Started
from maestrale.engine.execution import WorkflowExecution
from maestrale.engine.limits import check_size
from maestrale.engine.lookups import Lookups
from maestrale.engine.notifications import workflow_changed
from maestrale.engine.outputs import end_workflow
from maestrale.engine.program import compile_section
from maestrale.engine.reverse import start_required, target_of
from maestrale.expressions.surroundings import Scope
from maestrale.lang.inputs import check_input
from maestrale.model import states
from maestrale.model.errors import EvaluationError, InvalidInput, MaestraleError
from maestrale.model.values import Json


def start_workflow(decision: Decision, execution_id: str, event: Started) -> None:
    """Create the execution and set its first tasks going.

    Wrong input, environment or vars refuse the start of a root; a child is created and ends in ERROR, so
    that its parent learns why.
    """
    spec = decision.program.spec
    check_size(decision, event.input, "WorkflowExecution", "input")
    check_size(decision, event.params, "WorkflowExecution", "params")
    workflow = WorkflowExecution(
        id=execution_id,
        project_id=event.project_id,
        scope=event.scope,
        name=event.workflow_name,
        namespace=event.namespace,
        workflow_id=event.workflow_id,
        definition_hash=event.definition_hash,
        workbook=event.workbook,
        root_id=event.root_id or execution_id,
        parent_id=event.parent_id,
        parent_task_id=event.parent_task_id,
        item_index=event.item_index,
        attempt=event.attempt,
        state=states.RUNNING,
        cause={"kind": "tasks"},
        input=_input(decision, event.input),
        params={**event.params, "namespace": event.namespace or event.params.get("namespace", "")},
        variables={},
        globals={},
        description=event.description,
        tags=list(spec.tags),
        security_context=event.security_context,
        caller=event.caller,
        created_at=decision.now,
    )
    decision.draft.create_workflow(workflow)
    try:
        workflow.params["env"] = _environment(decision, event)
        scope = decision.scope(None, Lookups(decision, None), EMPTY)
        workflow.variables = decision.evaluate_section(decision.program.vars, scope, ("vars",))
        workflow_changed(decision, None)
        if spec.type == "reverse":
            target_of(decision)
            start_required(decision)
        else:
            start_workflow_tasks(decision)
    except MaestraleError as error:
        if event.parent_id is None:
            raise
        end_workflow(decision, states.ERROR, str(error))


def _input(decision: Decision, given: dict[str, Json]) -> dict[str, Json]:
    """The given input with defaults filled in. Raises `InvalidInput` for wrong names."""
    spec = decision.program.spec
    check_input(spec, given)
    defaults = {p.name: p.default for p in spec.input if not p.required and p.name not in given}
    return {**given, **defaults}


def _environment(decision: Decision, event: Started) -> dict[str, Json]:
    """A child's environment is its root's, as it is; a root's values are evaluated against themselves."""
    env = event.params.get("env") or {}
    if not isinstance(env, dict):
        raise InvalidInput(f"Unexpected value type for environment [env={env}, type={type(env).__name__}]")
    if event.parent_id is not None or event.params.get("evaluate_env") is False:
        return env
    scope = Scope([{"__env": env}], _EnvironmentOnly(decision, env), elsewhere=decision)
    try:
        return decision.evaluate_section(compile_section(env), scope, ("params", "env"))
    except EvaluationError as error:
        raise InvalidInput(f"The environment cannot be evaluated: {error.message}", error.hint) from None


class _EnvironmentOnly(Lookups):
    """While the environment is evaluated, `env()` is the raw one."""

    __slots__ = ("_env",)

    def __init__(self, decision: Decision, env: dict[str, Json]) -> None:
        super().__init__(decision, None)
        self._env = env

    def env(self) -> dict[str, Json]:
        return self._env
