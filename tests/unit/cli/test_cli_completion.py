"""What shells are given to complete commands, and what they are told then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_server import run

SHELLS = ("bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(shell: str) -> None:
    text = run("complete", "--shell", shell).out
    assert f"_MISTRAL_COMPLETE={shell}_complete" in text
    assert (
        f"_MAESTRALE_COMPLETE={shell}_complete"
        in run("complete", "--shell", shell, "--name", "maestrale").out
    )
    assert run("complete", SHELL=f"/usr/bin/{shell}").out == text
    assert run("complete", SHELL="/bin/tcsh").out == run("complete", "--shell", "bash").out
    if shutil.which(shell):
        subprocess.run([shell, "-n", "/dev/stdin"], input=text, text=True, check=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_words_are_offered(shell: str) -> None:
    """As the scripts ask for them."""
    words = {"COMP_WORDS": "mistral workflow-g", "COMP_CWORD": "workflow-g" if shell == "fish" else "1"}
    environment = os.environ | words | {"_MISTRAL_COMPLETE": f"{shell}_complete"}
    program = [sys.executable, "-m", "maestrale.cli.main"]
    shown = subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout
    assert "workflow-get" in shown
    assert "workflow-get-definition" in shown
    assert "execution" not in shown.split()


def test_the_shell_completes(tmp_path: Path) -> None:
    """In bash itself."""
    program = tmp_path / "mistral"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m maestrale.cli.main "$@"\n')
    program.chmod(0o755)
    lines = (
        f'PATH="{tmp_path}:$PATH"; eval "$(mistral complete --shell bash)"',
        "COMP_WORDS=(mistral task-ge); COMP_CWORD=1",
        "_mistral_completion mistral; echo ${COMPREPLY[@]}",
    )
    shown = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert sorted(shown.stdout.split()) == [
        "task-get", "task-get-published", "task-get-result", "task-get-sub-executions",
    ]  # fmt: skip


def test_all_words_on_one_line() -> None:
    out = run("bash-completion").out
    assert out.count("\n") == 1
    assert {
        "workflow-list",
        "help",
        "run",
        "--os-mistral-url",
        "--sort_keys",
        "--no-errors-only",
        "-f",
    } <= set(out.split())
    assert "--os-username" not in out.split()
