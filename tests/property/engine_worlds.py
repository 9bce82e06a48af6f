"""Makes the harness of the engine's unit tests importable for the property tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "unit" / "engine"))

from harness import Run, World

__all__ = ["Run", "World"]
