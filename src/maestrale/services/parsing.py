"""Reading definition texts for this service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import Parsed, ParsedWorkbook, parse_actions, parse_workbook, parse_workflows
from maestrale.lang.spec import ActionSpec, Path, Position, Problem, WorkflowSpec
from maestrale.lang.yaml import load
from maestrale.model.values import Json

TextKind = Literal["workflow", "action", "workbook"]
START: Final = Position(1, 1)
MOST_SHOWN: Final = 10
CYCLE_HINT: Final = "base one of them on an action that does something by itself"


class Checked(NamedTuple):
    """What a text of any kind holds: the names of its definitions, and everything that is odd about it."""

    kind: TextKind
    problems: list[Problem]
    names: list[str]


def check_text(text: str) -> Checked:
    """Every problem of a text whose kind is to be found out."""
    kind = kind_of(text)
    if kind == "workbook":
        book = parse_supported_workbook(text)
        names = [book.spec.name, *book.workflow_texts, *book.action_texts] if book.spec else []
        return Checked(kind, book.problems, names)
    parsed = parse_supported_actions(text) if kind == "action" else parse_supported(text)
    return Checked(kind, parsed.problems, [spec.name for spec in parsed.specs])


def kind_of(text: str) -> TextKind:
    """What a text seems to be; a workflow text where nothing speaks against it."""
    data = load(text).data
    if not isinstance(data, dict):
        return "workflow"
    members = [value for name, value in data.items() if name != "version"]
    if any(_has(member, "tasks") for member in members):
        return "workflow"
    if isinstance(data.get("name"), str) or any(
        section in data and not _has(data[section], "base") for section in ("workflows", "actions")
    ):
        return "workbook"
    return "action" if any(_has(member, "base", "base-input") for member in members) else "workflow"


def _has(value: Json, *keys: str) -> bool:
    return isinstance(value, dict) and any(key in value for key in keys)


def parse_supported(text: str) -> Parsed[WorkflowSpec]:
    """Every problem of a text; also warnings of what has no effect in this service."""
    parsed = parse_workflows(text, check_syntax)
    found = [problem for spec in parsed.specs for problem in _without_effect(spec, ())]
    return msgspec.structs.replace(parsed, problems=_in_order([*parsed.problems, *found]))


def parse_supported_actions(text: str) -> Parsed[ActionSpec]:
    """Every problem of a text of ad-hoc actions, with cycles among them."""
    parsed = parse_actions(text, check_syntax)
    found = _cycles({spec.name: spec for spec in parsed.specs}, {}, ())
    return msgspec.structs.replace(parsed, problems=_in_order([*parsed.problems, *found]))


def parse_supported_workbook(text: str) -> ParsedWorkbook:
    """Every problem of a workbook, checked as its members are."""
    parsed = parse_workbook(text, check_syntax)
    if parsed.spec is None:
        return parsed
    found = [problem for spec in parsed.spec.workflows for problem in _without_effect(spec, ("workflows",))]
    actions = {spec.name: spec for spec in parsed.spec.actions}
    local = {spec.raw["name"]: spec.name for spec in parsed.spec.actions}
    found += _cycles(actions, local, ("actions",))
    return msgspec.structs.replace(parsed, problems=_in_order([*parsed.problems, *found]))


def _in_order(problems: list[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _without_effect(spec: WorkflowSpec, base: Path) -> list[Problem]:
    found = []
    for name, task in spec.tasks.items():
        if task.target is not None:
            path: Path = ("tasks", name, "target")
            place = spec.positions.get(path, START)
            found.append(
                Problem(
                    f"task '{name}': 'target' has no effect: there is one executor, which takes every action",
                    place.line,
                    place.column,
                    str(task.target),
                    path=(*base, spec.raw["name"], *path),
                    is_error=False,
                )
            )
    return found


def _cycles(actions: dict[str, ActionSpec], local: dict[str, str], base: Path) -> list[Problem]:
    """Ad-hoc actions of one text that are based on each other; `local` has their short names."""
    bases = {name: local.get(spec.base, spec.base) for name, spec in actions.items()}
    found = []
    walked: set[str] = set()
    for name in actions:
        cycle = find_cycle(name, bases.get, walked)
        if cycle is not None:
            spec = actions[cycle[0]]
            place = spec.positions.get(("base",), START)
            found.append(
                Problem(
                    f"action '{spec.raw['name']}', base: {cycle_message(cycle)}",
                    place.line,
                    place.column,
                    spec.base,
                    CYCLE_HINT,
                    (*base, spec.raw["name"], "base"),
                )
            )
    return found


def find_cycle(start: str, follow: Callable[[str], str | None], walked: set[str]) -> list[str] | None:
    """The cycle of ad-hoc actions to which `start` leads, its first name once more at its end.

    `follow` says what an action is based on. None if there is no cycle, or if the way leads into `walked`,
    to which every name on it is added.
    """
    chain: dict[str, None] = {}
    name: str | None = start
    while name is not None and name not in walked:
        chain[name] = None
        walked.add(name)
        name = follow(name)
    if name is None or name not in chain:
        return None
    way = list(chain)
    return [*way[way.index(name) :], name]


def cycle_message(cycle: list[str]) -> str:
    """What is wrong with ad-hoc actions that lead back to the first of them."""
    shown = cycle if len(cycle) <= MOST_SHOWN else [*cycle[:4], "…", *cycle[-3:]]
    return f"Found a cycle in an ad-hoc action chain: {' -> '.join(shown)}"
