"""The page of one execution: its graph, its tasks in time, what it waits for, and one task in full."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query
from maestrale.model import states
from maestrale.model.errors import NotFound
from maestrale.model.listing import Filter, Listing, Row, SortKey
from maestrale.services import Services
from maestrale.services.access import Caller
from maestrale.services.overviews import Looked
from maestrale.ui.drawing import PLANNED, newest_by_name, picture
from maestrale.ui.plan import Plans
from maestrale.ui.timeline import timeline

CHILDREN: Final = 20
"""Action executions and sub-workflows that are shown of a task, each; of more, the newest."""

NEWEST_FIRST: Final = (SortKey("created_at", descending=True), SortKey("id", descending=True))


async def execution_page(request: Request, services: Services, plans: Plans) -> tuple[str, Mapping[str, Any]]:
    """The template and what it shows. NotFound if the caller cannot see such an execution, or such a task
    in it."""
    check_query(request, {"task"})
    caller, identifier = caller_of(request), request.path_params["id"]
    looked = await services.overviews.execution(caller, identifier)
    row = looked.overview.row
    task_id = request.query_params.get("task")
    content: dict[str, Any] = {
        "execution": row,
        "is_over": row["state"] in states.COMPLETED,
        "last_event": looked.overview.last_event,
        "at": looked.at,
        "caller_task": await _caller_task(services, caller, row),
        "explanation": await _explained(services, caller, row),
        "chosen": await _chosen(services, caller, looked, task_id) if task_id else None,
    }
    return "execution.html", content | await asyncio.to_thread(_drawn, looked, plans)


def _drawn(looked: Looked, plans: Plans) -> Row:
    """Everything that is drawn; it takes a while where there are many tasks."""
    overview, spec = looked.overview, looked.spec
    newest = newest_by_name(overview.tasks)
    planned = [name for name in spec.tasks if name not in newest]
    counts: dict[str, int] = {}
    for task in newest.values():
        counts[task.state] = counts.get(task.state, 0) + 1
    counts |= {PLANNED: len(planned)} if planned else {}
    return {
        "picture": picture(plans.of(overview.definition_hash, spec), overview),
        "timeline": timeline(overview, looked.at),
        "planned": planned,
        "counts": counts,
        "is_reverse": spec.type == "reverse",
        "hidden_tasks": overview.tasks_in_all - len(overview.tasks),
        "hidden_children": overview.children_in_all - len(overview.actions) - len(overview.sub_workflows),
    }


async def _caller_task(services: Services, caller: Caller, row: Row) -> Row | None:
    """The task that has started this execution; None for a root, and for one that is gone."""
    if row["task_execution_id"] is None:
        return None
    try:
        fields = ("id", "name", "workflow_name", "workflow_execution_id")
        return await services.tasks.get(caller, row["task_execution_id"], fields)
    except NotFound:
        return None


async def _explained(services: Services, caller: Caller, row: Row) -> Any:
    """Why it is where it is, unless all is well and over."""
    if row["state"] == states.SUCCESS:
        return None
    return await services.why.execution(caller, row["id"])


async def _chosen(services: Services, caller: Caller, looked: Looked, task_id: str) -> Row:
    """One task in full."""
    overview = looked.overview
    task = await services.tasks.get(caller, task_id)
    if task["workflow_execution_id"] != overview.row["id"]:
        raise NotFound(f"Task execution not found [id={task_id}]")
    of_task = Filter("task_execution_id", "eq", task_id)
    listing = Listing(CHILDREN + 1, NEWEST_FIRST, (of_task,), extra=("output",))
    actions = await services.action_executions.page(caller, listing)
    children: list[Row] = []
    if task["type"] == "WORKFLOW":
        children = await services.executions.page(caller, listing)
    explanation = None
    if task["state"] not in (states.SUCCESS, states.SKIPPED):
        explanation = await services.why.task(caller, task_id)
    return {
        "task": task,
        "actions": actions[:CHILDREN],
        "children": children[:CHILDREN],
        "numbers": {
            child.id: child.item_index
            for child in (*overview.actions, *overview.sub_workflows)
            if child.item_index is not None
        },
        "has_more": len(actions) > CHILDREN or len(children) > CHILDREN,
        "explanation": explanation,
    }
