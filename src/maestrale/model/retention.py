"""How long finished executions are kept."""

from __future__ import annotations

from typing import Final

import msgspec

from maestrale.model import states
from maestrale.model.durations import duration_text
from maestrale.model.values import Microseconds

EXPIRING: Final = (states.SUCCESS, states.ERROR, states.CANCELLED)
"""The states in which an execution can get old."""


class Retention(msgspec.Struct, frozen=True):
    """`ages`: after which time root executions that ended in a state are removed (None: never because of
    their age), for the states that are not ignored. `at_most`: how many of all those are kept (0: any
    number)."""

    ages: dict[str, Microseconds | None]
    at_most: int

    @property
    def is_on(self) -> bool:
        """Whether anything is ever removed."""
        return bool(self.ages) and (self.at_most > 0 or any(age is not None for age in self.ages.values()))

    def __str__(self) -> str:
        """A sentence for people, without the stop."""
        if not self.is_on:
            return "Finished executions are kept for ever"
        ignored = [state for state in EXPIRING if state not in self.ages]
        if not any(self.ages.values()):
            beside = f", not counting {' and '.join(ignored)}" if ignored else ""
            return f"At most {self.at_most:,} finished executions are kept{beside}"
        text = f"Finished executions are removed{self._after()}"
        if self.at_most:
            text += f"; at most {self.at_most:,} {'of the others ' if ignored else ''}are kept"
        return text

    def _after(self) -> str:
        """After which time; states without a name are all that have none of their own."""
        by_age: dict[Microseconds | None, list[str]] = {}
        for state in EXPIRING:
            by_age.setdefault(self.ages.get(state), []).append(state)
        usual = max(by_age, key=lambda age: (age is not None, len(by_age[age])))
        others = {age: named for age, named in by_age.items() if age != usual}
        first = f" {_text(usual)}" if len(by_age[usual]) > 1 else f": {by_age[usual][0]} {_text(usual)}"
        return ", ".join([first, *(f"{' and '.join(named)} {_text(age)}" for age, named in others.items())])


def _text(age: Microseconds | None) -> str:
    return "never" if age is None else f"after {duration_text(age)}"
