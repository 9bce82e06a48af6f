"""Use cases of workflow definitions."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy.exc import IntegrityError

from maestrale.lang.problems import describe, describe_all, raise_for
from maestrale.lang.spec import InputParameter, WorkflowSpec
from maestrale.model.errors import BadRequest, Conflict
from maestrale.model.listing import Listing, Row
from maestrale.services.access import Caller, authorise
from maestrale.services.parsing import parse_supported
from maestrale.services.waiting import now, outcome
from maestrale.store.catalogue import (
    WORKFLOWS,
    Draft,
    check_new,
    create_definitions,
    delete_definition,
    get_definition,
    list_definitions,
    update_definitions,
)
from maestrale.store.database import Database

KIND: Final = "workflow"
SCOPES: Final = ("private", "public")
NAME_LENGTH: Final = 255


class Verdict(msgspec.Struct, frozen=True):
    """What validation says. `error` lists every error, None if the text is valid."""

    error: str | None = None
    warnings: tuple[str, ...] = ()


class Stored(NamedTuple):
    """Stored workflows in the order of the text, and what may be wrong with them."""

    rows: list[Row]
    warnings: list[str]


class Definitions:
    """What can be done with workflow definitions."""

    shape = WORKFLOWS.shape()

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of workflows."""
        authorise(caller, "workflows:list")
        if listing.all_projects:
            authorise(caller, "workflows:list:all_projects")
        return await outcome(self._database.read(list_definitions, caller.viewer, KIND, listing))

    async def get(
        self, caller: Caller, identifier: str, namespace: str, fields: Sequence[str] | None = None
    ) -> Row:
        """One workflow by id, or by name in exactly this namespace."""
        authorise(caller, "workflows:get")
        return await outcome(
            self._database.read(get_definition, caller.viewer, KIND, identifier, namespace, fields)
        )

    async def create(
        self, caller: Caller, text: str, *, namespace: str = "", scope: str | None = None
    ) -> Stored:
        """Store every workflow of a text, all or none; the answer is in the order of the text."""
        authorise(caller, "workflows:create")
        scope = _checked_scope(caller, scope)
        drafts, warnings = await asyncio.to_thread(_drafts, text, namespace)
        names = [draft.name for draft in drafts]
        # Looked up before the write, so that an ordinary duplicate does not disturb a shared commit.
        await outcome(self._database.read(check_new, KIND, caller.project_id, namespace, names))
        try:
            rows = await outcome(
                self._database.write(
                    create_definitions,
                    KIND,
                    [str(uuid.uuid4()) for _ in drafts],
                    drafts,
                    project_id=caller.project_id,
                    namespace=namespace,
                    scope=scope,
                    now=now(),
                )
            )
        except IntegrityError:
            raise _taken(names) from None
        return Stored(rows, warnings)

    async def update(
        self,
        caller: Caller,
        text: str,
        *,
        namespace: str = "",
        scope: str | None = None,
        identifier: str | None = None,
    ) -> Stored:
        """Replace every workflow of a text, all or none.

        With `identifier` replace that one, which may get a new name. Without `scope` they become private.
        """
        authorise(caller, "workflows:update")
        scope = _checked_scope(caller, scope)
        drafts, warnings = await asyncio.to_thread(_drafts, text, namespace)
        if identifier is not None and len(drafts) > 1:
            raise BadRequest(
                "More than one workflow is not supported for an update with an identifier "
                f"[identifier={identifier}]",
                "send one workflow, or leave the identifier out",
            )
        try:
            rows = await outcome(
                self._database.write(
                    update_definitions,
                    caller.viewer,
                    KIND,
                    drafts,
                    namespace=namespace,
                    scope=scope,
                    now=now(),
                    identifier=identifier,
                )
            )
        except IntegrityError:
            raise _taken([draft.name for draft in drafts]) from None
        return Stored(rows, warnings)

    async def delete(self, caller: Caller, identifier: str, namespace: str) -> None:
        """Remove a workflow. Executions that run on it go on."""
        authorise(caller, "workflows:delete")
        await outcome(self._database.write(delete_definition, caller.viewer, KIND, identifier, namespace))

    async def validate(self, text: str) -> Verdict:
        """Say what is wrong with a text; nothing is stored."""
        parsed = await asyncio.to_thread(parse_supported, text)
        warnings = tuple(describe(problem) for problem in parsed.problems if not problem.is_error)
        return Verdict(describe_all(parsed.problems) if parsed.errors else None, warnings)


def _drafts(text: str, namespace: str) -> tuple[list[Draft], list[str]]:
    """What is to be stored, and the warnings."""
    parsed = parse_supported(text)
    raise_for(parsed.problems)
    for spec in parsed.specs:
        if " " in spec.name:
            raise BadRequest(f"Name '{spec.name}' must not contain spaces", "use '_' or '-'")
        if len(spec.name) > NAME_LENGTH:
            raise BadRequest(f"Name '{spec.name[:40]}...' is longer than {NAME_LENGTH} characters")
    if len(namespace) > NAME_LENGTH:
        raise BadRequest(f"Namespace '{namespace[:40]}...' is longer than {NAME_LENGTH} characters")
    drafts = [_draft(spec, parsed.texts[spec.name]) for spec in parsed.specs]
    return drafts, [describe(problem) for problem in parsed.problems]


def _draft(spec: WorkflowSpec, text: str) -> Draft:
    interface = {"input": spec.raw.get("input") or [], "output": list(spec.output or {})}
    return Draft(
        name=spec.name,
        text=text,
        input=", ".join(_shown(parameter) for parameter in spec.input),
        interface=msgspec.json.encode(interface).decode(),
        description=None if spec.description is None else str(spec.description),
        tags=msgspec.json.encode(spec.tags).decode(),
    )


def _shown(parameter: InputParameter) -> str:
    return parameter.name if parameter.required else f'{parameter.name}="{parameter.default}"'


def _checked_scope(caller: Caller, scope: str | None) -> str:
    if scope is None:
        return "private"
    if scope not in SCOPES:
        raise BadRequest(f"Invalid scope '{scope}'. Allowed scopes are: {', '.join(SCOPES)}")
    if scope == "public":
        authorise(caller, "workflows:publicize")
    return scope


def _taken(names: Sequence[str]) -> Conflict:
    return Conflict(
        f"Duplicate entry for WorkflowDefinition: {', '.join(names)}", "somebody else stored it just now"
    )
