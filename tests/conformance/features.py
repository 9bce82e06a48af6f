"""Which features of the language, the expressions and the engine a test shows: `python features.py`.

`features.tsv` lists them, each with what a test has to show. A conformance case names the rows it shows in
`covers`, any other test in `@pytest.mark.covers("dsl.join.one", ...)`. What has to wait stands in
`features_waiting.yaml` with the reason; rows whose only cases are in `not_yet.yaml` wait for that.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
TESTS = HERE.parent
AREAS = ("dsl", "eng", "expr")


class Feature(NamedTuple):
    """One row of `features.tsv`."""

    id: str
    feature: str
    test: str


def features() -> dict[str, Feature]:
    """All rows by their ids."""
    with (HERE / "features.tsv").open(encoding="utf-8", newline="") as file:
        rows = [Feature(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return {row.id: row for row in rows}


def waiting() -> dict[str, str]:
    """Reasons why rows have no test yet."""
    reasons: dict[str, str] = yaml.safe_load((HERE / "features_waiting.yaml").read_text(encoding="utf-8"))
    return reasons


def shown() -> dict[str, list[str]]:
    """Where each id is shown: cases that run, and marked tests."""
    found: dict[str, list[str]] = {}
    for identifier, place, reason in [*_cases(), *_marked_tests()]:
        if not reason:
            found.setdefault(identifier, []).append(place)
    return found


def postponed() -> dict[str, str]:
    """Why cases that would show a row do not run, by id."""
    return {identifier: reason for identifier, _, reason in _cases() if reason}


def missing() -> list[tuple[Feature, str]]:
    """The rows that no test shows, each with the reason (empty if there is none)."""
    reasons = {**postponed(), **waiting()}
    known = shown()
    return [(row, reasons.get(row.id, "")) for row in features().values() if row.id not in known]


def _cases() -> Iterator[tuple[str, str, str]]:
    """Id, case, and why the case does not run (or nothing) for all that the cases cover."""
    not_yet: dict[str, str] = yaml.safe_load((HERE / "not_yet.yaml").read_text(encoding="utf-8")) or {}
    for path in sorted((HERE / "cases").rglob("*.yaml")):
        case: dict[str, Any] = yaml.load(
            path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
        name = f"{path.parent.name}/{path.stem}"
        for identifier in case.get("covers", []):
            yield identifier, name, not_yet.get(name, "") or case.get("skip", "")


def _marked_tests() -> Iterator[tuple[str, str, str]]:
    """Id and test for all markers in the sources of the tests."""
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "mark.covers(" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                for identifier in _marks(node):
                    yield identifier, f"{path.relative_to(TESTS)}::{node.name}", ""


def _marks(node: ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.covers":
            for argument in decorator.args:
                yield ast.literal_eval(argument)


def report() -> list[str]:
    """What the rows that no test shows are, as lines for a person."""
    rows = features()
    absent = missing()
    lines = [f"{len(rows) - len(absent)} of {len(rows)} features are shown by a test; not shown:"]
    lines += [f"  {row.id}: {row.feature} ({reason or 'NO REASON GIVEN'})" for row, reason in absent]
    return lines


if __name__ == "__main__":
    print("\n".join(report()))
