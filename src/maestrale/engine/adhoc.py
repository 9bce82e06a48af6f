"""Ad-hoc actions: from a name to the real action below it, its input, and back to the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from maestrale.engine.context import merge_maps
from maestrale.engine.decision import Decision, TaskFailure
from maestrale.engine.execution import AdHocRun, Child, Places, TaskExecution, Transformation
from maestrale.engine.limits import check_size
from maestrale.engine.lookups import Lookups
from maestrale.engine.needs import AdHocLayer, FindAction, FoundAction
from maestrale.expressions.surroundings import Elsewhere, Scope, Surroundings
from maestrale.expressions.template import compile_value
from maestrale.lang.inputs import missing_names, unknown_names
from maestrale.model import states
from maestrale.model.actions import ActionFacts, invalid_input
from maestrale.model.errors import EvaluationError, InvalidAction, InvalidInput
from maestrale.model.values import Json

CLASS_NAME: Final = "AdHocAction"
"""What messages about wrong input call the class of an ad-hoc action."""

_MEMBER_NAME: Final = re.compile(r"[\w-]+")
"""Names that the member of a workbook may have."""


def find_action(decision: Decision, name: str) -> tuple[ActionFacts, tuple[AdHocLayer, ...]]:
    """The real action that a name means, and the ad-hoc actions above it, outermost first.

    Asks only where the name may mean an ad-hoc action. Raises `InvalidAction` for an unknown name, and
    `TaskFailure` where the chain of bases ends nowhere.
    """
    workflow = decision.draft.workflow
    facts = decision.actions.find(name)
    is_clear = (
        facts is not None
        and not decision.actions.is_shadowed(name)
        and not (workflow.workbook and _MEMBER_NAME.fullmatch(name))
    )
    if facts is not None and is_clear and not decision.answers:
        return facts, ()
    question = FindAction(name, workflow.namespace, workflow.project_id, workflow.workbook)
    if facts is not None and is_clear and question not in decision.answers:
        return facts, ()
    answer = decision.ask(question)
    if answer is None:
        raise unknown_action(name, decision.actions.suggestions(name))
    found = msgspec.convert(answer, FoundAction)
    if found.problem:
        raise TaskFailure(found.problem)
    facts = found.facts(decision.actions.find)
    if facts is None:
        raise TaskFailure(base_not_found(found.name, workflow.namespace))
    return facts, found.layers


def unknown_action(name: str, near: Sequence[str]) -> InvalidAction:
    """The error for a name that no action has."""
    hint = f"did you mean '{near[0]}'?" if near else "`mistral action-list` shows them all"
    return InvalidAction(f"Failed to find action [action_name={name}]", hint)


def base_not_found(name: str, namespace: str) -> str:
    """Why an ad-hoc action cannot run whose base does not exist."""
    return f"Failed to find base action [action_name={name} namespace={namespace}]"


def complete_input(layer: AdHocLayer, given: dict[str, Json]) -> dict[str, Json]:
    """The input of an ad-hoc action with its defaults filled in. Raises `InvalidInput` for wrong names."""
    missing, unexpected = missing_names(layer.input, given), unknown_names(layer.input, given)
    if missing or unexpected:
        raise invalid_input(layer.name, CLASS_NAME, missing, unexpected)
    return _with_defaults(layer, given)


def prepare(
    facts: ActionFacts,
    layers: Sequence[AdHocLayer],
    given: dict[str, Json],
    outer: Sequence[Mapping[str, Json]],
    surroundings: Surroundings,
    elsewhere: Elsewhere | None,
) -> AdHocRun:
    """What to run for an ad-hoc action with the (complete) input `given`.

    `outer` are the variables that a `base-input` sees besides the input of its own action. Raises
    `TaskFailure` where an expression fails or the real action cannot take what comes out.
    """
    name = layers[0].name
    try:
        for layer in layers:
            given = _base_input(
                layer, Scope([_with_defaults(layer, given), *outer], surroundings, elsewhere=elsewhere)
            )
        facts.check_input(given)
    except (EvaluationError, InvalidInput) as error:
        raise TaskFailure(f"Failed to instantiate an action [action_name={name}]: {error.message}") from None
    outputs = tuple(
        Transformation(layer.name, layer.output, layer.places)
        for layer in reversed(layers)
        if layer.output is not None
    )
    return AdHocRun(facts.key or facts.name, facts.sealed(given), outputs)


def transformed(
    outputs: Sequence[Transformation], result: Json, surroundings: Surroundings, elsewhere: Elsewhere | None
) -> Json:
    """A successful result as the ad-hoc action delivers it. Raises `EvaluationError` with the place."""
    for step in outputs:
        scope = Scope((), surroundings, root=result, elsewhere=elsewhere)
        result = _evaluated(step.action, step.places, ("output",), step.output, scope)
    return result


def delivered(decision: Decision, task: TaskExecution, child: Child, state: str, result: Json) -> Json:
    """What counts as the result of an action: transformed if it is an ad-hoc one, and not too large."""
    check_size(decision, result, "ActionExecution", "output")
    if child.adhoc is None or not child.adhoc.outputs or state != states.SUCCESS:
        return result
    result = transformed(child.adhoc.outputs, result, Lookups(decision, task), decision)
    check_size(decision, result, "ActionExecution", "output")
    return result


def undeliverable(error: BaseException, action: str, task: str | None = None) -> str:
    """The result of an action whose own result cannot be taken."""
    place = f"action={action}" if task is None else f"action={action}, task={task}"
    return f"Failed to complete action [error={error}, {place}]"


def _with_defaults(layer: AdHocLayer, given: dict[str, Json]) -> dict[str, Json]:
    defaults = {p.name: p.default for p in layer.input if not p.required and p.name not in given}
    return {**given, **defaults}


def _base_input(layer: AdHocLayer, scope: Scope) -> dict[str, Json]:
    """The input for the base; parameters beside its name win, maps are merged."""
    given: dict[str, Json] = _evaluated(layer.name, layer.places, ("base-input",), layer.base_input, scope)
    if layer.inline:
        inline: dict[str, Json] = _evaluated(layer.name, layer.places, ("base",), layer.inline, scope)
        given = merge_maps(given, inline) if given else inline
    return given


def _evaluated(action: str, places: Places, path: tuple[str, ...], value: Json, scope: Scope) -> Json:
    """Evaluate a section; an error says which entry of which action it is in, and where that stands."""
    if isinstance(value, dict) and len(path) == 1:
        return {key: _evaluated(action, places, (*path, key), member, scope) for key, member in value.items()}
    try:
        return compile_value(value).evaluate(scope)
    except EvaluationError as error:
        text = f"at '{'.'.join(path)}' of action '{action}'"
        place = places.get(".".join(path)) or places.get(path[0])
        if place is not None:
            text = f"{text}, line {place[0]}, column {place[1]}"
        raise EvaluationError(f"{error.message} {text}", error.hint) from None
