"""The program as a person starts it, with what it prints and its exit code."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from processes.prepared import Prepared, is_harmless
from processes.server import clean_environment


class Ran(NamedTuple):
    """A finished command."""

    code: int
    out: str
    err: str


PREPARED: Final = Prepared()


def maestrale(folder: Path, *arguments: str, settings: dict[str, str] | None = None, stdin: str = "") -> Ran:
    """Run `maestrale` with these arguments; its data folder is below `folder`.

    In a process that is loaded already, unless a setting is one that the interpreter reads when it starts.
    """
    settings = settings or {}
    environment = clean_environment(folder) | settings
    if is_harmless(settings):
        ran = _prepared(folder, [*arguments], environment, stdin)
    else:
        ran = _started(folder, [*arguments], environment, stdin)
    assert "Traceback" not in ran.err, ran.err
    return ran


def _prepared(folder: Path, arguments: list[str], environment: dict[str, str], stdin: str) -> Ran:
    with tempfile.TemporaryDirectory() as name:
        given, out, err = (Path(name) / kind for kind in ("in", "out", "err"))
        given.write_text(stdin)
        code = PREPARED.run(folder, arguments, environment, [given, out, err])
        return Ran(code, out.read_text(), err.read_text())


def _started(folder: Path, arguments: list[str], environment: dict[str, str], stdin: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", "maestrale", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env=environment,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
