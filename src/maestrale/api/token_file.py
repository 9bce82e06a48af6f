"""The token file: which tokens the server knows, and who is behind each of them.

    3f9c…:                      # the token
      project_id: web
      user_id: ada
      user_name: Ada Lovelace   # may be left out
      roles: [admin]            # may be left out

Messages about the file name lines and never a token: they end up in logs.
"""

from __future__ import annotations

import difflib
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from maestrale.lang.yaml import Document, load
from maestrale.model.errors import MaestraleError
from maestrale.services.access import ADMIN, LONGEST_PROJECT_ID, Caller

SHORTEST: Final = 16
"""Characters below which a token is easily guessed."""

NEEDED: Final = ("project_id", "user_id")
KNOWN: Final = (*NEEDED, "user_name", "roles")

log = logging.getLogger(__name__)


class TokenFileError(MaestraleError):
    """The token file cannot be used; the message says why, line by line."""


def read_token_file(path: Path) -> dict[str, Caller]:
    """The caller behind each token. Raises `TokenFileError`; warns of what is merely unwise."""
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except OSError as error:
        raise TokenFileError(
            f"The token file {path} cannot be read: {error.strerror}",
            "write one, or start the server without --auth",
        ) from None
    except UnicodeDecodeError as error:
        raise TokenFileError(f"The token file {path} is not a text in UTF-8: {error}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("Other users of this machine may use the token file %s: chmod 600 %s", path, path)
    document = load(text)
    problems = list(_problems(document))
    if problems:
        raise TokenFileError("\n".join((f"The token file {path} cannot be used:", *problems)))
    callers = {token: _caller(entry) for token, entry in document.data.items()}
    if any(len(token) < SHORTEST for token in callers):
        log.warning(
            "The token file %s has tokens of less than %d characters, which can be guessed: "
            "`openssl rand -hex 24` makes better ones",
            path,
            SHORTEST,
        )
    return callers


def _caller(entry: Any) -> Caller:
    roles = tuple(entry.get("roles") or ())
    return Caller(entry["project_id"], entry["user_id"], entry.get("user_name"), roles, ADMIN in roles)


def _problems(document: Document) -> Iterator[str]:
    """What is wrong, each with its line."""
    if not document.is_readable:
        for problem in document.problems:  # their own words may quote the text
            yield f"line {problem.line}, column {problem.column}: this is not YAML ({problem.hint})"
        return
    for twice in document.problems:
        yield f"line {twice.line}: a key stands twice ({twice.hint})"
    if not isinstance(document.data, dict):
        yield "line 1: a map of tokens is expected (TOKEN: {project_id: ..., user_id: ...})"
    elif not document.data:
        yield "line 1: it holds no token, so nobody could log in (add TOKEN: {project_id: ..., user_id: ...})"
    else:
        for token, entry in document.data.items():
            for line, what in sorted(_entry_problems(document, token, entry)):
                yield f"line {line}: {what}"


def _entry_problems(document: Document, token: str, entry: Any) -> Iterator[tuple[int, str]]:
    line = document.key_position((token,)).line
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        yield line, "no header can carry this token (use letters and digits, without blanks)"
    if not isinstance(entry, dict):
        yield line, "what follows a token must be a map (project_id: ..., user_id: ...)"
        return
    for name in entry:
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(KNOWN)}"
            yield document.key_position((token, name)).line, f"unknown name in this entry ({hint})"
    for name in NEEDED:
        if name not in entry:
            yield line, f"the {name} of this entry is missing"
    for name in (*NEEDED, "user_name"):
        value = entry.get(name)
        if name in entry and not (isinstance(value, str) and 0 < len(value) <= LONGEST_PROJECT_ID):
            where = document.position((token, name)).line
            yield (
                where,
                f"{name} must be a text of 1 to {LONGEST_PROJECT_ID} characters (numbers need quotes)",
            )
    roles = entry.get("roles")
    if roles is not None and not (isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
        yield document.position((token, "roles")).line, "roles must be a list of texts (roles: [admin])"
