"""Errors that people see: what is wrong, where, what to do. Each knows its HTTP status."""

from __future__ import annotations

from typing import ClassVar, NamedTuple


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


class Place(NamedTuple):
    """Where in an expression something is wrong: line and column from 1; the column may not be known."""

    expression: str
    line: int
    column: int | None

    @staticmethod
    def at(expression: str, offset: int) -> Place:
        """The place of a character, counted from 0."""
        before = expression[:offset]
        return Place(expression, before.count("\n") + 1, offset - before.rfind("\n"))

    def __str__(self) -> str:
        line = f"line {self.line}" if "\n" in self.expression else ""
        column = "" if self.column is None else f"column {self.column}"
        return ", ".join(part for part in (line, column) if part)


class ExpressionError(BadRequest):
    """Something is wrong with an expression, at `place` if that is known."""

    def __init__(self, message: str, hint: str = "", place: Place | None = None) -> None:
        super().__init__(message, hint)
        self.place = place


class EvaluationError(ExpressionError):
    """An expression failed at run time. The message never holds values of other variables."""


class ExpressionGrammarError(ExpressionError):
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


class InMaintenance(MaestraleError):
    """The service takes no changes now."""

    status = 423


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
