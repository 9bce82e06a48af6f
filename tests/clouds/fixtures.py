"""A cloud for the tests that need one; they all run in one process of a test run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.cloud import Cloud, cloud, is_installed

NOTICE = "there is no Keystone: make clouds"


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running Keystone, or the test is skipped."""
    if not is_installed():
        pytest.skip(NOTICE)
    with cloud(tmp_path_factory.mktemp("keystone")) as started:
        yield started
