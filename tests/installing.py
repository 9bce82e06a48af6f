"""Packages that tests install as their users do, without a network, into a folder of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"


def install(package: Path, folder: Path) -> Path:
    """Install a project; the folder that `PYTHONPATH` has to name. The project itself stays as it is."""
    source, target = folder / "source", folder / "site"
    shutil.copytree(package, source)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-index", "--no-build-isolation", "--no-compile", "--target", str(target), str(source)],
        check=True,
    )  # fmt: skip
    return target
