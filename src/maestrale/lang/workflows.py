"""One workflow of a document."""

from __future__ import annotations

from typing import Final, Literal

from maestrale.lang import shapes
from maestrale.lang.check import check_workflow
from maestrale.lang.problems import Report
from maestrale.lang.spec import Path, Position, WorkflowSpec
from maestrale.lang.tasks import Defaults, checked_variables, task, task_defaults
from maestrale.model.values import Json

_KEYS: Final = (
    *("name", "version", "type", "description", "tags", "input", "vars", "output", "output-on-error"),
    *("task-defaults", "tasks"),
)
_TYPES: Final = ("direct", "reverse")


def read_workflow(
    report: Report, path: Path, name: str, value: Json, positions: dict[Path, Position]
) -> WorkflowSpec:
    """The workflow at `path` of the document; what cannot be read is noted and left out."""
    key = str(path[-1])
    report = report.inside(path, f"workflow {key!r}")
    given = shapes.mapping(report, (), value)
    for unknown in given:
        if unknown not in _KEYS:
            report.warning(
                (unknown,),
                f"the key {unknown!r} means nothing here and is ignored",
                text=unknown,
                hint=report.suggestion(unknown, _KEYS) or shapes.known_words(_KEYS[2:]),
                at_key=True,
            )
    kind = _workflow_type(report, given)
    tasks: dict[str, Json] = {}
    if "tasks" in given:
        tasks = shapes.mapping(report, ("tasks",), given["tasks"], "task name")
    elif given:
        report.error((), "'tasks' is a required property", hint="add `tasks`", at_key=True)
    defaults = Defaults()
    if "task-defaults" in given:
        defaults = task_defaults(report, given["task-defaults"], kind, tasks)
    description = given.get("description")
    variables = shapes.variables(report, ("vars",), given["vars"]) if "vars" in given else {}
    output = checked_variables(report, ("output",), given["output"]) if "output" in given else None
    spec = WorkflowSpec(
        name=name,
        type=kind,
        description=description if isinstance(description, str) else None,
        tags=shapes.texts(report, ("tags",), given["tags"]) if "tags" in given else (),
        input=shapes.input_parameters(report, ("input",), given["input"]) if "input" in given else (),
        vars=variables,
        output=output,
        output_on_error=_output_on_error(report, given),
        tasks={key: task(report, key, body, kind, defaults, tasks) for key, body in tasks.items()},
        raw={**given, "name": key, "version": "2.0"},
        positions=positions,
    )
    check_workflow(report, spec)
    return spec


def _workflow_type(report: Report, given: dict[str, Json]) -> Literal["direct", "reverse"]:
    value = given.get("type", "direct")
    if value == "reverse":
        return "reverse"
    if value != "direct":
        report.error(
            ("type",),
            f"{shapes.quoted(value)} is not one of ['direct', 'reverse']",
            text=str(value),
            hint=report.suggestion(str(value), _TYPES) or "give one of them, or remove the key",
        )
    return "direct"


def _output_on_error(report: Report, given: dict[str, Json]) -> dict[str, Json] | None:
    key = "output-on-error"
    if key not in given:
        return None
    report.expressions((key,), given[key], are_errors=False)
    return shapes.mapping(report, (key,), given[key])
