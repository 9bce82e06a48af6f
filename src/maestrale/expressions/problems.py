"""What went wrong in an expression, in words: the cause, a likely slip of the pen, what there is."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Final

from maestrale.expressions.python_causes import in_words, kind_of_class
from maestrale.model.errors import EvaluationError, ExpressionGrammarError, Place

_MOST_NAMES: Final = 20
_LONGEST_CAUSE: Final = 300
_LONGEST_EXPRESSION: Final = 1000

LANGUAGE_TITLES: Final = {"yaql": "YAQL", "jinja": "Jinja"}


UNPARSABLE: Final = (ValueError, RecursionError, SyntaxError, OverflowError, MemoryError)
"""What parsers raise, besides errors of their own, for numbers and nesting beyond all measure."""


class GrammarError(ExpressionGrammarError):
    """An expression that cannot be parsed.

    `offset` (characters, from 0) says where in the whole text, `start` where the expression begins in it.
    """

    def __init__(self, language: str, expression: str, cause: str, offset: int, start: int = 0) -> None:
        title = LANGUAGE_TITLES[language]
        shown = shortened(expression)
        message = f"Can not parse {title} expression [expression={shown}, error={cause}]"
        super().__init__(message, place=Place.at(expression, max(0, offset - start)))
        self.expression = expression
        self.cause = cause
        self.offset = offset


class MissingName(KeyError):
    """A name that a map, or the scope itself, does not have; the words are made when they are read."""

    def __init__(self, name: object, names: Callable[[], Mapping[Any, Any]], is_variable: bool) -> None:
        super().__init__(name)
        self._names = names
        self._is_variable = is_variable

    def __str__(self) -> str:
        return missing_name(self.args[0], self._names(), self._is_variable)


class NotJson(TypeError):
    """A result that cannot be stored."""

    def __init__(self, value: object) -> None:
        kind = "a function" if inspect.isroutine(value) else kind_in_words(value)
        hint = "; call it with ()" if inspect.isroutine(value) else ""
        super().__init__(f"the result holds {kind}, which is no data{hint}")


def missing_name(name: object, names: Mapping[Any, Any], is_variable: bool) -> str:
    """The cause for a missing variable or key: what is missing, what may be meant, what there is.

    Of `names` only the keys are told, and those of the environment if it is among them.
    """
    environment = names.get("__env") if is_variable else None
    if isinstance(environment, Mapping) and name in environment:
        return f"no variable '{name}'; the environment has it: env().{name}"
    visible = sorted(str(other) for other in names if not str(other).startswith("__"))
    shown = f"no {'variable' if is_variable else 'key'} '{name}'{did_you_mean(str(name), visible)}"
    if not visible:
        return f"{shown}; there are none"
    more = f", ... ({len(visible)} in all)" if len(visible) > _MOST_NAMES else ""
    return f"{shown}; available: {', '.join(visible[:_MOST_NAMES])}{more}"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?` if one of the names is close, else nothing."""
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def kind_in_words(value: object) -> str:
    """What kind of data a value is, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a map"
        case Sequence():
            return "a list"
        case Set():
            return "a set"
        case _:
            return kind_of_class(type(value).__name__)


def cause_in_words(error: BaseException) -> str:
    """One line about an exception that an expression raised."""
    match error:
        case MissingName():
            text = str(error)
        case KeyError():
            text = f"no key '{error.args[0]}'" if error.args else "no such key"
        case IndexError():
            text = "the index is out of range"
        case RecursionError():
            text = "the expression or its data is nested too deeply"
        case MemoryError():
            text = "not enough memory"
        case re.error():
            text = f"the regular expression is wrong: {error.msg}"
        case StopIteration():
            text = str(error) or "the collection is empty"
        case _:
            text = in_words(str(error)) or type(error).__name__
    for view, word in (("MapView", "map"), ("ScopeView", "map"), ("ListView", "list"), ("TupleView", "list")):
        text = text.replace(view, word)
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]}..."


def evaluation_error(
    language: str, expression: str, cause: str, place: Place | None = None
) -> EvaluationError:
    """The error in the form that clients look for; the place stands behind it."""
    title = LANGUAGE_TITLES[language]
    message = f"Can not evaluate {title} expression [expression={shortened(expression)}, error={cause}]"
    if place is not None and (where := str(place)):
        message += f" ({where} of the expression)"
    return EvaluationError(message, place=place)


def shortened(expression: str) -> str:
    """An expression for a message: without blanks around it, cut if it is a whole document."""
    text = expression.strip()
    return text if len(text) <= _LONGEST_EXPRESSION else f"{text[:_LONGEST_EXPRESSION]}..."
