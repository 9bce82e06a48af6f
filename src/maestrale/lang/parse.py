"""Definition texts to specs, with all problems of a text at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from maestrale.lang import shapes
from maestrale.lang.actions import read_action
from maestrale.lang.check import check_object_name, check_workflow_name
from maestrale.lang.inline import TYPOGRAPHIC_DOUBLE, TYPOGRAPHIC_SINGLE
from maestrale.lang.problems import ExpressionChecker, Report, describe, describe_all, raise_for, show
from maestrale.lang.spec import ActionSpec, Path, Position, Problem, WorkbookSpec, WorkflowSpec
from maestrale.lang.texts import cut_out, dump
from maestrale.lang.workflows import read_workflow
from maestrale.lang.yaml import Document, load
from maestrale.model.errors import InvalidDefinition
from maestrale.model.values import Json

__all__ = [
    "ExpressionChecker",
    "Parsed",
    "ParsedWorkbook",
    "describe",
    "describe_all",
    "load_action",
    "load_workflow",
    "parse_actions",
    "parse_workbook",
    "parse_workflows",
    "raise_for",
]

_Spec = TypeVar("_Spec", WorkflowSpec, ActionSpec)
_MemberReader = Callable[[Report, Path, str, Json, dict[Path, Position]], _Spec]
_NameCheck = Callable[[Report, Path, str, str], None]

_MEMBER_NAME: Final = re.compile(r"(?!version\Z)[\w-]+")
_WORKBOOK_KEYS: Final = ("version", "name", "description", "tags", "actions", "workflows")


class Parsed(msgspec.Struct, Generic[_Spec], frozen=True):
    """What a text of workflows or actions holds.

    With errors among the problems, `specs` are what could be read all the same. `texts` is the definition
    to store for each member, by name. `problems` follow the order of the text.
    """

    specs: tuple[_Spec, ...] = ()
    problems: list[Problem] = []
    texts: dict[str, str] = {}

    @property
    def errors(self) -> list[Problem]:
        """The problems that make the text unusable."""
        return [problem for problem in self.problems if problem.is_error]


class ParsedWorkbook(msgspec.Struct, frozen=True):
    """What a workbook holds; members and their texts go by their full names, `book.member`.

    `spec` is None if not even the outer form could be read.
    """

    spec: WorkbookSpec | None = None
    problems: list[Problem] = []
    workflow_texts: dict[str, str] = {}
    action_texts: dict[str, str] = {}

    @property
    def errors(self) -> list[Problem]:
        """The problems that make the text unusable."""
        return [problem for problem in self.problems if problem.is_error]


def parse_workflows(text: str, check_expression: ExpressionChecker | None = None) -> Parsed[WorkflowSpec]:
    """Read a text of one or more workflows."""
    document = load(text)
    report = Report(document, check_expression)
    if _is_workbook(document.data):
        report.error(
            ("name",),
            f"{shapes.quoted(document.data['name'])} is not of type 'object': this is a workbook",
            text="name",
            hint="upload the text as a workbook, or put the workflows at the top level",
            at_key=True,
        )
        return Parsed(problems=report.finish())
    specs = _members(report, "workflow", read_workflow, check_workflow_name)
    if len(specs) == 1:
        texts = {specs[0].name: text}
    else:
        data = document.data
        texts = {s.name: dump({"version": data.get("version", "2.0"), s.name: data[s.name]}) for s in specs}
    return Parsed(specs, report.finish(), texts)


def _is_workbook(data: Json) -> bool:
    return (
        isinstance(data, dict)
        and isinstance(data.get("name"), str)
        and ("workflows" in data or "actions" in data)
    )


def parse_actions(text: str, check_expression: ExpressionChecker | None = None) -> Parsed[ActionSpec]:
    """Read a text of one or more ad-hoc actions; each of them stores the whole text."""
    report = Report(load(text), check_expression)
    specs = _members(report, "action", read_action, check_object_name)
    return Parsed(specs, report.finish(), {spec.name: text for spec in specs})


def _members(
    report: Report, what: str, read: _MemberReader[_Spec], check_name: _NameCheck
) -> tuple[_Spec, ...]:
    """All members of a text whose top level maps names to them."""
    document = report.document
    data = document.data
    if not document.is_readable or not _is_map(report):
        return ()
    report.names((), data, f"{what} name")
    if not _check_version(report):
        report.warning(
            ("version",),
            f"the version {shapes.quoted(data['version'])} is read as 2.0",
            text=str(data["version"]),
            hint="write `version: '2.0'`",
        )
    names = [name for name in data if name != "version"]
    if not names:
        report.error((), f"the text defines no {what}", hint=f"add `name:` and below it the {what}")
    for name in names:
        check_name(report.inside((name,), f"{what} {name!r}"), (), name, "")
    positions = document.positions(1)
    return tuple(read(report, (name,), name, data[name], positions[(name,)]) for name in names)


def _is_map(report: Report) -> bool:
    data = report.document.data
    if isinstance(data, dict):
        return True
    report.error(
        (),
        f"{shapes.quoted(data)} is not of type 'object'",
        text=show(data),
        hint="begin the text with `version: '2.0'`",
    )
    return False


def _check_version(report: Report) -> bool:
    """Whether the version is one that this service knows (for lists of members any one passes)."""
    data = report.document.data
    path: Path = ("version",)
    if "version" not in data:
        report.error((), "'version' is a required property", hint="begin the text with `version: '2.0'`")
        return True
    value = data["version"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and value >= 0) and not (isinstance(value, str) and value):
        report.error(
            path,
            f"{shapes.quoted(value)} is no version",
            text=str(value),
            hint="write `version: '2.0'`",
        )
        return True
    if isinstance(value, str):
        value = _without_typographic_quotes(report, value)
    try:
        return float(value) == 2.0
    except ValueError:
        return False


def _without_typographic_quotes(report: Report, value: str) -> str:
    bare = value.strip(TYPOGRAPHIC_DOUBLE + TYPOGRAPHIC_SINGLE + "\"'")
    if bare != value:
        report.warning(
            ("version",),
            f"the quotes around {bare} are typographic and are taken as quotes",
            text=value,
            hint=f"write '{bare}'",
        )
    return bare


def parse_workbook(text: str, check_expression: ExpressionChecker | None = None) -> ParsedWorkbook:
    """Read a text that is one workbook."""
    document = load(text)
    report = Report(document, check_expression)
    data = document.data
    if not document.is_readable or not _is_map(report):
        return ParsedWorkbook(problems=report.finish())
    report.names((), data)
    shapes.known_keys(report, (), data, _WORKBOOK_KEYS)
    if not _check_version(report):
        report.error(
            ("version",),
            f"Unsupported DSL version: {data['version']}",
            text=str(data["version"]),
            hint="write `version: '2.0'`",
        )
    name = ""
    if "name" in data:
        name = shapes.text(report, ("name",), data["name"]) or ""
        if name:
            check_object_name(report, ("name",), name)
    else:
        report.error((), "'name' is a required property", hint="give the workbook a name: `name: my_book`")
    positions = document.positions(2)
    actions = _workbook_members(report, "actions", name, read_action, check_object_name, positions)
    workflows = _workbook_members(report, "workflows", name, read_workflow, check_workflow_name, positions)
    spec = WorkbookSpec(
        name=name,
        description=shapes.text(report, ("description",), data["description"])
        if "description" in data
        else None,
        tags=shapes.texts(report, ("tags",), data["tags"]) if "tags" in data else (),
        workflows=workflows,
        actions=actions,
    )
    return ParsedWorkbook(
        spec,
        report.finish(),
        {workflow.name: cut_out(document, ("workflows", workflow.raw["name"])) for workflow in workflows},
        {action.name: cut_out(document, ("actions", action.raw["name"])) for action in actions},
    )


def _workbook_members(
    report: Report,
    section: str,
    book: str,
    read: _MemberReader[_Spec],
    check_name: _NameCheck,
    positions: dict[Path, dict[Path, Position]],
) -> tuple[_Spec, ...]:
    data = report.document.data
    if section not in data:
        return ()
    path: Path = (section,)
    members = shapes.mapping(report, path, data[section], f"{section[:-1]} name")
    found = []
    for name, body in members.items():
        if name == "version":
            _check_member_version(report, (*path, name), body)
            continue
        if not _MEMBER_NAME.fullmatch(name):
            report.error(
                (*path, name),
                f"Additional properties are not allowed ('{name}' was unexpected)",
                text=name,
                hint="a name in a workbook holds letters, digits, `_` and `-` only",
                at_key=True,
            )
        check_name(report.inside((*path, name), f"{section[:-1]} {name!r}"), (), name, book)
        found.append(read(report, (*path, name), f"{book}.{name}", body, positions[(*path, name)]))
    return tuple(found)


def _check_member_version(report: Report, path: Path, value: Json) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value not in ("2.0", "2") and not (is_number and value == 2):
        report.error(
            path,
            f"Unsupported DSL version: {show(value)}",
            text=show(value),
            hint="remove it: the version of the workbook counts",
        )


def load_workflow(text: str, name: str) -> WorkflowSpec:
    """The workflow `name` of a stored definition, without checking expressions again.

    Lines in its positions count from the start of this text. Raises `InvalidDefinition` if it is broken.
    """
    return _load_member(text, name, read_workflow)


def load_action(text: str, name: str) -> ActionSpec:
    """The ad-hoc action `name` of a stored definition; raises `InvalidDefinition` if it is broken."""
    return _load_member(text, name, read_action)


def _load_member(text: str, name: str, read: _MemberReader[_Spec]) -> _Spec:
    document: Document = load(text)
    report = Report(document, None)
    raise_for(report.problems)
    data = document.data if isinstance(document.data, dict) else {}
    names = [key for key in data if key != "version"]
    key = name if name in names else names[0] if len(names) == 1 else None
    if key is None:
        raise InvalidDefinition(
            f"Invalid DSL: the stored definition of {name!r} does not define it",
            "upload the definition again",
        )
    spec = read(report, (key,), name, data[key], document.positions(1)[(key,)])
    raise_for(report.finish())
    return spec
