"""`maestrale new-action`: the beginnings of a package with an action of one's own."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import Final

import click

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")

FILES: Final = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$project"
version = "0.1.0"
description = "The action $name for Maestrale"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["maestrale"]

[project.optional-dependencies]
test = ["pytest"]

# The service looks here: every action in the module is known once the package is installed.
[project.entry-points."maestrale.actions"]
$module = "$module"

[tool.setuptools.package-data]
$module = ["py.typed"]

[tool.pytest.ini_options]
testpaths = ["tests"]
""",
    "README.md": """\
# $project

The action `$name` for Maestrale.

```
pip install -e '.[test]'      # in the environment of the service; restart a server that runs
pytest                        # test it
mistral run example.yaml      # use it, without a server
mistral action-get $name
```

The code is in `src/$module/__init__.py`. What an action can do is described in Maestrale's documentation,
on the page "Write your own actions".
""",
    "example.yaml": """\
version: '2.0'

try_$function:
  input:
    - name: Ada
  output:
    said: <% $$.said %>
  tasks:
    $function:
      action: $name
      input:
        name: <% $$.name %>
        times: 2
      publish:
        said: <% task().result.lines %>
""",
    "src/$module/__init__.py": '''\
"""The action $name."""

from __future__ import annotations

from maestrale.actions.base import ActionContext, ActionFailure, action


@action("$name", repeatable=True)
async def $function(context: ActionContext, name: str, times: int = 1) -> dict[str, list[str]]:
    """Greet somebody.

    name: whom. times: how often.
    """
    if times < 1:
        raise ActionFailure({"reason": "times must be at least 1", "times": times})
    lines = []
    for number in range(times):
        context.progress(f"greeting {name}", number / times)
        lines.append(f"Hello {name}")
    return {"lines": lines}
''',
    "src/$module/py.typed": "",
    "tests/test_$module.py": """\
from __future__ import annotations

import asyncio

import pytest
from maestrale.actions.base import ActionContext, ActionFailure

from $module import $function


def test_it_greets() -> None:
    assert asyncio.run($function(ActionContext(), "Ada", times=2)) == {"lines": ["Hello Ada", "Hello Ada"]}


def test_it_fails_with_a_reason() -> None:
    with pytest.raises(ActionFailure) as caught:
        asyncio.run($function(ActionContext(), "Ada", times=0))
    assert caught.value.result == {"reason": "times must be at least 1", "times": 0}
""",
}
"""Names and texts of the files of a new package, with places for its own names."""


@click.command("new-action")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to make it [default: by the name].")
def new_action(name: str, folder: Path | None) -> None:
    """Make a small package with the action NAME, such as acme.greet: code, test, and how to install it."""
    names = _names(name)
    folder = folder or Path(names["project"])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise click.ClickException(f"{folder} is there already; name another one with --folder")
    for path, text in FILES.items():
        file = folder / Template(path).substitute(names)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(text).substitute(names), encoding="utf-8")
    click.echo(f"{folder} has the action {name}. What next: {folder / 'README.md'}")


def _names(name: str) -> dict[str, str]:
    """What the parts of a package with this action are called. Raises `UsageError` for an unfit name."""
    function = name.rpartition(".")[2]
    if not _NAME.fullmatch(name):
        raise click.UsageError(
            f"'{name}' is no name for an action: small letters, digits and _, in parts with points between,"
            " such as acme.greet"
        )
    if keyword.iskeyword(function) or function in ("action", "context"):
        raise click.UsageError(f"'{function}' cannot be the name of the function; choose another one")
    if name.startswith("std."):
        raise click.UsageError("the names that begin with std. are those of the built-in actions")
    module = name.replace(".", "_")
    return {"name": name, "function": function, "module": module, "project": module.replace("_", "-")}
