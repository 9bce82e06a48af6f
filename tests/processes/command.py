"""The program as a person starts it, with what it prints and its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from processes.server import clean_environment


class Ran(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


def maestrale(folder: Path, *arguments: str, settings: dict[str, str] | None = None, stdin: str = "") -> Ran:
    """Run `maestrale` with these arguments; its data folder is below `folder`."""
    done = subprocess.run(
        [sys.executable, "-m", "maestrale", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=clean_environment(folder) | (settings or {}),
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ran.err, ran.err
    return ran
