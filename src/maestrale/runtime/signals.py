"""What running actions say to their executor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from maestrale.actions.signals import Signals

TELL_AFTER: Final = 0.5
"""Seconds until progress is told, so that an action that says much costs little."""

LONGEST: Final = 1000
"""Characters of what an action says."""


class RunningSignals(Signals):
    """Those of one action. What it says in any thread is passed on in the event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, said: Callable[[str], None], beat: Callable[[], None]
    ) -> None:
        self.is_cancelled = False
        self._loop = loop
        self._said = said
        self._beat = beat

    def progress(self, message: str) -> None:
        """Say how far the action is."""
        self._post(lambda: self._said(str(message)[:LONGEST]))
        self.heartbeat()

    def heartbeat(self) -> None:
        """Say that the action goes on."""
        self._post(self._beat)

    def _post(self, job: Callable[[], None]) -> None:
        if not self.is_cancelled:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(job)


class Progress:
    """Collects what actions say, and tells the newest of each after a moment, all in one go."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tell: Callable[[dict[str, str]], None]) -> None:
        self._loop = loop
        self._tell = tell
        self._news: dict[str, str] = {}

    def note(self, action_id: str, message: str) -> None:
        """An action has said something. Call it in the event loop."""
        if not self._news:
            self._loop.call_later(TELL_AFTER, self._tell_all)
        self._news[action_id] = message

    def forget(self, action_id: str) -> None:
        """An action has ended: nobody needs to hear any more how far it is."""
        if action_id in self._news:
            self._news[action_id] = ""

    def _tell_all(self) -> None:
        news = {action_id: message for action_id, message in self._news.items() if message}
        self._news.clear()
        if news:
            self._tell(news)
