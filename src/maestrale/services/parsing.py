"""Reading workflow texts as this version supports them."""

from __future__ import annotations

import msgspec

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import Parsed, parse_workflows
from maestrale.lang.spec import Path, Position, Problem, WorkflowSpec


def parse_supported(text: str) -> Parsed[WorkflowSpec]:
    """Every problem of a text, also the keys of the language that have no effect yet: those are refused."""
    parsed = parse_workflows(text, check_syntax)
    problems = [*parsed.problems, *(problem for spec in parsed.specs for problem in _not_yet(spec))]
    return msgspec.structs.replace(parsed, problems=sorted(problems, key=lambda p: (p.line, p.column)))


def _not_yet(spec: WorkflowSpec) -> list[Problem]:
    found = []
    for name, task in spec.tasks.items():
        if task.target is not None:
            path: Path = ("tasks", name, "target")
            place = spec.positions.get(path, Position(1, 1))
            found.append(
                Problem(
                    f"task '{name}': 'target' is not supported by this version yet: there is one executor",
                    place.line,
                    place.column,
                    str(task.target),
                    "leave it out",
                    (spec.raw["name"], *path),
                )
            )
    return found
