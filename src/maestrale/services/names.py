"""What objects may be called."""

from __future__ import annotations

from typing import Final

from maestrale.model.errors import BadRequest

NAME_LENGTH: Final = 255


def check_name(kind: str, name: str) -> None:
    """BadRequest for a name that is empty, too long or has spaces. `kind`: of what, with its article."""
    if " " in name:
        raise BadRequest(f"Name '{name}' must not contain spaces", "use '_' or '-'")
    check_free_name(kind, name, NAME_LENGTH)


def check_free_name(kind: str, name: str, longest: int) -> None:
    """BadRequest for a name that is empty or too long. No definition calls it, so it may be any text."""
    if not 0 < len(name) <= longest:
        raise BadRequest(f"The name of {kind} has 1 to {longest} characters, not {len(name)}")
