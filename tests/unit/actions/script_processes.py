"""The processes that evaluate scripts."""

from __future__ import annotations

import os
from pathlib import Path


def children() -> set[int]:
    """The processes of this one that evaluate scripts."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            program = (folder / "cmdline").read_text()
        except (OSError, IndexError):
            continue
        if parent == str(os.getpid()) and "javascript_child.py" in program:
            found.add(int(folder.name))
    return found
