"""Whether the service runs, as its clients know it."""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["RUNNING", "PAUSING", "PAUSED"]

RUNNING: Final = "RUNNING"
PAUSING: Final = "PAUSING"
PAUSED: Final = "PAUSED"

CAUSE: Final = {"kind": "pause", "by": "maintenance"}
"""Why an execution is paused that is to go on by itself when the maintenance ends."""
