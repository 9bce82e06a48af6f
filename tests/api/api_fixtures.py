"""Fixtures: a service with its API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_service import MAX_BODY, Api, serving

from maestrale.config import ApiLimits, ServerSettings


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service that the tests of one module share."""
    server = ServerSettings(allowed_origins=("https://friend.example",))
    with serving(tmp_path_factory.mktemp("api"), server, ApiLimits(max_body=MAX_BODY)) as found:
        yield found
