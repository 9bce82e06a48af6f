"""What a running action says before its end, and what it is told."""

from __future__ import annotations


class Interrupted(BaseException):
    """Raised in the thread of an action for whose result nobody waits any more."""


class Signals:
    """The way between one running action and its executor; this one leads nowhere. Safe from any thread."""

    is_cancelled = False

    def progress(self, message: str) -> None:
        """Say how far the action is."""

    def heartbeat(self) -> None:
        """Say that the action goes on."""


SILENT = Signals()
