"""The programs `mistral` and `maestrale`: the tree of commands, and what becomes of errors."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from maestrale import __version__
from maestrale.cli import (
    commands_actions,
    commands_code_sources,
    commands_environments,
    commands_executions,
    commands_maintenance,
    commands_members,
    commands_tasks,
    commands_triggers,
    commands_why,
    commands_workbooks,
    commands_workflows,
)
from maestrale.cli.client import ClientError
from maestrale.cli.commands import Row, RowCommand
from maestrale.cli.connection import Settings, global_options
from maestrale.model.errors import MaestraleError

SECTIONS: Final = (
    commands_workflows.SECTION,
    commands_workbooks.SECTION,
    commands_executions.SECTION,
    commands_tasks.SECTION,
    commands_actions.ACTIONS,
    commands_actions.EXECUTIONS,
    commands_environments.SECTION,
    commands_triggers.CRON,
    commands_triggers.EVENTS,
    commands_members.SECTION,
    commands_code_sources.CODE_SOURCES,
    commands_code_sources.DYNAMIC_ACTIONS,
    commands_why.SECTION,
    commands_maintenance.SECTION,
)
"""The commands that ask a server, as the help shows them."""

LOCAL: Final = {
    "server": "Run the service on this machine",
    "run": "Run a workflow file at once, without a server",
    "validate": "Check definition files without a server",
    "evaluate": "Try an expression on data, or where a task execution stands",
    "schema": "Print the JSON Schema of definition files, for editors",
    "config": "Show the settings and where they come from",
    "database": "Check, upgrade or back up a database",
    "new-action": "Make a package with an action of your own",
    "action-docs": "Print a reference of the installed actions",
    "simulate": "Try the engine under random faults, on a virtual clock",
}
"""What `COMMANDS` in `cli/local.py` holds. That module loads the whole service, so its help stands here."""

ROWS: Final[dict[str, Row]] = {row.name: row for section in SECTIONS for row in section.rows}
WORDS: Final = {row.words: row.name for row in ROWS.values() if row.words}
"""Names in the words of the `openstack` client, `workflow execution show`."""

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class UnknownCommand(click.UsageError):
    """No command has this name; names what is near."""

    def __init__(self, program: str, name: str) -> None:
        from difflib import get_close_matches

        names = [*ROWS, *LOCAL, "help"]
        near = [known for known in names if known.startswith(name)] or get_close_matches(name, names)
        message = f"{program}: '{name}' is not a {program} command. See '{program} --help'."
        if near:
            message = "\n  ".join((f"{message}\nDid you mean one of these?", *near))
        super().__init__(message)

    def show(self, file: object = None) -> None:  # noqa: ARG002
        """Print the message as it is."""
        click.echo(self.message, err=True)


class CommandTree(click.Group):
    """All commands, made when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names."""
        return [*ROWS, *LOCAL, "help"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in ROWS:
            return RowCommand(ROWS[cmd_name])
        if cmd_name in LOCAL:
            from maestrale.cli import local

            return local.COMMANDS[cmd_name]
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first words of `args` name, and the rest."""
        name, count = _command_name(args)
        command = self.get_command(ctx, name)
        if command is None and ctx.resilient_parsing:  # somebody asks for completions
            return None, None, args
        if command is None:
            raise UnknownCommand(ctx.find_root().info_name or "mistral", name)
        return name, command, args[count:]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands in groups."""
        groups: dict[str, list[tuple[str, str]]] = {
            section.title: [(row.name, row.help.split(". ")[0].rstrip(".")) for row in section.rows]
            for section in SECTIONS
        }
        groups["On this machine"] = list(LOCAL.items())
        groups["Help"] = [("help [COMMAND]", "Show this help, or that of a command")]
        width = max(len(name) for records in groups.values() for name, _ in records)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in records])


def _command_name(words: Sequence[str]) -> tuple[str, int]:
    """The name of the command that `words` begin with, and how many words it takes."""
    for count in range(min(len(words), 5), 1, -1):
        spelling = " ".join(words[:count])
        if spelling in WORDS:
            return WORDS[spelling], count
    return words[0], 1


@click.command("help", add_help_option=False)
@click.argument("words", nargs=-1)
@click.pass_context
def _help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command."""
    root = context.find_root()
    if not words:
        click.echo(root.get_help())
        return
    name, command, _ = TREE.resolve_command(root, list(words))
    if command:
        with command.make_context(name, [], parent=root, resilient_parsing=True) as child:
            click.echo(child.get_help())


@click.pass_context
def _without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _version(context: click.Context, parameter: click.Parameter, asked: bool) -> None:  # noqa: ARG001
    if asked and not context.resilient_parsing:
        click.echo(f"{context.info_name} {__version__} (Maestrale)")
        context.exit()


TREE: Final = CommandTree(
    help="Workflows that last: start them, watch them, repair them.",
    params=[
        *global_options(),
        click.Option(
            ("--version",),
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Version.",
        ),
    ],
    commands={"help": _help},
    callback=_without_command,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (without the program's name) say; return the exit code."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    program = os.path.basename(sys.argv[0]) if sys.argv[0].endswith(("mistral", "maestrale")) else "mistral"
    if f"_{program.upper()}_COMPLETE" in os.environ:
        return _complete(program)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that lacks a character is no reason to fail
        sys.stdout.reconfigure(errors="backslashreplace")
    settings = Settings()
    try:
        with TREE.make_context(program, words, obj=settings) as context:
            TREE.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo(err=True)
        return INTERRUPTED
    except BrokenPipeError:
        _leave_output()
        return BROKEN_PIPE
    except OSError as error:  # a full disk, say
        _leave_output()
        return _fail(settings, error)
    except (click.ClickException, ClientError, MaestraleError) as error:
        return _fail(settings, error)
    return 0


def _leave_output() -> None:
    """Keep the interpreter from stumbling over what cannot be written when it closes the stream."""
    with contextlib.suppress(OSError):  # a stream without a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(settings: Settings, error: Exception) -> int:
    """Print what a person has to know of the error, with its origin if that is wanted."""
    if settings.debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, ClientError):
        text = settings.explain(error)
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, OSError):
        text = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
    else:
        text = str(error)
    click.echo(f"ERROR (app) {text}", err=True)
    return 1


def _complete(program: str) -> int:
    """Answer the shell that asks for completions."""
    from click.shell_completion import shell_complete

    variable = f"_{program.upper()}_COMPLETE"
    return shell_complete(TREE, {}, program, variable, os.environ[variable])


if __name__ == "__main__":
    sys.exit(main())
