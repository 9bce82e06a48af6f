"""One ad-hoc action of a document."""

from __future__ import annotations

from typing import Final

from maestrale.lang import shapes
from maestrale.lang.problems import Report
from maestrale.lang.spec import ActionSpec, Path, Position
from maestrale.lang.tasks import checked_variables, command, note_double_parameters
from maestrale.model.values import Json

_KEYS: Final = ("name", "version", "base", "base-input", "input", "output", "description", "tags")


def read_action(
    report: Report, path: Path, name: str, value: Json, positions: dict[Path, Position]
) -> ActionSpec:
    """The ad-hoc action at `path` of the document; what cannot be read is noted and left out."""
    key = str(path[-1])
    report = report.inside(path, f"action {key!r}")
    given = shapes.mapping(report, (), value)
    shapes.known_keys(report, (), given, _KEYS)
    base = None
    if "base" in given:
        base = command(report, ("base",), given["base"], "action base")
    elif given:
        report.error((), "'base' is a required property", hint="add `base`: the action to run", at_key=True)
    base_input: dict[str, Json] = {}
    if "base-input" in given:
        base_input = checked_variables(report, ("base-input",), given["base-input"])
        note_double_parameters(report, ("base-input",), base_input, base)
    if "output" in given:
        report.expressions(("output",), given["output"], are_errors=isinstance(given["output"], str))
    return ActionSpec(
        name=name,
        base=base.name if base else "",
        base_input=base_input,
        inline=base.parameters if base else {},
        input=shapes.input_parameters(report, ("input",), given["input"]) if "input" in given else (),
        output=given.get("output"),
        has_output="output" in given,
        description=shapes.text(report, ("description",), given["description"])
        if "description" in given
        else None,
        tags=shapes.texts(report, ("tags",), given["tags"]) if "tags" in given else (),
        raw={**given, "name": key, "version": "2.0"},
        positions=positions,
    )
