"""Actions without an outside world: for wiring, waiting and testing workflows."""

from __future__ import annotations

import asyncio
import math

from maestrale.actions.base import action
from maestrale.model.actions import ActionFailure
from maestrale.model.values import Json

LARGEST_PURE_SIZE = 1000
"""Entries that `std.test_dict` may make inside a decision; more would hold up other executions."""


@action("std.noop", pure=True)
def noop() -> None:
    """Do nothing."""


@action("std.async_noop", pure=True, waits_outside=True)
def async_noop() -> None:
    """Do nothing and stay RUNNING until somebody reports a result through the API."""


def _echo_at_once(output: Json, delay: Json = 0) -> Json:  # noqa: ARG001 - same input as std.echo
    return output


def _has_no_delay(given: dict[str, Json]) -> bool:
    return _delay_seconds(given.get("delay")) == 0


@action("std.echo", pure=_echo_at_once, pure_when=_has_no_delay, check_types=False)
async def echo(output: Json, delay: float = 0) -> Json:
    """Return `output` unchanged, after `delay` seconds."""
    await asyncio.sleep(_delay_seconds(delay))
    return output


@action("std.fail", pure=True, title="Fail action")
def fail(error_data: Json = None) -> None:
    """Fail, with `error_data` as the result if there is any."""
    if error_data:
        raise ActionFailure(error_data)
    raise RuntimeError("Fail action expected exception.")


@action("std.sleep", repeatable=True, check_types=False)
async def sleep(seconds: int = 1) -> None:
    """Wait that many whole seconds."""
    try:
        whole = max(int(seconds), 0)
    except (TypeError, ValueError, OverflowError):
        whole = 0
    await asyncio.sleep(whole)


def _is_small(given: dict[str, Json]) -> bool:
    size = given.get("size", 0)
    return isinstance(size, int) and size <= LARGEST_PURE_SIZE


@action("std.test_dict", pure=True, pure_when=_is_small, check_types=False)
def make_dict(size: int = 0, key_prefix: str = "", val: Json = "") -> dict[str, Json]:
    """Return a map of `size` entries `<key_prefix><number>: val`, to try workflows with big data."""
    return {f"{key_prefix}{number}": val for number in range(int(size))}


def _delay_seconds(value: Json) -> float:
    """Seconds from any input; what is not a positive number counts as 0."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0
