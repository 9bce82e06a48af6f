"""The end of a workflow execution: final context, output, and telling the parent."""

from __future__ import annotations

from maestrale.engine import messages
from maestrale.engine.branches import meet, outbound
from maestrale.engine.context import EMPTY, Context
from maestrale.engine.decision import Decision
from maestrale.engine.effects import Tell
from maestrale.engine.events import SubWorkflowFinished
from maestrale.engine.limits import FieldTooLarge, check_size, cut
from maestrale.engine.lookups import Lookups
from maestrale.engine.notifications import workflow_changed
from maestrale.engine.program import Section
from maestrale.model import states
from maestrale.model.errors import MaestraleError
from maestrale.model.values import Json


def final_context(decision: Decision) -> Context:
    """What the ends of all branches hand to the workflow's output."""
    draft = decision.draft
    if decision.program.spec.type == "reverse":
        target = draft.latest_task(str(draft.workflow.params.get("task_name")))
        return outbound(decision, target) if target is not None and target.is_completed else EMPTY
    ends = [task for task_id in draft.ends if (task := draft.task(task_id)) is not None]
    return meet(decision, ends)


def end_workflow(decision: Decision, state: str, info: str | None) -> None:
    """End the execution in `state` with the output that belongs to it; the parent is told.

    An error in the `output` section turns SUCCESS into ERROR.
    """
    output: Json
    if state == states.SUCCESS:
        try:
            output = _success_output(decision)
        except MaestraleError as error:
            workflow = decision.draft.workflow
            info = f"Failed to check and complete [wf_ex_id={workflow.id}, wf_name={workflow.name}]: {error}"
            state = states.ERROR
    if state == states.ERROR:
        output, info = _error_output(decision, info)
    elif state == states.CANCELLED:
        output = {"result": info}
    _end(decision, state, info, output)


def success_output(decision: Decision) -> dict[str, Json]:
    """The output as it would be now; raises if the section cannot be evaluated."""
    return _success_output(decision)


def fail_unhandled(decision: Decision) -> None:
    """End an execution in which nothing runs any more, by the states of its tasks."""
    draft = decision.draft
    tasks = [task for _, task in draft.tasks.items()]
    cancelled = sorted({task.name for task in tasks if task.state == states.CANCELLED})
    if cancelled:
        end_workflow(decision, states.CANCELLED, f"Cancelled tasks: {', '.join(cancelled)}")
        return
    failed = [task for task in tasks if task.state == states.ERROR and not task.error_handled]
    if not failed and decision.program.spec.type == "reverse":
        target = str(draft.workflow.params.get("task_name"))
        blocked = [n for n in decision.program.graph.requirements(target) if draft.latest_task(n) is None]
        if blocked:
            info = f"Tasks that require each other can never start: {', '.join(blocked)}"
            end_workflow(decision, states.ERROR, info)
            return
    if failed:
        end_workflow(decision, states.ERROR, messages.failure_by_tasks(decision, failed))
    else:
        end_workflow(decision, states.SUCCESS, None)


def _success_output(decision: Decision) -> dict[str, Json]:
    output = _section_or_context(decision, decision.program.output, "output")
    check_size(decision, output, "WorkflowExecution", "output")
    return output


def _section_or_context(decision: Decision, section: Section | None, key: str) -> dict[str, Json]:
    """A section of the workflow, or the whole final context if it is absent or gives nothing."""
    context = final_context(decision)
    if section is not None:
        scope = decision.scope(None, Lookups(decision, None), context)
        output = decision.evaluate_section(section, scope, (key,))
        if output:
            return output
    return context.flat()


def _error_output(decision: Decision, info: str | None) -> tuple[dict[str, Json], str | None]:
    """The output of a failure and its reason, which tells as well what is wrong with the output itself."""
    try:
        extra = _section_or_context(decision, decision.program.output_on_error, "output-on-error")
    except MaestraleError as error:
        source = decision.program.spec.output_on_error
        info = (
            f"Failed to evaluate expression in output-on-error! (output-on-error: '{source}',"
            f" exception: '{error}' Cause: '{info}'"
        )
        return {"result": info}, info
    output = {"result": info, **extra}
    try:
        check_size(decision, output, "WorkflowExecution", "output")
    except FieldTooLarge as error:
        info = str(error) if info is None else f"{info}\n{error}"
        return {"result": info}, info
    return output, info


def _end(decision: Decision, state: str, info: str | None, output: Json) -> None:
    draft = decision.draft
    workflow = draft.edit_workflow()
    before = workflow.state
    workflow.state = state
    workflow.state_info = cut(info)
    workflow.cause = None
    workflow.output = output
    workflow.updated_at = workflow.finished_at = decision.now
    draft.ready.clear()
    workflow_changed(decision, before)
    if workflow.parent_id is not None and workflow.parent_task_id is not None:
        draft.effects.append(
            Tell(
                workflow.parent_id,
                SubWorkflowFinished(
                    task_id=workflow.parent_task_id,
                    execution_id=workflow.id,
                    state=state,  # type: ignore[arg-type]
                    output=output,
                    state_info=info,
                    item_index=workflow.item_index,
                    attempt=workflow.attempt,
                ),
            )
        )
