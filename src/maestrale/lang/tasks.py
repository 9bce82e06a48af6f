"""One task of a workflow, and the `task-defaults` that it inherits from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, Literal

import msgspec

from maestrale.lang import clauses, shapes
from maestrale.lang.inline import Command, parse_command
from maestrale.lang.problems import Report, may_hold_expression
from maestrale.lang.spec import CLAUSES, Clause, ClauseSpec, Path, PoliciesSpec, TaskSpec
from maestrale.model.values import Json

WorkflowType = Literal["direct", "reverse"]

_POLICIES: Final[dict[str, Callable[[Report, Path, Json], Any]]] = {
    "retry": clauses.retry,
    "wait-before": shapes.whole_number_or_expression,
    "wait-after": shapes.whole_number_or_expression,
    "timeout": shapes.whole_number_or_expression,
    "pause-before": shapes.flag_or_expression,
    "concurrency": shapes.whole_number_or_expression,
    "fail-on": shapes.flag_or_expression,
    "safe-rerun": shapes.flag_or_expression,
}
_DEFAULT_KEYS: Final = (*_POLICIES, *CLAUSES, "requires")
_OWN_KEYS: Final = (
    *("type", "name", "version", "description", "tags", "action", "workflow", "input"),
    *("publish", "publish-on-error", "publish-on-skip", "with-items", "keep-result", "target"),
    *_POLICIES,
)
_KEYS: Final[dict[str, frozenset[str]]] = {
    "direct": frozenset((*_OWN_KEYS, "join", *CLAUSES)),
    "reverse": frozenset((*_OWN_KEYS, "requires")),
}
_ELSEWHERE: Final[dict[str, dict[str, str]]] = {
    "direct": {"requires": "`requires` belongs to workflows of `type: reverse`"},
    "reverse": {
        key: f"`{key}` belongs to direct workflows; a reverse one follows `requires`"
        for key in ("join", *CLAUSES)
    },
}


class Defaults(msgspec.Struct, frozen=True):
    """`task-defaults` as far as they count in this workflow: policies by key, clauses, requirements."""

    policies: dict[str, Json | None] = {}
    clauses: dict[Clause, ClauseSpec] = {}
    requires: tuple[str, ...] = ()


def task_defaults(report: Report, value: Json, kind: WorkflowType, task_names: Collection[str]) -> Defaults:
    """The `task-defaults` section of a workflow."""
    path: Path = ("task-defaults",)
    given = shapes.mapping(report, path, value)
    shapes.known_keys(report, path, given, _DEFAULT_KEYS)
    own_clauses = _clauses(report, path, given, task_names)
    own_requires = _requires(report, path, given)
    for key in _ELSEWHERE[kind]:
        if key in given and key in _DEFAULT_KEYS:
            report.warning(
                (*path, key),
                f"{key!r} is ignored in a {kind} workflow",
                text=key,
                hint="remove it",
                at_key=True,
            )
    return Defaults(
        _policies(report, path, given),
        own_clauses if kind == "direct" else {},
        own_requires if kind == "reverse" else (),
    )


def task(
    report: Report,
    name: str,
    value: Json,
    kind: WorkflowType,
    defaults: Defaults,
    task_names: Collection[str],
) -> TaskSpec:
    """The task `name`, with the defaults of its workflow merged in."""
    path: Path = ("tasks", name)
    given = shapes.mapping(report, path, value)
    shapes.known_keys(report, path, given, _KEYS[kind], _ELSEWHERE[kind])
    fields: dict[str, Any] = {}
    for key, read in _READERS.items():
        if key in given:
            found = read(report, (*path, key), given[key])
            if found is not None:
                fields[_FIELDS[key]] = found
    call = _call(report, path, given)
    if isinstance(own_input := fields.get("input"), dict):
        note_double_parameters(report, (*path, "input"), own_input, call)
    if "join" in given and kind == "direct":
        fields["join"] = _join(report, (*path, "join"), given["join"])
    is_workflow = "workflow" in given and "action" not in given
    return TaskSpec(
        name=name,
        action=None if is_workflow else call.name,
        workflow=call.name if is_workflow else None,
        inline=call.parameters,
        policies=_merged_policies(report, path, given, defaults),
        clauses=_merged_clauses(report, path, given, defaults, task_names) if kind == "direct" else {},
        requires=_merged_requires(report, path, given, defaults) if kind == "reverse" else (),
        raw={**given, "name": name, "version": "2.0", "type": kind},
        **fields,
    )


def command(report: Report, path: Path, value: Json, what: str) -> Command | None:
    """A name with inline parameters (`action`, `workflow`, `base`)."""
    given = shapes.text(report, path, value)
    if given is None:
        return None
    report.expressions(path, given)
    found = parse_command(given)
    if found is None:
        report.error(
            path,
            f"Invalid {what} property: {given!r} does not start with a name",
            text=given,
            hint='write the name first: `std.echo output="x"`',
        )
        return None
    clauses.note_warnings(report, path, given, found)
    return found


def checked_variables(report: Report, path: Path, value: Json) -> dict[str, Json]:
    """A map of parameters or variables whose expressions are checked."""
    found = shapes.mapping(report, path, value)
    report.expressions(path, value)
    return found


def _call(report: Report, path: Path, given: dict[str, Json]) -> Command:
    """What the task runs; `std.noop` unless it says so."""
    if "action" in given and "workflow" in given:
        report.error(
            (*path, "workflow"),
            "a task cannot have both 'action' and 'workflow'",
            text="workflow",
            hint="remove one of them",
            at_key=True,
        )
    found = None
    for key in ("workflow", "action"):
        if key in given:
            found = command(report, (*path, key), given[key], "action/workflow task")
    return found or Command("std.noop")


def note_double_parameters(report: Report, path: Path, given: dict[str, Json], call: Command | None) -> None:
    """Warn of parameters in the map at `path` that also stand beside the name in `call`."""
    for name in call.parameters if call else ():
        if name in given:
            report.warning(
                (*path, name),
                f"the parameter {name!r} also stands beside the name of what is called, and that one wins",
                text=name,
                hint="remove one of them",
                at_key=True,
            )


def _input(report: Report, path: Path, value: Json) -> dict[str, Json] | str | None:
    if not isinstance(value, str):
        return checked_variables(report, path, value)
    given = shapes.text(report, path, value)
    report.expressions(path, value)
    if given is not None and not may_hold_expression(given):
        report.warning(
            path,
            "a text as input must be an expression that gives a map",
            text=given,
            hint="give `name: value` lines or one expression",
        )
    return given


def _target(report: Report, path: Path, value: Json) -> str | None:
    report.expressions(path, value, are_errors=False)
    return shapes.text(report, path, value)


_READERS: Final[dict[str, Callable[[Report, Path, Json], Any]]] = {
    "description": shapes.text,
    "tags": shapes.texts,
    "input": _input,
    "publish": shapes.variables,
    "publish-on-error": shapes.variables,
    "publish-on-skip": shapes.variables,
    "with-items": clauses.items,
    "keep-result": shapes.flag_or_expression,
    "target": _target,
}


_FIELDS: Final = {key: key.replace("-", "_") for key in (*_READERS, *_POLICIES)}
_NO_POLICIES: Final = PoliciesSpec()


def _join(report: Report, path: Path, value: Json) -> Literal["all"] | int | None:
    if value == "all":
        return "all"
    if value == "one":
        return 1
    if isinstance(value, str):
        hint = "remove the quotes" if value.isdigit() else report.suggestion(value, ("all", "one"))
        hint = hint or "give all, one or a number of tasks"
        report.error(path, f"{value!r} is not one of ['all', 'one'] and no number", text=value, hint=hint)
        return None
    number = shapes.whole_number(report, path, value)
    if number == 0:
        report.warning(path, "0 means no join: each branch starts the task once more", hint="remove it")
    return number or None


def _clauses(
    report: Report, path: Path, given: dict[str, Json], task_names: Collection[str]
) -> dict[Clause, ClauseSpec]:
    return {
        key: clauses.clause(report, (*path, key), given[key], task_names) for key in CLAUSES if key in given
    }


def _merged_clauses(
    report: Report, path: Path, given: dict[str, Json], defaults: Defaults, task_names: Collection[str]
) -> dict[Clause, ClauseSpec]:
    own = _clauses(report, path, given, task_names)
    if not defaults.clauses:
        return own
    name = path[-1]
    merged: dict[Clause, ClauseSpec] = {}
    for key in CLAUSES:
        clause, default = own.get(key), defaults.clauses.get(key)
        if default is not None and (clause is None or not clause.next):
            inherited = tuple(step for step in default.next if step.is_command or step.target != name)
            clause = ClauseSpec(inherited, default.publish if clause is None else clause.publish)
        if clause is not None:
            merged[key] = clause
    return merged


def _requires(report: Report, path: Path, given: dict[str, Json]) -> tuple[str, ...]:
    if "requires" not in given:
        return ()
    value = given["requires"]
    path = (*path, "requires")
    if isinstance(value, str):
        name = shapes.text(report, path, value)
        return () if name is None else (name,)
    return shapes.texts(report, path, value)


def _merged_requires(
    report: Report, path: Path, given: dict[str, Json], defaults: Defaults
) -> tuple[str, ...]:
    own = _requires(report, path, given)
    if path[-1] in own:
        report.warning(
            (*path, "requires"),
            "a task cannot require itself: this is ignored",
            text=str(path[-1]),
            hint="remove the name",
            at_key=True,
        )
    return tuple(name for name in dict.fromkeys((*own, *defaults.requires)) if name != path[-1])


def _policies(report: Report, path: Path, given: dict[str, Json]) -> dict[str, Json | None]:
    return {key: read(report, (*path, key), given[key]) for key, read in _POLICIES.items() if key in given}


def _merged_policies(report: Report, path: Path, given: dict[str, Json], defaults: Defaults) -> PoliciesSpec:
    own = _policies(report, path, given)
    for key, value in own.items():
        if not value and value is not None and defaults.policies.get(key):
            report.warning(
                (*path, key),
                f"{key!r} of task-defaults is switched off for this task",
                hint="remove the line if the default is to stay in force",
                at_key=True,
            )
    merged = {**defaults.policies, **own}
    return PoliciesSpec(**{_FIELDS[key]: value for key, value in merged.items()}) if merged else _NO_POLICIES
