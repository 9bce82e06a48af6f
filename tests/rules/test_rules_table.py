"""The table of rules names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_every_test_that_the_table_names_is_there() -> None:
    table = (HERE / "README.md").read_text()
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", table)
    assert len(named) > 30
    for path, name in named:
        file = HERE / path if (HERE / path).is_file() else HERE.parent / path
        assert file.is_file(), path
        assert not name or f"def {name}(" in file.read_text(), f"{path}::{name}"


def test_every_rule_has_its_row() -> None:
    table = (HERE / "README.md").read_text()
    for number in range(1, 13):
        assert f"\n## {number}. " in table
    named = {Path(path).name for path in re.findall(r"`([\w/]+\.py)", table)}
    assert {path.name for path in HERE.glob("test_rule_*.py")} <= named
