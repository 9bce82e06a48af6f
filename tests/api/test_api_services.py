"""Who shares the work, and what the operator says about the service."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from api_service import Api, assert_fault, serving

from maestrale.config import ApiLimits

pytest_plugins = ["api_fixtures"]


def test_the_processes_are_listed(api: Api) -> None:
    """Each once for each of its roles."""
    answer = api("GET", "/v2/services")
    assert answer.status_code == 200
    found = answer.json()["services"]
    assert {row["name"] for row in found} == {f"{socket.gethostname()}:{os.getpid()}"}
    assert "engine" in [row["type"] for row in found]
    assert set(found[0]) == {"id", "name", "type", "address"}


@pytest.mark.parametrize(
    ("content", "status", "expected"),
    [
        ('{"owner": "größe", "n": [1]}', 200, {"owner": "größe", "n": [1]}),
        ("{", 400, "it is no JSON"),
        (None, 400, "No such file"),
    ],
)
def test_the_operators_own_words(tmp_path: Path, content: str | None, status: int, expected: object) -> None:
    if content is not None:
        (tmp_path / "about.json").write_text(content)
    limits = ApiLimits(enable_info_endpoint=True, info_json_file_path=f"{tmp_path}/about.json")
    with serving(f"sqlite:///{tmp_path}/maestrale.db", api=limits) as api:
        answer = api("GET", "/info")
    if status == 200:
        assert answer.json() == expected
    else:
        assert_fault(answer, status, "about.json", str(expected))
        assert str(tmp_path) not in answer.text


def test_there_are_none_by_default(api: Api) -> None:
    answer = api("GET", "/info")
    assert_fault(answer, 400)
    assert answer.json()["faultstring"] == "Info endpoint disabled."
