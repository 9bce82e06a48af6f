"""How large the things may be that an execution stores."""

from __future__ import annotations

from typing import Final

import msgspec

from maestrale.engine.decision import Decision
from maestrale.model.errors import BadRequest
from maestrale.model.values import Json, Secret

STATE_INFO_LENGTH: Final = 65_500
"""Characters of a reason that are kept; longer ones are cut, never refused."""

_KILOBYTE: Final = 1024


class FieldTooLarge(BadRequest):
    """A value is larger than the operator allows."""


def _hook(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else str(value)


_encoder = msgspec.json.Encoder(enc_hook=_hook)


def check_size(decision: Decision, value: Json, owner: str, field: str) -> None:
    """Raise `FieldTooLarge` for a value that is larger than a decision may store."""
    check_field(decision.limits.field_size_kb, value, owner, field)


def check_field(limit: int, value: Json, owner: str, field: str) -> None:
    """Raise `FieldTooLarge` for a value whose JSON has more than `limit` kilobytes (negative: no limit)."""
    if limit < 0 or not value or isinstance(value, bool | int | float):
        return
    try:
        size = len(value) if isinstance(value, str) else len(_encoder.encode(value))
    except (TypeError, ValueError, UnicodeEncodeError):
        return  # what JSON cannot hold is refused with a better reason when it is stored
    if size > limit * _KILOBYTE:
        raise FieldTooLarge(
            f"Field size limit exceeded [class={owner}, field={field}, size={size // _KILOBYTE}KB,"
            f" limit={limit}KB]",
            "the operator can set engine.execution_field_size_limit_kb",
        )


def cut(info: str | None) -> str | None:
    """A reason that fits."""
    return info if info is None or len(info) <= STATE_INFO_LENGTH else info[:STATE_INFO_LENGTH]
