"""What compiled expressions leave to the official library: counted, to know what to compile next."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

Stage = Literal["compile", "run"]
"""When an expression was given up: once, when it was compiled, or at each evaluation."""

_COUNTS: Final[Counter[tuple[Stage, str]]] = Counter()


class NotCompiled(Exception):
    """This expression, or these values, are the official library's to evaluate: `construct` says why."""

    def __init__(self, construct: str) -> None:
        super().__init__(construct)
        self.construct = construct


def count_fallback(stage: Stage, reason: Exception) -> None:
    """Remember that an expression goes to the official library, and for what."""
    construct = reason.construct if isinstance(reason, NotCompiled) else type(reason).__name__
    _COUNTS[stage, construct] += 1


def fallback_counts() -> dict[tuple[Stage, str], int]:
    """How often expressions went to the official library since the process started, by stage and construct.

    At the stage "run" a construct may also be the class of an error: its message is the library's.
    """
    return dict(_COUNTS)
