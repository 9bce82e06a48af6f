"""What requests that carry a definition text have in common."""

from __future__ import annotations

from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from maestrale.api.answers import json_answer
from maestrale.api.bodies import read_text
from maestrale.model.listing import Row
from maestrale.services.definitions import Verdict

CHARSET: Final = {"Content-Type": "application/json;charset=utf-8"}


def namespace_of(request: Request) -> str:
    """The namespace that the query names; the default one has an empty name."""
    return request.query_params.get("namespace", "")


class Upload(NamedTuple):
    """A definition text, and where its definitions go; `scope` is None if the query names none."""

    text: str
    namespace: str
    scope: str | None


async def read_upload(request: Request) -> Upload:
    """What a request uploads. BadRequest for a text that cannot be read."""
    return Upload(await read_text(request), namespace_of(request), request.query_params.get("scope"))


def stored_answer(content: Row, warnings: list[str], status: int = 200) -> Response:
    """What was stored; `warnings` only where there are some."""
    return json_answer(content | ({"warnings": warnings} if warnings else {}), status, CHARSET)


def verdict_answer(verdict: Verdict) -> Response:
    """What validation says."""
    answer: Row = {"valid": verdict.error is None}
    if verdict.error is not None:
        answer["error"] = verdict.error
    if verdict.warnings:
        answer["warnings"] = list(verdict.warnings)
    return json_answer(answer)
