"""The JSON Schema for editors, held to the parser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from lang_cases import ACCEPTED, SHAPE

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import parse_actions, parse_workbook, parse_workflows
from maestrale.lang.schema import Kind, schema
from maestrale.lang.yaml import load

TESTS = Path(__file__).parents[2]
EXAMPLES = sorted((TESTS.parent / "examples").glob("*.yaml"))
CASES = sorted((TESTS / "conformance" / "cases").rglob("*.yaml"))
KINDS: tuple[Kind, ...] = get_args(Kind)

VALIDATORS = {kind: Draft202012Validator(schema(kind)) for kind in KINDS}


def complaints(kind: str, text: str) -> list[str]:
    validator = VALIDATORS[kind]  # type: ignore[index]
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(load(text).data)]


def is_accepted(kind: str, text: str) -> bool:
    if kind == "workbook":
        return not parse_workbook(text, check_syntax).errors
    if kind == "action":
        return not parse_actions(text, check_syntax).errors
    return not parse_workflows(text, check_syntax).errors


def recorded() -> Iterator[tuple[str, str]]:
    """Every definition text in the conformance cases."""
    for path in CASES:
        case = yaml.safe_load(path.read_text(encoding="utf-8"))
        steps = [step["define"] for step in case.get("steps", []) if "define" in step]
        for definition in [*case.get("definitions", []), *steps]:
            text = definition.get("text")
            if definition["kind"] in KINDS and isinstance(text, str):
                yield definition["kind"], text.replace("{{U}}", "u1").replace("{{HTTP}}", "http://h")


RECORDED = list(recorded())


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema(kind: Kind) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_it_is_used(kind: Kind) -> None:
    whole = schema(kind)
    used: set[str] = set()

    def walk(part: object) -> None:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in used:
                used.add(name)
                walk(whole["$defs"][name])
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk({key: value for key, value in whole.items() if key != "$defs"})
    assert used == set(whole["$defs"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_a_description(kind: Kind) -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("additionalProperties") is False:
                for key, value in part["properties"].items():
                    assert value.get("description"), key
            for value in part.values():
                walk(value)

    walk(schema(kind))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_pass(path: Path) -> None:
    kind = "workbook" if path.stem == "workbook" else "workflow"
    assert complaints(kind, path.read_text(encoding="utf-8")) == []


def test_recorded_definitions_that_the_parser_accepts_pass() -> None:
    accepted = [(kind, text) for kind, text in RECORDED if is_accepted(kind, text)]
    assert len(accepted) > 150
    assert {kind for kind, _ in accepted} == set(KINDS)
    wrong = {text: found for kind, text in accepted if (found := complaints(kind, text))}
    assert wrong == {}


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
def test_what_the_parser_accepts_passes(kind: str, text: str) -> None:
    assert complaints(kind, text) == []


@pytest.mark.parametrize(("kind", "text"), SHAPE)
def test_wrong_shapes_are_refused(kind: str, text: str) -> None:
    assert complaints(kind, text)
