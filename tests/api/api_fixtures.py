"""Fixtures: a service with its API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_service import MAX_BODY, Api, serving

from maestrale.config import ApiLimits, ServerSettings


@pytest.fixture(scope="module")
def api(module_database_url: str) -> Iterator[Api]:
    """A service that the tests of one module share."""
    server = ServerSettings(allowed_origins=("https://friend.example",))
    with serving(module_database_url, server, ApiLimits(max_body=MAX_BODY)) as found:
        yield found
