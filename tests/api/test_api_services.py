"""Who shares the work."""

from __future__ import annotations

import os
import socket

from api_service import Api

pytest_plugins = ["api_fixtures"]


def test_the_processes_are_listed(api: Api) -> None:
    """Each once for each of its roles."""
    answer = api("GET", "/v2/services")
    assert answer.status_code == 200
    found = answer.json()["services"]
    assert {row["name"] for row in found} == {f"{socket.gethostname()}:{os.getpid()}"}
    assert "engine" in [row["type"] for row in found]
    assert set(found[0]) == {"id", "name", "type", "address"}
