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
from maestrale.cli import catalogue
from maestrale.cli.commands import RowCommand
from maestrale.cli.connection import Settings, global_options
from maestrale.client.errors import ClientError
from maestrale.model.errors import MaestraleError

LOCAL: Final = {
    "server": "Run the service on this machine",
    "run": "Run a workflow file at once, without a server",
    "validate": "Check definition files without a server",
    "evaluate": "Try an expression on data, or where a task execution stands",
    "schema": "Print the JSON Schema of definition files, for editors",
    "config": "Show the settings and where they come from",
    "database": "Check, upgrade or back up a database",
    "keys": "Make and change the keys that protect stored credentials",
    "new-action": "Make a package with an action of your own",
    "action-docs": "Print a reference of the installed actions",
    "policy": "Show which rules callers are held to, and why one passes or not",
    "simulate": "Try the engine under random faults, on a virtual clock",
}
"""What `COMMANDS` in `cli/local.py` holds. That module loads the whole service, so its help stands here."""

HELP: Final = {
    "help": "Show this help, or that of a command: help COMMAND",
    "complete": "Print what bash, zsh or fish needs to complete commands",
    "bash-completion": "Print all commands and options on one line",
}

INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141


class UnknownCommand(click.UsageError):
    """No command has this name; names what is near."""

    def __init__(self, program: str, name: str) -> None:
        from difflib import get_close_matches

        names = [*catalogue.rows(), *LOCAL, *HELP]
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
        return [*catalogue.rows(), *LOCAL, *HELP]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name in LOCAL:
            from maestrale.cli import local

            return local.COMMANDS[cmd_name]
        row = catalogue.find(cmd_name)
        return super().get_command(ctx, cmd_name) if row is None else RowCommand(row)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first words of `args` name, and the rest."""
        name, count = args[0], 1
        command = self.get_command(ctx, name)
        if command is None and (spelled := catalogue.spelled(args)):
            name, count = spelled
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
            for section in catalogue.sections()
        }
        groups["On this machine"] = list(LOCAL.items())
        groups["Help"] = list(HELP.items())
        width = max(len(name) for records in groups.values() for name, _ in records)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in records])


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


@click.command("complete")
@click.option("--shell", type=click.Choice(("bash", "zsh", "fish")), help="For this shell [default: yours].")
@click.option("--name", help="Name under which the program is called [default: as it is now].")
@click.pass_context
def _complete_script(context: click.Context, shell: str | None, name: str | None) -> None:
    """Print what a shell needs to complete commands: `eval "$(mistral complete)"` in its start file."""
    from maestrale.cli import completion

    program = name or context.find_root().info_name or "mistral"
    click.echo(completion.script(TREE, program, shell or completion.usual_shell()))


@click.command("bash-completion")
@click.pass_context
def _all_words(context: click.Context) -> None:
    """Print all commands and options on one line."""
    from maestrale.cli import completion

    click.echo(completion.all_words(context.find_root(), TREE))


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
    commands={"help": _help, "complete": _complete_script, "bash-completion": _all_words},
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
