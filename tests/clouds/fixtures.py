"""A cloud for a module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clouds.cloud import Cloud, cloud, is_installed

NOTICE = "there is no Keystone: make clouds"


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A running Keystone, or the test is skipped."""
    if not is_installed():
        pytest.skip(NOTICE)
    with cloud(tmp_path_factory.mktemp("keystone")) as started:
        yield started
