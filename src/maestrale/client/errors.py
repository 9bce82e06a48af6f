"""What a client raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maestrale.client.results import Resource


class ClientError(Exception):
    """Base of all of them. `message` is meant for a person, `hint` (may be empty) says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ApiError(ClientError):
    """The server refused; `status` is the HTTP status, `message` the server's own words.

    `place` says where an expression is wrong: `expression`, and `line` and `column` from 1. `retry_after`:
    seconds after which the server wants to be asked again, None if it does not say.
    """

    def __init__(
        self,
        status: int,
        message: str,
        hint: str = "",
        *,
        place: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.place = place
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """The server does not know who asks (401)."""


class Forbidden(ApiError):
    """Who asks may not do that, or not in this state (403)."""


class NotFound(ApiError):
    """No such object, or none that one may see (404)."""


class Conflict(ApiError):
    """It exists already (409)."""


class ServerUnreachable(ClientError):
    """No answer came from `url`; `reached` says that there is a server, which broke off or took too long."""

    def __init__(self, url: str, message: str, reached: bool = False) -> None:
        super().__init__(message)
        self.url = url
        self.reached = reached


class UnexpectedAnswer(ClientError):
    """The server answered with something that this client cannot read."""


class WaitTimeout(ClientError, TimeoutError):
    """The time to wait is over, and `found` (as it was then) has not ended."""

    def __init__(self, message: str, found: Resource) -> None:
        super().__init__(message)
        self.found = found


_KINDS: Final[dict[int, type[ApiError]]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
}


def refusal(
    status: int, message: str, hint: str, place: Mapping[str, Any] | None, retry_after: float | None
) -> ApiError:
    """The error for a status."""
    return _KINDS.get(status, ApiError)(status, message, hint, place=place, retry_after=retry_after)
