"""Commands that wait for an execution to end."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import click
from click.core import ParameterSource

from maestrale.cli.commands import Fields, Given, Row, ShowRow, write_single
from maestrale.cli.connection import Settings
from maestrale.cli.reporting import ENDED, report, show_progress
from maestrale.model import states

if TYPE_CHECKING:
    from maestrale.client.results import Execution
    from maestrale.client.sync import Client

INTERRUPTED: Final = 130
TIME_OVER: Final = 124
"""Exit codes: after Ctrl-C, and (as of the command `timeout`) when it has taken too long."""

TIMEOUT: Final = click.Option(
    ("--timeout",),
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help=f"Wait so long at most; then exit with {TIME_OVER}.",
)
_WAIT: Final = click.Option(("--wait",), is_flag=True, help="Wait for the end; exit with 0 for SUCCESS only.")


@dataclass(kw_only=True, eq=False, repr=False)
class WaitingRow(ShowRow):
    """Prints an execution; with `--wait` once it has ended.

    `reports`: the progress is shown then, and in the end what came of it, unless a format was asked for.
    """

    reports: bool = False

    def options(self) -> tuple[click.Option, ...]:
        return (_WAIT, TIMEOUT)

    def run(self, client: Client, given: Given) -> None:
        if not given["wait"]:
            if given["timeout"] is not None:
                raise click.UsageError("--timeout says how long to --wait.")
            super().run(client, given)
            return
        answer = self.call(client, **self.own(given))
        assert not isinstance(answer, str)
        identifier = answer.raw["id"]
        if self.reports:
            _tell(f"{answer.raw['workflow_name']}: execution {identifier}")
        execution = _followed(client, identifier, given["timeout"], shows=self.reports)
        if self.reports and not _format_wanted() and execution.state in ENDED:
            _leave(_reported(client, execution))
            return
        write_single(self.shown(given), execution, given)
        _leave(0 if execution.state == states.SUCCESS else 1, execution)


@dataclass(kw_only=True, eq=False, repr=False)
class WatchRow(Row):
    """Shows what happens in an execution until it has ended, and what came of it."""

    output_options: ClassVar[tuple[click.Option, ...]] = ()

    def options(self) -> tuple[click.Option, ...]:
        return (TIMEOUT,)

    def run(self, client: Client, given: Given) -> None:
        execution = _followed(client, given["identifier"], given["timeout"], shows=True)
        _leave(_reported(client, execution) if execution.state in ENDED else 1, execution)


def _followed(client: Client, identifier: str, seconds: float | None, *, shows: bool) -> Execution:
    from maestrale.cli.following import follow

    show = show_progress if shows and not _is_quiet() else None
    try:
        return follow(client, identifier, seconds, show)
    except KeyboardInterrupt:
        sys.stdout.flush()
        click.echo(
            "\nInterrupted. The execution goes on at the server; to end it: "
            f"mistral execution-update {identifier} -s CANCELLED",
            err=True,
        )
        click.get_current_context().exit(INTERRUPTED)


def _reported(client: Client, execution: Execution) -> int:
    failed = []
    if execution.state == states.ERROR:
        failed = list(client.executions.tasks(execution.id, {"state": states.ERROR}))
    return report(execution.raw, [task.raw for task in failed], lambda task_id: actions_of(client, task_id))


def actions_of(client: Client, task_id: str) -> list[Fields]:
    """The action executions of a task, with outputs."""
    return [action.raw for action in client.tasks.action_executions(task_id, include_output=True)]


def _leave(code: int, execution: Execution | None = None) -> None:
    """End with this code, or (with a word about it) with another one if the execution goes on."""
    if execution is not None and execution.state not in ENDED:
        identifier, state = execution.id, execution.state
        _tell(f"The time is over; the execution goes on, and is {state}.")
        _tell(f"To go on watching: mistral execution-watch {identifier}")
        code = TIME_OVER
    if code:
        click.get_current_context().exit(code)


def _format_wanted() -> bool:
    """Whether somebody has said what the output shall look like."""
    context = click.get_current_context()
    wanted = ("output_format", "columns")
    return any(context.get_parameter_source(name) == ParameterSource.COMMANDLINE for name in wanted)


def _is_quiet() -> bool:
    return click.get_current_context().ensure_object(Settings).quiet


def _tell(text: str) -> None:
    if not _is_quiet():
        click.echo(text, err=True)
