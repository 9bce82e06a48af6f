"""A server that no browser asks does not pay for pages."""

from __future__ import annotations

import subprocess
import sys


def test_pages_load_when_the_first_one_is_asked_for() -> None:
    code = "import sys, maestrale.ui.app, maestrale.ui.pages; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(shown.stdout.split())
    assert "maestrale.ui.app" in modules
    assert (
        not {"jinja2.environment", "maestrale.ui.rendering", "maestrale.ui.views", "maestrale.ui.graph"}
        & modules
    )
