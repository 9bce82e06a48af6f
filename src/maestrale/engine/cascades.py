"""Telling sub-workflows what happens to the tree: a bounded number in one decision, the rest later.

What is left is kept with the execution until a *continue* takes it up: what to tell, to whom, who is next.
So it is as if all had been told at once, only that the letters leave in portions. Each sub-workflow reads
them in the order in which they were written, because this execution alone writes them; and a newer command
for the whole execution drops what is left of an older one, whose receivers it tells as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from maestrale.engine.decision import Decision
from maestrale.engine.effects import Tell
from maestrale.engine.events import EnvironmentUpdated, PauseRequested, ResumeRequested, StopRequested
from maestrale.model.values import Json

CascadingEvent = PauseRequested | ResumeRequested | StopRequested | EnvironmentUpdated

_KINDS: Final[dict[str, type[CascadingEvent]]] = {
    "pause": PauseRequested,
    "resume": ResumeRequested,
    "stop": StopRequested,
    "environment": EnvironmentUpdated,
}
_KIND_OF: Final = {kind: name for name, kind in _KINDS.items()}
_OVERTAKEN: Final = ("pause", "resume")
"""What a newer command makes void. Who was to stop shall stop, and an environment grows by every update."""


def open_sub_workflows(decision: Decision) -> Iterator[str]:
    """The sub-workflow executions that tasks wait for."""
    for task_id, task in decision.draft.tasks.items():
        if task.type == "WORKFLOW":
            for child_id, child in decision.draft.runs(task_id).open.items():
                if child.is_workflow:
                    yield child_id


def command_children(decision: Decision, event: PauseRequested | ResumeRequested | StopRequested) -> None:
    """Pass a command for the whole execution on to every open sub-workflow; it overtakes older ones."""
    for key, entry in _waiting(decision):
        if entry["kind"] in _OVERTAKEN:
            _forget(decision, key)
    tell_all(decision, open_sub_workflows(decision), event)


def tell_all(decision: Decision, execution_ids: Iterable[str], event: CascadingEvent) -> None:
    """Tell sub-workflows: as many as this decision may, if nothing waits already, and the others later."""
    receivers = list(execution_ids)
    told = 0
    if not decision.draft.workflow.cascades:
        told = _tell(decision, receivers, 0, event)
    if told == len(receivers):
        return
    workflow = decision.draft.edit_workflow()
    key = str(decision.identity.next_order())
    entry = {"kind": _KIND_OF[type(event)], "fields": msgspec.structs.asdict(event), "next": told}
    cascades = workflow.cascades or {"waiting": {}}
    waiting = {**cascades["waiting"], key: entry}
    workflow.cascades = {**cascades, key: receivers, "waiting": waiting}


def tell_the_rest(decision: Decision) -> None:
    """Go on with what earlier decisions left, the oldest first."""
    for key, entry in _waiting(decision):
        event = _KINDS[entry["kind"]](**entry["fields"])
        receivers = _receivers(decision, key)
        told = _tell(decision, receivers, entry["next"], event)
        if told < len(receivers):
            _set_next(decision, key, told)
            return
        _forget(decision, key)


def spare(decision: Decision, execution_id: str) -> None:
    """A sub-workflow was opened again: what is left of older orders to stop is not meant for it any more."""
    for key, entry in _waiting(decision):
        receivers = _receivers(decision, key)
        if entry["kind"] == "stop" and execution_id in receivers[entry["next"] :]:
            workflow = decision.draft.edit_workflow()
            left = [other for other in receivers[entry["next"] :] if other != execution_id]
            workflow.cascades = {**(workflow.cascades or {}), key: left}
            _set_next(decision, key, 0)


def _tell(decision: Decision, receivers: list[str], start: int, event: CascadingEvent) -> int:
    """Tell as many from `start` on as this decision may, and return who is next."""
    end = min(len(receivers), start + decision.letters_left)
    decision.letters_left -= end - start
    decision.draft.effects += [Tell(execution_id, event) for execution_id in receivers[start:end]]
    return end


def _waiting(decision: Decision) -> list[tuple[str, dict[str, Any]]]:
    cascades = decision.draft.workflow.cascades
    return list(cascades["waiting"].items()) if cascades else []


def _receivers(decision: Decision, key: str) -> list[str]:
    cascades = decision.draft.workflow.cascades
    assert cascades is not None
    receivers: list[str] = cascades[key]
    return receivers


def _set_next(decision: Decision, key: str, place: int) -> None:
    workflow = decision.draft.edit_workflow()
    cascades = workflow.cascades
    assert cascades is not None
    entry = {**cascades["waiting"][key], "next": place}
    workflow.cascades = {**cascades, "waiting": {**cascades["waiting"], key: entry}}


def _forget(decision: Decision, key: str) -> None:
    workflow = decision.draft.edit_workflow()
    cascades: dict[str, Json] = {k: v for k, v in (workflow.cascades or {}).items() if k != key}
    cascades["waiting"] = {k: v for k, v in cascades["waiting"].items() if k != key}
    workflow.cascades = cascades if cascades["waiting"] else None
