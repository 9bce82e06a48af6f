"""Tells at the end of a run which features no test shows."""

from __future__ import annotations

import pytest
from features import report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the report below the results."""
    terminalreporter.section("features")
    for line in report():
        terminalreporter.write_line(line)
