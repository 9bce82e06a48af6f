"""What `run` refuses before it opens a database."""

from __future__ import annotations

from pathlib import Path

from cli_server import run

TEXT = """version: '2.0'
trip:
  input: [start, end, by: train]
  tasks: {t: {action: std.noop}}
"""


def test_missing_input_is_named_with_the_way_to_give_it(tmp_path: Path) -> None:
    path = tmp_path / "trip.yaml"
    path.write_text(TEXT)
    database = tmp_path / "never.db"
    arguments = ("run", str(path), "--database", f"sqlite:///{database}")
    outcome = run(*arguments)
    assert outcome.code == 1
    assert "missing=['start', 'end']] (add -i start=VALUE -i end=VALUE)" in outcome.err
    outcome = run(*arguments, "-i", "start=Rome", "-i", "edn=Oslo")
    assert "missing=['end'], unexpected=['edn']] (add -i end=VALUE)" in outcome.err
    assert not database.exists()
