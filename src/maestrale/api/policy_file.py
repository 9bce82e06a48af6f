"""The policy file: which checks callers have to pass, in the form of oslo.policy.

"workflows:create": "role:author or rule:admin_only"    # YAML or JSON; rules that are left out keep
author: "role:author"                                   # their default
"""

from __future__ import annotations

import difflib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from maestrale.lang.yaml import Document, load
from maestrale.model.errors import MaestraleError
from maestrale.services.policy import BASE, RULES, Policy
from maestrale.services.policy_checks import Check, PolicyError, parse_lists, references

LOOK_AFTER: Final = 1.0
"""Seconds between two looks at whether the file has changed."""

log = logging.getLogger(__name__)


class PolicyFileError(MaestraleError):
    """The policy file cannot be used; the message says why, line by line."""


class PolicyFile:
    """The policy of a file, as it is now: a change counts within a second or so of use.

    A file that has become unusable changes nothing, and the log says why.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises `PolicyFileError`."""
        self._path = path
        self._clock = clock
        self._seen = self._state()
        self._looked = clock()
        self._policy = read_policy(path)

    def current(self) -> Policy:
        """What is in force."""
        now = self._clock()
        if now - self._looked >= LOOK_AFTER:
            self._looked = now
            seen = self._state()
            if seen != self._seen:
                self._seen = seen
                self._read_again()
        return self._policy

    def _read_again(self) -> None:
        try:
            self._policy = read_policy(self._path)
        except PolicyFileError as error:
            log.error("%s\nWhat was in force before stays in force.", error)
        else:
            log.warning("The policy file %s has changed, and is in force", self._path)

    def _state(self) -> tuple[int, int, int] | None:
        """Something that is another one after a change; None if there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_policy(path: Path) -> Policy:
    """The policy of a file. Raises `PolicyFileError`; warns of rules that do not exist."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PolicyFileError(f"The policy file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PolicyFileError(f"The policy file {path} is not a text in UTF-8: {error}") from None
    document = load(text)
    checks: dict[str, Check] = {}
    problems = list(_read(document, checks))
    policy = Policy(checks)
    if not problems:
        problems = [
            f"line {document.key_position((name,)).line}: '{name}': {problem}"
            for name in checks
            if (problem := policy.problem(name)) is not None
        ]
    if problems:
        raise PolicyFileError("\n".join((f"The policy file {path} cannot be used:", *problems)))
    for warning in _warnings(document, policy):
        log.warning("%s: %s", path, warning)
    return policy


def _read(document: Document, checks: dict[str, Check]) -> Iterator[str]:
    """What is wrong, each with its line; puts what is right into `checks`."""
    for problem in document.problems:
        yield f"line {problem.line}, column {problem.column}: {problem.message} ({problem.hint})"
    if document.data is None or not document.is_readable:
        return
    if not isinstance(document.data, dict):
        yield 'line 1: a map of rules is expected ("workflows:create": "role:author")'
        return
    for name, value in document.data.items():
        line = document.position((name,)).line
        if value is None:
            yield f'line {line}: \'{name}\' has no check (write "@" to let everybody pass, "!" for nobody)'
            continue
        try:
            checks[name] = parse_lists(value)
        except PolicyError as error:
            yield f"{_place(document, name, value, error)}: '{name}': {error}"


def _place(document: Document, name: str, value: Any, error: PolicyError) -> str:
    if isinstance(value, str):
        found = document.locate((name,), value, error.column - 1)
        return f"line {found.line}, column {found.column}"
    return f"line {document.position((name,)).line}"


def _warnings(document: Document, policy: Policy) -> Iterator[str]:
    """Rules that nothing asks for: probably meant to be another one."""
    used = {reference for check in policy.checks.values() for reference in references(check)}
    for name in policy.changed:
        if name not in RULES and name not in BASE and name not in used:
            near = difflib.get_close_matches(name, RULES, 1)
            hint = f" (did you mean '{near[0]}'?)" if near else ""
            yield f"line {document.key_position((name,)).line}: nothing asks for a rule '{name}'{hint}"
