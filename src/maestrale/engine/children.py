"""Children of a task: starting one action or sub-workflow, and taking note of how it ended."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from maestrale.engine import messages
from maestrale.engine.adhoc import complete_input, delivered, find_action, prepare, undeliverable
from maestrale.engine.cascades import tell_all
from maestrale.engine.context import merge_maps
from maestrale.engine.decision import Completion, Decision, ForcedFailure, ResultRefused, TaskFailure
from maestrale.engine.effects import CancelAction, RunAction, StartSubWorkflow
from maestrale.engine.events import Started, StopRequested
from maestrale.engine.execution import AdHocRun, Child, Known, Outcome, TaskExecution
from maestrale.engine.limits import check_size
from maestrale.engine.lookups import Lookups
from maestrale.engine.needs import FindWorkflow, FoundWorkflow
from maestrale.engine.notifications import action_changed
from maestrale.expressions.surroundings import Scope
from maestrale.lang.inputs import missing_names
from maestrale.lang.spec import Path
from maestrale.model import states
from maestrale.model.actions import ActionFacts, invalid_input, result_of_error
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json, opened


def start_child(
    decision: Decision, task: TaskExecution, items: Mapping[str, Json] | None = None, index: int | None = None
) -> bool:
    """Start the action or sub-workflow of a task (for one item); True if it has ended already.

    Name, target and input are evaluated first, so that an error leaves no child behind.
    """
    program = decision.task_program(task)
    scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task), items)
    key = "workflow" if program.spec.workflow else "action"
    name = decision.evaluate(program.action_name, scope, (*program.path, key))
    if not isinstance(name, str) or not name:
        raise ForcedFailure(
            f"The {key} name must be a text, got {name!r} {decision.where((*program.path, key))}"
        )
    given = _input(decision, task, scope, (*program.path, key))
    if key == "workflow":
        _start_sub_workflow(decision, task, name, given, index)
        return False
    return _start_action(decision, task, name, given, index, scope)


def _input(decision: Decision, task: TaskExecution, scope: Scope, path: Path) -> dict[str, Json]:
    """The evaluated input; `path` is where the name stands, with parameters beside it."""
    program = decision.task_program(task)
    if isinstance(program.input, tuple):
        given = decision.evaluate_section(program.input, scope, (*program.path, "input"))
    else:
        given = opened(decision.evaluate(program.input, scope, (*program.path, "input")))
        if not isinstance(given, dict):
            raise ForcedFailure(
                f"Wrong dynamic input for task: {task.name}. A map is expected, got {type(given).__name__}"
                f" {decision.where((*program.path, 'input'))}"
            )
    if program.inline:
        inline = decision.evaluate_section(program.inline, scope, path)
        given = merge_maps(given, inline) if given else inline
    return given


def _start_action(
    decision: Decision,
    task: TaskExecution,
    name: str,
    given: dict[str, Json],
    index: int | None,
    scope: Scope,
) -> bool:
    facts, layers = find_action(decision, name)
    defaults = decision.environment().get("__actions")
    if isinstance(defaults, dict) and isinstance(defaults.get(name), dict):
        given = {**defaults[name], **given}
    adhoc = None
    if layers:
        given = complete_input(layers[0], given)
        seen = scope.layers[:-1]  # all but the last layer, which is the input of the workflow
        adhoc = prepare(facts, layers, given, seen, Lookups(decision, task), decision)
    else:
        facts.check_input(given)
        given = facts.sealed(given)
        if facts.key:
            adhoc = AdHocRun(facts.key, given)
    check_size(decision, given, "ActionExecution", "input")
    child = Child(
        id=decision.identity.next_id(),
        task_id=task.id,
        item_index=index,
        attempt=task.attempt,
        name=name,
        repeatable=facts.repeatable,
        waits_outside=facts.waits_outside,
        target=_target(decision, task, given, scope),
        input=given,
        created_at=decision.now,
        adhoc=adhoc,
    )
    outcome = _run_if_pure(facts, child)
    if outcome is None:
        _set_repeatable(decision, task, child)
        decision.draft.add_child(child)
        action_changed(decision, task, child, None)
        if not (facts.waits_outside and facts.pure is not None):
            decision.draft.effects.append(RunAction(child.id))
        return False
    refusal = None
    if adhoc is not None:
        outcome, refusal = _delivered(decision, task, child, outcome)
    child.state = outcome.state
    child.output = outcome.result
    child.accepted = True
    child.updated_at = decision.now
    decision.draft.add_ended_child(child)
    action_changed(decision, task, child, None)
    _note(decision, task, child.item_index, outcome)
    if refusal is not None:
        raise refusal
    return True


def _delivered(
    decision: Decision, task: TaskExecution, child: Child, outcome: Outcome
) -> tuple[Outcome, ResultRefused | None]:
    """The outcome of an ad-hoc action, out of that of the real one."""
    try:
        result = delivered(decision, task, child, outcome.state, outcome.result)
    except MaestraleError as error:
        failed = Outcome(states.ERROR, undeliverable(error, child.name, task.name), child.id)
        return failed, ResultRefused(error, child.name)
    return Outcome(outcome.state, result, child.id), None


def _set_repeatable(decision: Decision, task: TaskExecution, child: Child) -> None:
    template = decision.task_program(task).policies.get("safe-rerun")
    if template is not None:
        scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task))
        path = (*decision.task_program(task).path, "safe-rerun")
        child.repeatable = bool(decision.evaluate(template, scope, path))


def _target(decision: Decision, task: TaskExecution, given: dict[str, Json], scope: Scope) -> str | None:
    program = decision.task_program(task)
    if program.target is None:
        return None
    scope = Scope([given, *scope.layers], scope.surroundings, elsewhere=decision)
    target = decision.evaluate(program.target, scope, (*program.path, "target"))
    return None if target is None else str(target)


def _run_if_pure(facts: ActionFacts, child: Child) -> Outcome | None:
    given = child.real_input
    if facts.pure is None or facts.waits_outside or not facts.is_pure(given):
        return None
    try:
        return Outcome(states.SUCCESS, facts.pure(**given), child.id)
    except Exception as error:  # noqa: BLE001 - whatever an action raises is the task's error
        failed = result_of_error(error, facts.title or child.real_name, child.id)
        return Outcome(failed.state, failed.result, child.id)


def _start_sub_workflow(
    decision: Decision, task: TaskExecution, name: str, given: dict[str, Json], index: int | None
) -> None:
    workflow = decision.draft.workflow
    # Where the tree was started, not where this definition was found: that may be the default namespace.
    given_namespace = workflow.params.get("namespace")
    namespace = given_namespace if isinstance(given_namespace, str) else workflow.namespace
    answer = decision.ask(FindWorkflow(name, namespace, workflow.project_id, workflow.workbook))
    if answer is None:
        raise TaskFailure(f"Failed to find workflow [name={name}, namespace={namespace}]")
    found = msgspec.convert(answer, FoundWorkflow)
    declared = {parameter.name: parameter for parameter in found.input}
    missing = missing_names(found.input, given)
    if missing:
        raise TaskFailure(invalid_input(found.name, found.class_name, missing, []).message)
    handed_on = {key: value for key, value in given.items() if key in declared}
    check_size(decision, handed_on, "WorkflowExecution", "input")
    child = Child(
        id=decision.identity.next_id(),
        task_id=task.id,
        is_workflow=True,
        item_index=index,
        attempt=task.attempt,
        name=found.name,
        created_at=decision.now,
    )
    params: dict[str, Json] = {key: value for key, value in given.items() if key not in declared}
    params |= {
        "root_execution_id": workflow.root_id,
        "task_execution_id": task.id,
        "index": index or 0,
        "namespace": namespace,
        "env": dict(decision.environment()),
    }
    if "notify" in workflow.params:
        params["notify"] = workflow.params["notify"]
    check_size(decision, params, "WorkflowExecution", "params")
    decision.draft.add_child(child)
    decision.draft.effects.append(
        StartSubWorkflow(
            child.id,
            Started(
                workflow_name=found.name,
                definition_hash=found.definition_hash,
                workflow_id=found.workflow_id,
                workbook=found.workbook,
                namespace=found.namespace,
                project_id=workflow.project_id,
                scope=workflow.scope,
                input=handed_on,
                params=params,
                root_id=workflow.root_id,
                parent_id=workflow.id,
                parent_task_id=task.id,
                item_index=index,
                attempt=task.attempt,
                security_context=workflow.security_context,
                caller=workflow.caller,
            ),
        )
    )


def _note(decision: Decision, task: TaskExecution, index: int | None, outcome: Outcome) -> None:
    decision.draft.runs(task.id).outcomes[index or 0] = outcome
    if task.items_count is not None:
        task = decision.draft.edit_task(task)
        task.items_done += 1
        task.items_failed += outcome.state != states.SUCCESS


def child_ended(decision: Decision, task: TaskExecution, child: Child, state: str, result: Json) -> None:
    """Take note of an open child's end. The caller then asks `completion_after`."""
    if not child.is_workflow:
        child, before = decision.draft.edit_child(child), child.state
        child.state = state
        child.output = result
        child.accepted = True
        child.updated_at = decision.now
        action_changed(decision, task, child, before)
    else:
        decision.draft.known[child.id] = Known(state, result, accepted=True)
    decision.draft.close_child(child)
    _note(decision, task, child.item_index, Outcome(state, result, child.id))


def completion_of_single(decision: Decision, task: TaskExecution, info: str | None = None) -> Completion:
    """How a task without items ends, now that its child has."""
    outcome = decision.draft.runs(task.id).outcomes.get(0)
    assert outcome is not None
    if outcome.state == states.SUCCESS:
        return Completion(task.id, states.SUCCESS)
    if task.type == "WORKFLOW":
        word = "Failed" if outcome.state == states.ERROR else "Cancelled"
        info = info or f"{word} subworkflow [execution_id={outcome.child_id}]"
    elif outcome.state == states.ERROR:
        info = messages.result_text(outcome.result)
    return Completion(task.id, outcome.state, info)


def cancel_children(decision: Decision, task: TaskExecution, info: str) -> None:
    """End the open children of a task that is over: actions as CANCELLED at once, sub-workflows are told to.

    A sub-workflow stays open until it reports its end, which is recorded and has no consequences.
    """
    children = [child for _, child in decision.draft.runs(task.id).open.items()]
    sub_workflows = [child.id for child in children if child.is_workflow]
    tell_all(decision, sub_workflows, StopRequested("CANCELLED", info))
    for child in children:
        if child.is_workflow:
            continue
        edited, before = decision.draft.edit_child(child), child.state
        edited.state = states.CANCELLED
        edited.state_info = info
        edited.updated_at = decision.now
        action_changed(decision, task, edited, before)
        decision.draft.effects.append(CancelAction(child.id))
        decision.draft.close_child(child)
