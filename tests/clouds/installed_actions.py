"""The service with the package `mistral-extra`, in a virtual environment of its own (`make openstack`)."""

from __future__ import annotations

from typing import Final

import pytest

from clouds.cloud import CHECKOUT

FOLDER: Final = CHECKOUT / ".test" / "openstack"
PYTHON: Final = FOLDER / "venv" / "bin" / "python"

needs_openstack_actions: Final = pytest.mark.skipif(
    not (FOLDER / "installed").exists(), reason="mistral-extra is not installed: make openstack"
)
