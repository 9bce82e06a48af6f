"""Errors that people see: what is wrong, where, what to do. Each knows its HTTP status."""

from __future__ import annotations

from typing import ClassVar


class MaestraleError(Exception):
    """Base of all errors meant for a person.

    `message` says what is wrong and where; `hint` (may be empty) says what to do about it.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class BadRequest(MaestraleError):
    """The request itself is wrong."""

    status = 400


class InvalidDefinition(BadRequest):
    """A definition text has errors; the message lists every one of them with line and column."""


class InvalidInput(BadRequest):
    """Input of a workflow or action is missing or unexpected."""


class InvalidAction(BadRequest):
    """An action is unknown or was called wrongly."""


class InvalidState(BadRequest):
    """A change of state that is not legal now."""


class EvaluationError(BadRequest):
    """An expression failed at run time. The message never holds values of other variables."""


class ExpressionGrammarError(BadRequest):
    """An expression that cannot be parsed."""


class Unauthorized(MaestraleError):
    """Nobody known is asking."""

    status = 401


class Forbidden(MaestraleError):
    """Known, but not allowed (here, or in this state)."""

    status = 403


class NotFound(MaestraleError):
    """No such object, or none that the caller may see."""

    status = 404


class Conflict(MaestraleError):
    """It exists already."""

    status = 409


class Later(MaestraleError):
    """Not now; `retry_after`: seconds after which it is worth asking again."""

    def __init__(self, message: str, hint: str = "", *, retry_after: int = 1) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class TooManyRequests(Later):
    """The caller's project asks for more than its share."""

    status = 429


class Unavailable(Later):
    """Shutting down, overloaded, or in maintenance."""

    status = 503
