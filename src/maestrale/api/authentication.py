"""Who is asking."""

from __future__ import annotations

from starlette.requests import Request

from maestrale.services.access import OPERATOR, Caller


def caller_of(_request: Request) -> Caller:
    """The caller of a request. Without authentication everybody is the operator; headers do not count."""
    return OPERATOR
