"""URLs that may hold passwords."""

from __future__ import annotations

import re
from typing import Final

_PASSWORD: Final = re.compile(r"(?<=://)([^:/?@]*):.*@")
_PARAMETER: Final = re.compile(r"(?<=[?&])([^=&]*password)=[^&]*", re.IGNORECASE)


def without_password(url: str) -> str:
    """A URL as it may be shown: with `***` in the place of a password."""
    return _PARAMETER.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", url))
