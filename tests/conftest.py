"""Fixtures for all tests, and which of them go together."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["clouds.fixtures", "databases"]

BROWSER = "tests/browser/"
CONFORMANCE = "tests/conformance/test_conformance.py"
TOGETHER = {
    "tests/api/test_api_isolation.py",
    "tests/processes/test_client.py",
    "tests/processes/test_installed_actions.py",
    "tests/store/test_store_plans.py",
    "tests/store/test_store_list_plans.py",
}
"""Modules that prepare what takes longer than their tests."""


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Each test goes to the next free worker, but the conformance cases of one database go to one.

    They are played all at once by the first of them, so a second worker would play them again. What needs
    a browser or a cloud goes to one as well, which starts it, and so do some other modules.
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        if module.startswith(BROWSER):
            return BROWSER
        if "/test_keystone_" in module:
            return "clouds"
        if module in TOGETHER:
            return module
        if module != CONFORMANCE:
            return nodeid
        return f"{module} {'sqlite' if '[sqlite' in test else 'postgresql'}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Scheduling:
    """What hands out the tests."""
    return Scheduling(config, log)
