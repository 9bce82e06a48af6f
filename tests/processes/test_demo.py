"""What newcomers run first: `make demo`, and every example as its own first lines say to run it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from maestrale.expressions.template import check_syntax
from maestrale.lang.parse import parse_workflows
from processes.command import maestrale
from processes.server import clean_environment

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
SECONDS = 60


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the Python of this test in the checkout, with everything it may write in `folder`."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=clean_environment(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def shops() -> Iterator[subprocess.Popen[str]]:
    """The shops that an example calls, as a person would start them."""
    command = [sys.executable, str(ROOT / "examples" / "shops.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.terminate()


@pytest.fixture(scope="module")
def shops_url(shops: subprocess.Popen[str]) -> str:
    """Where the shops are, as they say themselves."""
    assert shops.stdout is not None
    return next(word.rstrip(";") for word in shops.stdout.readline().split() if word.startswith("http://"))


def ways_to_run(file: Path) -> list[list[str]]:
    """The arguments of `mistral run FILE` in the file's comments; none at all if it says nothing."""
    asked = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and f"mistral run examples/{file.name}" in line:
            asked.append(shlex.split(line.split(file.name, 1)[1]))
    return asked or [[]]


def test_the_demo_runs_twice_in_a_row_and_shows_only_its_own_tasks(tmp_path: Path) -> None:
    for _ in range(2):
        done = run(["examples/demo.py", "--folder", str(tmp_path / "demo")], tmp_path)
        assert done.returncode == 0, done.stderr
        assert '"output": "Hello Workflow!"' in done.stdout
        assert '"total": 22.5' in done.stdout
        assert "no discount: the shop answered 500" in done.stdout
        assert "execution-create hello_world" in done.stdout
        assert done.stderr.count("say_hello\n") == 1, "tasks of another execution are shown"
        assert "DELAYED    count_stock" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"demo"}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_the_index_names_every_example() -> None:
    index = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    files = {file.name for file in (ROOT / "examples").iterdir() if file.is_file()} - {"README.md"}
    assert {name for name in files if f"]({name})" not in index} == set()


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid(file: Path, tmp_path: Path) -> None:
    done = maestrale(tmp_path, "validate", str(file))
    assert done.code == 0, done.out
    assert ": error: " not in done.out
    warned = file.name == "hello_world_blog.yaml"  # kept as it was printed, with its typographic quote
    assert done.out.count(": warning: ") == warned


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_runs_as_it_says(file: Path, tmp_path: Path, shops_url: str) -> None:
    specs = parse_workflows(file.read_text(encoding="utf-8"), check_syntax).specs
    calls_shops = any(parameter.name == "url" for spec in specs for parameter in spec.input)
    given = ["-i", f"url={shops_url}"] if calls_shops else []
    for arguments in ways_to_run(file):
        settings = {"MAESTRALE_STD_HTTP_DENIED_CIDRS": ""}
        done = maestrale(tmp_path, "run", "--quiet", str(file), *arguments, *given, settings=settings)
        assert done.code == 0, done.err
        assert done.out.startswith("{")
