"""The mark of what is not given."""

from __future__ import annotations

from typing import Final


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = _NotGiven()
"""Stands for a value that is not sent, because None is a value like any other."""
