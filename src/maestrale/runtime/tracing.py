"""The log of changes of state: one line for each, once it is durable."""

from __future__ import annotations

import logging
from typing import Final

from maestrale.engine.effects import Trace

LOGGER: Final = "maestrale.transitions"
"""Where the lines are written, at the level INFO."""

_log = logging.getLogger(LOGGER)


def write_trace(trace: Trace) -> None:
    """One line: what, which states, and on the same line the first one of the reason."""
    what = f"workflow {trace.workflow} ({trace.execution_id})"
    if trace.task is not None:
        what = f"task {trace.task[0]} ({trace.task[1]}) of {what}"
    if trace.action is not None:
        what = f"action {trace.action[0]} ({trace.action[1]}) of {what}"
    states = trace.state if trace.before is None else f"{trace.before} -> {trace.state}"
    reason = (trace.info or "").strip().partition("\n")[0]
    _log.info("%s: %s%s", what, states, f": {reason}" if reason else "")
