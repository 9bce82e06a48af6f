"""What requests that carry a definition text have in common."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from maestrale.api.answers import json_answer
from maestrale.model.listing import Row
from maestrale.services.definitions import Verdict

UPLOAD: Final = frozenset({"namespace", "scope", "skip_validation"})
CREATED: Final = 201
CHARSET: Final = {"Content-Type": "application/json;charset=utf-8"}


def namespace_of(request: Request) -> str:
    """The namespace that the query names; the default one has an empty name."""
    return request.query_params.get("namespace", "")


def scope_of(request: Request) -> str | None:
    """The scope that the query names, if it does."""
    return request.query_params.get("scope")


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
