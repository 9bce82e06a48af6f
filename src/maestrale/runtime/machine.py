"""What tells this process from others on this machine, and whether one of them has ended."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Final

from maestrale.store.leases import Neighbour

_STARTED: Final = 19
"""The place of the start time in /proc/PID/stat, counted from behind the name."""

_ENDED: Final = ("Z", "X")
"""States of processes that have ended, and of whom only the name is left."""


def description() -> dict[str, Any]:
    """Host, boot and number of this process, as columns of its row."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot": boot(), "pid": pid, "pid_started": pid_started(pid)}


def boot() -> str:
    """This boot of the machine, and the space in which process numbers mean something.

    Empty where the system does not say.
    """
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot_id} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def pid_started(pid: int) -> int | None:
    """When a process began, in ticks since the boot; None if there is none, or the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in _ENDED else int(fields[_STARTED])


def has_ended(neighbour: Neighbour) -> bool:
    """Whether a process has certainly ended: it ran here, and its number is free or another's."""
    if neighbour.pid_started is None or not neighbour.boot:
        return False
    if neighbour.host != socket.gethostname() or neighbour.boot != boot():
        return False
    return pid_started(neighbour.pid) != neighbour.pid_started
