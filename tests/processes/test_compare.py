"""`bench/compare.py` as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "compare.py"


@pytest.mark.slow
def test_all_take_turns(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    command = [sys.executable, str(SCRIPT), "--quick", "--rounds", "1", "--results", str(tmp_path)]
    done = subprocess.run(
        [*command, "--scenario", "diamonds", "--scenario", "executed_chain"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = tmp_path.glob("compare-*.json")
    results = json.loads(written.read_text())["results"]
    assert {(result["contender"], result["scenario"]) for result in results} == {
        ("sqlite", "diamonds"), ("postgresql", "diamonds"), ("sqlite", "executed_chain"),
        ("postgresql", "executed_chain"), ("bare sqlite", "diamonds"), ("bare postgresql", "diamonds"),
        ("bare sqlite", "single_rows"), ("bare postgresql", "single_rows"),
    }  # fmt: skip
    assert all(result["ok"] and result["per_second"] > 0 for result in results)
    assert written.with_suffix(".md").read_text() in done.stdout
