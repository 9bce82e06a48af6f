"""Short ways to write workflows in tests, and to look at what was found in them."""

from __future__ import annotations

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import Parsed, describe, parse_workflows
from maestrale.lang.problems import ExpressionChecker
from maestrale.lang.spec import TaskSpec, WorkflowSpec


def parse(body: str, check_expression: ExpressionChecker | None = check_syntax) -> Parsed[WorkflowSpec]:
    """Parse one workflow `w` whose body is given in block style without indentation."""
    indented = "".join(f"  {line}\n" for line in body.strip("\n").splitlines())
    return parse_workflows(f"version: '2.0'\nw:\n{indented}", check_expression)


def errors(body: str) -> list[str]:
    """The errors of a workflow as people see them."""
    return [describe(problem) for problem in parse(body).errors]


def warnings(body: str) -> list[str]:
    """The warnings of a workflow that has no errors."""
    parsed = parse(body)
    assert parsed.errors == []
    return [describe(problem) for problem in parsed.problems]


def workflow(body: str) -> WorkflowSpec:
    """The workflow, which must be free of errors."""
    parsed = parse(body)
    assert [describe(problem) for problem in parsed.errors] == []
    return parsed.specs[0]


def task(body: str, others: str = "") -> TaskSpec:
    """The task `t` with the given flow-style body, beside others."""
    return workflow(f"tasks:\n  t: {{{body}}}\n{others}").tasks["t"]
