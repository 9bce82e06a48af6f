"""`bench/scaling.py` as a person starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "scaling.py"


def scaling(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--rounds", "1", "--results", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_it_measures_and_judges(tmp_path: Path) -> None:
    """Nothing grows as slowly as the limit that is given here."""
    done = scaling(tmp_path, "--series", "loop", "--n", "200", "--n", "600", "--limit", "-9")
    assert done.returncode == 1
    assert "loop grows with exponent" in done.stderr
    (written,) = tmp_path.glob("scaling-*.json")
    results = json.loads(written.read_text())["results"]
    assert [(r["scenario"], r["n"], r["ok"]) for r in results] == [("loop", 200, True), ("loop", 600, True)]
    assert all(r["seconds"] > 0 and r["peak_memory_mib"] > 0 and r["database_mib"] > 0 for r in results)
    assert written.with_suffix(".md").read_text() in done.stdout


def test_a_text_is_stored_once(tmp_path: Path) -> None:
    done = scaling(tmp_path, "--series", "big_text", "--n", "3")
    assert done.returncode == 0, done.stdout + done.stderr
