"""Reading workflow texts for this service."""

from __future__ import annotations

import msgspec

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import Parsed, parse_workflows
from maestrale.lang.spec import Path, Position, Problem, WorkflowSpec


def parse_supported(text: str) -> Parsed[WorkflowSpec]:
    """Every problem of a text; also warnings of what has no effect in this service."""
    parsed = parse_workflows(text, check_syntax)
    problems = [*parsed.problems, *(problem for spec in parsed.specs for problem in _without_effect(spec))]
    return msgspec.structs.replace(parsed, problems=sorted(problems, key=lambda p: (p.line, p.column)))


def _without_effect(spec: WorkflowSpec) -> list[Problem]:
    found = []
    for name, task in spec.tasks.items():
        if task.target is not None:
            path: Path = ("tasks", name, "target")
            place = spec.positions.get(path, Position(1, 1))
            found.append(
                Problem(
                    f"task '{name}': 'target' has no effect: there is one executor, which takes every action",
                    place.line,
                    place.column,
                    str(task.target),
                    path=(spec.raw["name"], *path),
                    is_error=False,
                )
            )
    return found
