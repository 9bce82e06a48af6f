"""Fixtures: a service on a fresh database file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from service import World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database file."""
    return tmp_path / "maestrale.db"


@pytest.fixture
def world(path: Path) -> Iterator[World]:
    """A running service; afterwards every execution must follow from its decision records."""
    with World(path) as running:
        yield running
