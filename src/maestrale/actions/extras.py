"""Actions whose libraries are installed only where somebody wants them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from maestrale.model.errors import MaestraleError


class NotInstalled(MaestraleError):
    """An action needs a package that is not there."""


@contextmanager
def needs(action: str, package: str, extra: str) -> Iterator[None]:
    """Import a library for an action; if it is missing, say how to get it. Raises `NotInstalled`."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise NotInstalled(
            f"{action} needs the package {package}, which is not installed beside the service",
            f"install it with: pip install 'maestrale[{extra}]'",
        ) from error
