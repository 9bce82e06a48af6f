"""Findings in a definition text: collecting them with their place, and telling them to a person."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from maestrale.lang.spec import Path, Problem
from maestrale.lang.yaml import Document
from maestrale.model.errors import InvalidDefinition
from maestrale.model.values import Json


class ExpressionProblem(Protocol):
    """What is wrong with the expressions of a text: `message` names the expression, `offset` is the
    character of the text (from 0) where it shows.
    """

    @property
    def message(self) -> str: ...

    @property
    def offset(self) -> int: ...


ExpressionChecker = Callable[[str], ExpressionProblem | None]
"""Checks the syntax of all expressions in a text; None if they are fine."""

_MOST_COMPARISONS: Final = 20_000
_MOST_LINES: Final = 1_000


def describe(problem: Problem) -> str:
    """One line for a person: `line L, column C: message (hint)`."""
    hint = f" ({problem.hint})" if problem.hint else ""
    return f"line {problem.line}, column {problem.column}: {problem.message}{hint}"


def describe_all(problems: Iterable[Problem]) -> str:
    """All errors among the problems, one per line, after the words that tell their kind."""
    errors = [problem for problem in problems if problem.is_error]
    is_syntax = any(problem.kind == "syntax" for problem in errors)
    prefix = "Definition could not be parsed: " if is_syntax else "Invalid DSL: "
    lines = [describe(problem) for problem in errors[:_MOST_LINES]]
    if len(errors) > _MOST_LINES:
        lines.append(f"… and {len(errors) - _MOST_LINES} more errors")
    return prefix + "\n".join(lines)


def raise_for(problems: Collection[Problem]) -> None:
    """Raise `InvalidDefinition` that lists every error; warnings alone pass."""
    if any(problem.is_error for problem in problems):
        raise InvalidDefinition(describe_all(problems))


class _Suggestions:
    """Finds near misses; a budget keeps a text full of mistakes from costing minutes."""

    def __init__(self) -> None:
        self._comparisons_left = _MOST_COMPARISONS

    def near(self, word: str, known: Collection[str]) -> str:
        self._comparisons_left -= len(known)
        if self._comparisons_left < 0 or len(word) > 100:
            return ""
        found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
        return f"did you mean `{found[0]}`?" if found else ""


class Report:
    """Collects the problems of one document while it is read.

    Paths given to its methods are relative to the object that is being read (`inside`).
    """

    def __init__(self, document: Document, check_expression: ExpressionChecker | None) -> None:
        self.document = document
        self.problems: list[Problem] = list(document.problems)
        self._check_expression = check_expression
        self._suggestions = _Suggestions()
        self._odd_keys = dict(document.odd_keys)
        self._base: Path = ()
        self._subject = ""

    def inside(self, base: Path, subject: str) -> Report:
        """The same report, for paths below `base`; `subject` names the object, e.g. "workflow 'w'"."""
        view = copy.copy(self)
        view._base = base
        view._subject = subject
        return view

    def error(self, path: Path, message: str, *, hint: str, text: str = "", at_key: bool = False) -> None:
        """Note an error at the value (or the key) at `path`; `hint` says what to do."""
        self._add(path, message, text, hint, at_key, is_error=True)

    def warning(self, path: Path, message: str, *, hint: str, text: str = "", at_key: bool = False) -> None:
        """Note something that works, but hardly as meant."""
        self._add(path, message, text, hint, at_key, is_error=False)

    def warning_in_text(self, path: Path, value: str, offset: int, message: str, text: str) -> None:
        """Note a warning about one place inside the text `value`."""
        place = self.document.locate(self._base + path, value, offset)
        message = self._label(path) + message
        self.problems.append(
            Problem(message, place.line, place.column, text, path=self._base + path, is_error=False)
        )

    def suggestion(self, word: str, known: Collection[str]) -> str:
        """A hint naming the known word that `word` was probably meant to be, or nothing."""
        return self._suggestions.near(word, known)

    def expressions(self, path: Path, value: Json, *, are_errors: bool = True) -> None:
        """Check the expressions in a value.

        Mistakes in the text itself or in a direct member of the map or list are errors, deeper ones
        (found by nobody before the value is used) warnings.
        """
        if self._check_expression is not None:
            self._walk(path, value, 1 if are_errors else -1)

    def _walk(self, path: Path, value: Json, levels: int) -> None:
        if isinstance(value, str):
            if may_hold_expression(value):
                self._check_text(path, value, is_error=levels >= 0)
        elif isinstance(value, dict):
            for key, item in value.items():
                self._walk((*path, key), item, levels - 1)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._walk((*path, index), item, levels - 1)

    def _check_text(self, path: Path, value: str, *, is_error: bool) -> None:
        found = self._check_expression(value) if self._check_expression is not None else None
        if found is None:
            return
        whole = self._base + path
        place = self.document.locate(whole, value, found.offset)
        message = self._label(path) + found.message
        self.problems.append(
            Problem(message, place.line, place.column, value, path=whole, is_error=is_error, kind="grammar")
        )

    def names(self, path: Path, mapping: dict[str, Json], what: str = "name") -> None:
        """Refuse keys of a map that YAML did not read as text although names are expected there."""
        if not self._odd_keys:
            return
        for key in mapping:
            child = (*path, key)
            if self._base + child in self._odd_keys:
                read = self._odd_keys.pop(self._base + child)
                self.error(
                    child,
                    f"the {what} {key!r} is no text: YAML reads it as {_yaml_kind(read)}",
                    text=key,
                    hint=f"put it into quotes: '{key}'",
                    at_key=True,
                )

    def finish(self) -> list[Problem]:
        """All problems in the order of the text."""
        for path, read in self._odd_keys.items():
            place = self.document.key_position(path)
            key = str(path[-1])
            self.problems.append(
                Problem(
                    f"the key {key!r}, which YAML reads as {_yaml_kind(read)}, is taken as text",
                    place.line,
                    place.column,
                    key,
                    f"put it into quotes: '{key}'",
                    path,
                    is_error=False,
                )
            )
        self._odd_keys.clear()
        return sorted(self.problems, key=lambda problem: (problem.line, problem.column))

    def _add(self, path: Path, message: str, text: str, hint: str, at_key: bool, *, is_error: bool) -> None:
        whole = self._base + path
        find = self.document.key_position if at_key else self.document.position
        place = find(whole)
        label = self._label(path[:-1] if at_key else path)
        self.problems.append(Problem(label + message, place.line, place.column, text, hint, whole, is_error))

    def _label(self, path: Path) -> str:
        """The object that a message is about: `task 't1', on-success.publish: `."""
        parts = [str(part) for part in path if not isinstance(part, int)]
        if len(path) > 1 and path[0] == "tasks":
            subject, parts = f"task {str(path[1])!r}", parts[2:]
        else:
            subject = self._subject
        words = ", ".join(part for part in (subject, ".".join(parts)) if part)
        return f"{words}: " if words else ""


def show(value: Json, limit: int = 60) -> str:
    """A value for a message: a text as it is, anything else as Python writes it; shortened."""
    shown = value if isinstance(value, str) else repr(value)
    return shown if len(shown) <= limit else shown[:limit] + "…"


def may_hold_expression(text: str) -> bool:
    """Whether something in the text looks like the start of an expression."""
    return "<%" in text or "{{" in text or "{%" in text


def _yaml_kind(value: Json) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    return f"the number {value}"
