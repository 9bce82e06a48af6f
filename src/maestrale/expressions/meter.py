"""What an evaluation has cost so far, counted in steps and without a clock, and what happens beyond."""

from __future__ import annotations

from typing import Any, Final

from maestrale.expressions.options import Options

UNLIMITED: Final = 2**63
"""More than anything is ever counted."""

CHARACTERS_PER_STEP: Final = 1024
"""Handling so many characters of a text (or members of a collection) costs about as much as one step."""

_REGEX_STEPS_PER_STEP: Final = 64


class LimitExceeded(Exception):
    """An expression goes beyond a limit; the message names the limit and its option, and quotes no data."""

    def __init__(self, what: str, option: str) -> None:
        super().__init__(f"{what} ([expressions] {option})")


class Leaving(Exception):
    """The evaluation is too costly to be finished here, and may be repeated where it delays nobody."""


class Meter:
    """Counts the steps of one evaluation: roughly, items gone through.

    An evaluation that `may_leave` stops after `steps_in_place` and is repeated elsewhere; one that cannot is
    refused after `max_steps`. Where it `is_killable`, time and memory are the limits and steps do not matter.
    """

    __slots__ = ("_options", "_steps_left", "is_killable", "may_leave", "stopped", "weights")

    def __init__(self, options: Options, *, may_leave: bool, is_killable: bool) -> None:
        self._options = options
        self.may_leave = may_leave and options.steps_in_place >= 0
        self.is_killable = is_killable
        self._steps_left = options.steps_in_place if self.may_leave else self._most
        self.stopped: Exception | None = None
        """Why the evaluation must not go on; remembered because expressions may swallow exceptions."""
        self.weights: dict[int, tuple[Any, int]] | None = None
        """Members of nested collections that the expression made, all levels together, by `id`."""

    @property
    def _most(self) -> int:
        return UNLIMITED if self.is_killable or self._options.max_steps < 0 else self._options.max_steps

    def spend(self, steps: int) -> None:
        """Count steps. Raises `Leaving` or `LimitExceeded`."""
        self._steps_left -= steps
        if self._steps_left < 0:
            self._exceed(f"it takes more than {self._options.max_steps} steps", "max_steps")

    def handle(self, size: int) -> None:
        """Count what handling so many characters or members as a whole costs."""
        self.spend(size // CHARACTERS_PER_STEP)

    def stay(self) -> None:
        """From now on the evaluation must not be repeated: it has drawn a random number, for example.

        Raises `LimitExceeded` where it has been repeated already.
        """
        if self.is_killable:
            raise self.refuse(
                "it takes long before it draws a random number or calls a function of the installation",
                "steps_in_place",
            )
        if self.may_leave:
            self.may_leave = False
            self._steps_left += self._most - self._options.steps_in_place

    def search(self, steps: int) -> None:
        """Count a search by a regular expression that may take up to so many steps of its own."""
        if self.is_killable:
            return
        most = self._options.regex_steps
        if 0 <= most < steps:
            self._exceed("a regular expression may take too long on a text of this length", "regex_steps")
        self.spend(steps // _REGEX_STEPS_PER_STEP)

    def refuse(self, what: str, option: str) -> LimitExceeded:
        """The error for what is allowed nowhere."""
        self.stopped = LimitExceeded(what, option)
        return self.stopped

    def _exceed(self, what: str, option: str) -> None:
        if self.may_leave:
            self.stopped = Leaving()
            raise self.stopped
        raise self.refuse(what, option)
