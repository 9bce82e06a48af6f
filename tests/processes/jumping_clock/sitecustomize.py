"""Put before the other modules of a process, this makes its wall clock jump: by the seconds in a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

_file = Path(os.environ["JUMPING_CLOCK"])
_real_ns = time.time_ns
_offset = 0
_read_at = -1.0


def _time_ns() -> int:
    global _offset, _read_at
    now = time.monotonic()
    if now - _read_at > 0.1:
        _read_at = now
        try:
            _offset = int(float(_file.read_text()) * 1e9)
        except (OSError, ValueError):
            _offset = 0
    return _real_ns() + _offset


time.time_ns = _time_ns
time.time = lambda: _time_ns() / 1e9
