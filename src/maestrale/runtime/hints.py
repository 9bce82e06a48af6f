"""Telling other processes that there is something to do. A hint may be lost; a slow sweep covers that."""

from __future__ import annotations

from typing import Literal, Protocol

Kind = Literal["mail", "reply", "definitions", "triggers", "maintenance", "sweep", "watch", "changed"]
"""Executions that have mail; commands that have been answered; changed definitions; changed cron triggers;
a changed status of the service; hints were lost; what is watched, and what of that has changed."""


class Hints(Protocol):
    """The way to other processes. Both methods return at once, and may be called from any thread."""

    def tell(self, process_id: str, kind: Kind, name: str) -> None:
        """Tell one process about something with that id."""

    def tell_all(self, kind: Kind, name: str = "") -> None:
        """Tell every process, this one too."""


class NobodyElse:
    """The hints of a process that has its database to itself."""

    def tell(self, process_id: str, kind: Kind, name: str) -> None:
        """There is nobody to tell."""

    def tell_all(self, kind: Kind, name: str = "") -> None:
        """There is nobody to tell."""
