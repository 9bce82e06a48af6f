from __future__ import annotations

import ast
from pathlib import Path
from string import Template

import pytest
from click.testing import CliRunner

from maestrale.cli.action_docs import action_docs
from maestrale.cli.new_action import FILES, new_action


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Acme.greet", "is no name for an action"),
        ("acme..greet", "is no name for an action"),
        ("acme.greet!", "is no name for an action"),
        ("1.greet", "is no name for an action"),
        ("../greet", "is no name for an action"),
        ("acme.class", "'class' cannot be the name of the function"),
        ("acme.action", "'action' cannot be the name of the function"),
        ("std.greet", "those of the built-in actions"),
    ],
)
def test_unfit_names_are_refused(name: str, words: str, tmp_path: Path) -> None:
    ran = CliRunner().invoke(new_action, [name, "--folder", str(tmp_path / "made")])
    assert ran.exit_code == 2
    assert words in " ".join(ran.output.split())
    assert not (tmp_path / "made").exists()


def test_a_file_or_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    for name, code in (("file", 1), ("full", 1), ("empty", 0)):
        assert CliRunner().invoke(new_action, ["a.b", "--folder", str(tmp_path / name)]).exit_code == code
    assert (tmp_path / "file").read_text() == "mine"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_every_python_file_is_python() -> None:
    names = {"name": "a.b", "function": "b", "module": "a_b", "project": "a-b"}
    texts = [Template(text).substitute(names) for path, text in FILES.items() if path.endswith(".py")]
    assert len(texts) == 2
    for text in texts:
        ast.parse(text)


def test_a_reference_of_an_unknown_action_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    ran = CliRunner().invoke(action_docs, ["std.ecko"])
    assert (ran.exit_code, "did you mean std.echo" in ran.output) == (1, True)
