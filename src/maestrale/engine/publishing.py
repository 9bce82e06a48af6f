"""What a task publishes when it ends: branch variables and globals."""

from __future__ import annotations

from typing import Final, NamedTuple

from maestrale.engine.context import merge_maps
from maestrale.engine.decision import Decision
from maestrale.engine.execution import TaskExecution
from maestrale.engine.limits import check_size
from maestrale.engine.lookups import Lookups
from maestrale.model.values import Json


class Published(NamedTuple):
    """The evaluated scopes of one completion."""

    branch: dict[str, Json]
    globals: dict[str, Json]


NOTHING: Final = Published({}, {})


def evaluate_publish(decision: Decision, task: TaskExecution, state: str) -> Published:
    """Evaluate every source for this final state against the inbound context; stronger sources win.

    Nothing is changed, so that an error leaves no half-published task.
    """
    branch: dict[str, Json] = {}
    global_: dict[str, Json] = {}
    sources = decision.task_program(task).publish.get(state, ())
    if not sources:
        return NOTHING
    scope = decision.scope(task, Lookups(decision, task), decision.draft.context_of(task))
    for source in sources:
        advanced = source.path[-1] == "publish" and len(source.path) > 3
        here = decision.evaluate_section(
            source.branch, scope, (*source.path, "branch") if advanced else source.path
        )
        branch = merge_maps(branch, here) if branch else here
        for name, section in (("global", source.global_), ("atomic", source.atomic)):
            if section:
                found = decision.evaluate_section(section, scope, (*source.path, name))
                global_ = merge_maps(global_, found)
    check_size(decision, branch, "TaskExecution", "published")
    check_size(decision, global_, "TaskExecution", "published")
    return Published(branch, global_)


def publish_globals(decision: Decision, values: dict[str, Json]) -> None:
    """Write into the workflow's global store: maps merge, everything else is replaced."""
    if not values:
        return
    workflow = decision.draft.edit_workflow()
    known = {name: workflow.globals.get(name, workflow.variables.get(name)) for name in values}
    merged = merge_maps({name: value for name, value in known.items() if value is not None}, values)
    workflow.globals = {**workflow.globals, **merged}
    workflow.updated_at = decision.now
