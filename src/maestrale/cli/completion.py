"""What shells need to complete commands and options as one types."""

from __future__ import annotations

import os
from typing import Final

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS: Final = ("bash", "zsh", "fish")


def script(tree: click.Group, program: str, shell: str) -> str:
    """What a shell reads to complete the words after `program`; that asks the program itself."""
    kind = get_completion_class(shell)
    assert kind is not None
    variable = f"_{program.upper()}_COMPLETE"
    return ShellComplete.source(kind(tree, {}, program, variable))


def usual_shell() -> str:
    """The shell of the person who asks, as far as it is known."""
    name = os.path.basename(os.environ.get("SHELL", ""))
    return name if name in SHELLS else SHELLS[0]


def all_words(context: click.Context, tree: click.Group) -> str:
    """All commands and all options on one line, as the original client prints them."""
    names = tree.list_commands(context)
    options = set()
    for command in (tree, *(tree.get_command(context, name) for name in names)):
        for parameter in command.params if command else ():
            if isinstance(parameter, click.Option) and not parameter.hidden:
                options |= {*parameter.opts, *parameter.secondary_opts}
    return " ".join((*sorted(names), *sorted(options)))
