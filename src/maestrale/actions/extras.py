"""Actions whose libraries are installed only where somebody wants them."""

from __future__ import annotations

from importlib.util import find_spec

from maestrale.model.errors import MaestraleError


class NotInstalled(MaestraleError):
    """An action needs a package that is not there."""


def require(action: str, module: str, extra: str) -> None:
    """Raise `NotInstalled`, which says how to get it, unless the module that an action needs is there."""
    if find_spec(module) is None:
        raise NotInstalled(
            f"{action} needs the Python module {module}, which is not installed beside the service",
            f"install it with: pip install 'maestrale[{extra}]'",
        )
