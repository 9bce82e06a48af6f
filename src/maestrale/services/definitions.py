"""Use cases of workflow definitions, and what those of ad-hoc actions have in common with them."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

import msgspec
from sqlalchemy.exc import IntegrityError

from maestrale.lang.problems import describe, describe_all
from maestrale.lang.spec import Problem
from maestrale.model.errors import BadRequest, MaestraleError, NotFound
from maestrale.model.listing import Listing, Row
from maestrale.services.access import Caller, authorise
from maestrale.services.drafts import Read, check_namespace, read_workflows
from maestrale.services.parsing import parse_supported
from maestrale.services.waiting import Clock, outcome
from maestrale.store.catalogue import (
    WORKFLOWS,
    KindName,
    check_new,
    create_definitions,
    delete_definition,
    duplicate,
    get_definition,
    list_definitions,
    update_definitions,
)
from maestrale.store.database import Database

SCOPES: Final = ("private", "public")


class Verdict(msgspec.Struct, frozen=True):
    """What validation says. `error` lists every error, None if the text is valid."""

    error: str | None = None
    warnings: tuple[str, ...] = ()


class Stored(NamedTuple):
    """Stored definitions in the order of the text, and what may be wrong with them."""

    rows: list[Row]
    warnings: list[str]


class Uploads(ABC):
    """What can be done with definitions of one kind, several of which may stand in one text.

    `collection` is also how the rules of access call them.
    """

    kind: ClassVar[KindName]
    collection: ClassVar[str]

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, caller: Caller, text: str, *, namespace: str = "", scope: str | None = None
    ) -> Stored:
        """Store every definition of a text, all or none; the answer is in the order of the text."""
        authorise(caller, f"{self.collection}:create")
        scope = checked_scope(caller, scope, self.collection) or "private"
        check_namespace(namespace)
        read = await asyncio.to_thread(self._read, text)
        names = [draft.name for draft in read.drafts]
        # Looked up before the write, so that an ordinary duplicate does not disturb a shared commit.
        await outcome(self._database.read(check_new, self.kind, caller.project_id, namespace, names))
        warnings = await self._check(caller, namespace, read)
        try:
            rows = await outcome(
                self._database.write(
                    create_definitions,
                    self.kind,
                    [str(uuid.uuid4()) for _ in read.drafts],
                    read.drafts,
                    project_id=caller.project_id,
                    namespace=namespace,
                    scope=scope,
                    now=self._clock(),
                )
            )
        except IntegrityError:  # somebody else was quicker
            raise duplicate(self.kind, ", ".join(names), namespace, caller.project_id) from None
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
        """Replace every definition of a text, all or none.

        With `identifier` replace that one, which may get a new name. Without `scope` they become private.
        """
        authorise(caller, f"{self.collection}:update")
        scope = checked_scope(caller, scope, self.collection) or "private"
        read = await asyncio.to_thread(self._read, text)
        if identifier is not None and len(read.drafts) > 1:
            raise BadRequest(
                f"More than one {self.kind} is not supported for an update with an identifier "
                f"[identifier={identifier}]",
                f"send one {self.kind}, or leave the identifier out",
            )
        warnings = await self._check(caller, namespace, read)
        try:
            rows = await outcome(
                self._database.write(
                    update_definitions,
                    caller.viewer,
                    self.kind,
                    read.drafts,
                    namespace=namespace,
                    scope=scope,
                    now=self._clock(),
                    identifier=identifier,
                )
            )
        except IntegrityError:  # a new name that somebody else took just now
            names = ", ".join(draft.name for draft in read.drafts)
            raise duplicate(self.kind, names, namespace, caller.project_id) from None
        except NotFound as error:
            wanted = [draft.name for draft in read.drafts] if identifier is None else [identifier]
            raise await self._missing(error, caller, wanted, namespace) from None
        return Stored(rows, warnings)

    async def delete(self, caller: Caller, identifier: str, namespace: str) -> None:
        """Remove a definition. Executions that run on it go on."""
        authorise(caller, f"{self.collection}:delete")
        try:
            await outcome(
                self._database.write(delete_definition, caller.viewer, self.kind, identifier, namespace)
            )
        except NotFound as error:
            raise await self._missing(error, caller, [identifier], namespace) from None

    async def validate(self, text: str) -> Verdict:
        """Say what is wrong with a text; nothing is stored."""
        return verdict(await asyncio.to_thread(self._problems, text))

    @abstractmethod
    def _read(self, text: str) -> Read:
        """What is to be stored. Raises `InvalidDefinition`."""

    @abstractmethod
    def _problems(self, text: str) -> list[Problem]:
        """Everything that is odd about a text."""

    @abstractmethod
    async def _check(self, caller: Caller, namespace: str, read: Read) -> list[str]:
        """Compare a text with what is stored already; all warnings about it. BadRequest if they clash."""

    async def _missing(
        self,
        error: NotFound,
        caller: Caller,  # noqa: ARG002
        identifiers: list[str],  # noqa: ARG002
        namespace: str,  # noqa: ARG002
    ) -> MaestraleError:
        """The error to raise where one of these cannot be changed, because it is not among what is stored."""
        return error


class Definitions(Uploads):
    """What can be done with workflow definitions."""

    kind = "workflow"
    collection = "workflows"
    shape = WORKFLOWS.shape()

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of workflows."""
        authorise(caller, "workflows:list")
        if listing.all_projects:
            authorise(caller, "workflows:list:all_projects")
        return await outcome(self._database.read(list_definitions, caller.viewer, self.kind, listing))

    async def get(
        self, caller: Caller, identifier: str, namespace: str, fields: Sequence[str] | None = None
    ) -> Row:
        """One workflow by id, or by name in exactly this namespace."""
        authorise(caller, "workflows:get")
        return await outcome(
            self._database.read(get_definition, caller.viewer, self.kind, identifier, namespace, fields)
        )

    def _read(self, text: str) -> Read:
        return read_workflows(text)

    def _problems(self, text: str) -> list[Problem]:
        return parse_supported(text).problems

    async def _check(self, caller: Caller, namespace: str, read: Read) -> list[str]:  # noqa: ARG002
        return read.warnings


def verdict(problems: Sequence[Problem]) -> Verdict:
    """What validation says where these were found."""
    warnings = tuple(describe(problem) for problem in problems if not problem.is_error)
    has_errors = any(problem.is_error for problem in problems)
    return Verdict(describe_all(problems) if has_errors else None, warnings)


def given_of(caller: Caller, change: msgspec.Struct, collection: str) -> dict[str, Any]:
    """What is given of a change, by name; the scope checked."""
    given = {
        name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET
    }
    if "scope" in given:
        given["scope"] = checked_scope(caller, given["scope"], collection) or "private"
    return given


def checked_scope(caller: Caller, scope: str | None, collection: str) -> str | None:
    """A scope as it was given. BadRequest for an unknown one, Forbidden if the caller may not publish."""
    if scope is not None and scope not in SCOPES:
        raise BadRequest(f"Invalid scope '{scope}'. Allowed scopes are: {', '.join(SCOPES)}")
    if scope == "public":
        authorise(caller, f"{collection}:publicize")
    return scope
