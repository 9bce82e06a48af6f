"""What is stored of a definition text: a draft for each definition in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from maestrale.lang.problems import describe, raise_for
from maestrale.lang.spec import ActionSpec, InputParameter, Problem, WorkflowSpec
from maestrale.model.errors import BadRequest
from maestrale.services.parsing import parse_supported, parse_supported_actions, parse_supported_workbook
from maestrale.store.catalogue import Draft
from maestrale.store.workbooks import BookDraft

NAMESPACE_LENGTH: Final = 255


class Base(NamedTuple):
    """What an ad-hoc action is based on; `workbook` is the one in which that name is looked up first."""

    name: str
    workbook: str = ""


class Read(NamedTuple):
    """The definitions of a text in its order, its warnings, and what its ad-hoc actions are based on."""

    drafts: list[Draft]
    warnings: list[str]
    bases: Mapping[str, Base] = MappingProxyType({})


class ReadBook(NamedTuple):
    """The same of a workbook."""

    draft: BookDraft
    warnings: list[str]
    bases: Mapping[str, Base]


def read_workflows(text: str) -> Read:
    """The workflows of a text. Raises `InvalidDefinition`."""
    parsed = parse_supported(text)
    raise_for(parsed.problems)
    drafts = [_workflow(spec, parsed.texts[spec.name]) for spec in parsed.specs]
    return Read(drafts, _warnings(parsed.problems))


def read_actions(text: str) -> Read:
    """The ad-hoc actions of a text. Raises `InvalidDefinition`."""
    parsed = parse_supported_actions(text)
    raise_for(parsed.problems)
    drafts = [_action(spec, parsed.texts[spec.name]) for spec in parsed.specs]
    bases = {spec.name: Base(spec.base) for spec in parsed.specs}
    return Read(drafts, _warnings(parsed.problems), bases)


def read_workbook(text: str) -> ReadBook:
    """A workbook with its members. Raises `InvalidDefinition`."""
    parsed = parse_supported_workbook(text)
    raise_for(parsed.problems)
    spec = parsed.spec
    assert spec is not None, "a workbook that cannot be read has a problem"
    draft = BookDraft(
        Draft(name=spec.name, text=text, description=spec.description, tags=_json(spec.tags)),
        [_workflow(member, parsed.workflow_texts[member.name], spec.name) for member in spec.workflows],
        [_action(member, parsed.action_texts[member.name], spec.name) for member in spec.actions],
    )
    bases = {member.name: Base(member.base, spec.name) for member in spec.actions}
    return ReadBook(draft, _warnings(parsed.problems), bases)


def check_namespace(namespace: str) -> None:
    """BadRequest for a namespace that cannot be stored."""
    if len(namespace) > NAMESPACE_LENGTH:
        raise BadRequest(f"Namespace '{namespace[:40]}...' is longer than {NAMESPACE_LENGTH} characters")


def _warnings(problems: list[Problem]) -> list[str]:
    return [describe(problem) for problem in problems]


def _workflow(spec: WorkflowSpec, text: str, workbook: str | None = None) -> Draft:
    interface = {"input": spec.raw.get("input") or [], "output": list(spec.output or {})}
    return Draft(
        name=spec.name,
        text=text,
        input=_input(spec.input, lambda default: f'"{default}"'),
        interface=_json(interface),
        description=None if spec.description is None else str(spec.description),
        tags=_json(spec.tags),
        workbook=workbook,
    )


def _action(spec: ActionSpec, text: str, workbook: str | None = None) -> Draft:
    return Draft(
        name=spec.name,
        text=text,
        input=_input(spec.input, lambda default: json.dumps(default, ensure_ascii=False)),
        description=spec.description,
        tags=_json(spec.tags),
        workbook=workbook,
    )


def _input(parameters: tuple[InputParameter, ...], show: Callable[[object], str]) -> str:
    """What lists show of an input: workflows have their defaults as text, actions as JSON."""
    return ", ".join(
        parameter.name if parameter.required else f"{parameter.name}={show(parameter.default)}"
        for parameter in parameters
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
