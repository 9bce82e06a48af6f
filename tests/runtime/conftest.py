"""Fixtures: a service on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from service import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    """A running service; afterwards every execution must follow from its decision records."""
    with World(database_url) as running:
        yield running
