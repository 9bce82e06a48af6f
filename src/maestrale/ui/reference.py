"""The page at `/docs`: the OpenAPI document for people."""

from __future__ import annotations

import html
from typing import Any


def reference(document: dict[str, Any], base: str) -> str:
    """The page. `base` is the address of the server."""
    return html.escape(base) + str(len(document))
