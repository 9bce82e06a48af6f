"""Acting on many executions at once: which are meant by filters, asking before, saying what came of it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from maestrale.cli import output
from maestrale.cli.commands import read_filter
from maestrale.client.errors import ApiError, ClientError, NotFound

if TYPE_CHECKING:
    from maestrale.client.results import Execution
    from maestrale.client.sync import Client

FIELDS: Final = {"id": "ID", "workflow_name": "Workflow name", "state": "State", "created_at": "Created at"}
OF_CHILDREN: Final = frozenset({"task_execution_id", "root_execution_id"})
"""Filters that ask for executions that others have started."""

NO_FILTERS: Final = frozenset(
    {"all_projects", "nulls", "include_output", "fields", "limit", "marker", "sort_keys", "sort_dirs"}
)
"""Arguments of lists that do not say what is listed, or as good as."""

OPTIONS: Final = (
    click.Option(
        ("--filter", "filters"),
        multiple=True,
        help="Instead of IDs: all that match KEY=VALUE or KEY=OPERATOR:VALUE; repeatable. Those that others"
        " have started go with them.",
    ),
    click.Option(("--all", "everything"), is_flag=True, help="Instead of a filter: all that you may see."),
    click.Option(("--dry-run",), is_flag=True, help="Only show which those are."),
    click.Option(("-y", "--yes"), is_flag=True, help="Do not ask."),
)


class Doing(NamedTuple):
    """What is done: "delete", "deleted"; `what` says to what, `usual` are filters for where none is named."""

    verb: str
    done: str
    what: str = "them"
    usual: Mapping[str, str] = {}


def is_by_filter(given: Mapping[str, Any], identifiers: Sequence[str]) -> bool:
    """Whether filters name the executions, and no ids. A usage error where it is both, or neither."""
    by_filter = bool(given["filters"] or given["everything"])
    if given["filters"] and given["everything"]:
        raise click.UsageError("--all needs no --filter.")
    if bool(identifiers) == by_filter:
        raise click.UsageError(
            "Name executions either by ID or by --filter."
            if identifiers
            else "Name executions by ID, by --filter, or with --all."
        )
    if not by_filter and (given["dry_run"] or given["yes"]):
        raise click.UsageError("--dry-run and --yes belong to --filter and --all.")
    return by_filter


def chosen(client: Client, given: Mapping[str, Any], doing: Doing) -> list[str]:
    """The ids of the executions that are meant, oldest first, once this is certainly wanted; else none.

    Somebody at a terminal is asked; where nobody can be, `--yes` is needed.
    """
    filters = {**doing.usual, **_filters(given)}
    found = list(
        client.executions.list(
            filters,
            fields=(*FIELDS, "project_id"),
            sort_keys="created_at",
            roots_only=not OF_CHILDREN & set(filters),
        )
    )
    if not found:
        click.echo("No execution matches.", err=True)
        return []
    click.echo(_summary(found), err=True)
    if given["dry_run"]:
        rows = [[execution.raw.get(field) for field in FIELDS] for execution in found]
        output.write_list(list(FIELDS.values()), rows, output.Style(), sys.stdout)
        return []
    if given["yes"]:
        return [execution.id for execution in found]
    if not sys.stdin.isatty():
        raise click.UsageError(f"To {doing.verb} {doing.what} without being asked, add --yes.")
    if not click.confirm(f"{doing.verb.capitalize()} {doing.what}?", err=True):
        click.echo("Nothing was done.", err=True)
        click.get_current_context().exit(1)
    return [execution.id for execution in found]


def for_each(
    identifiers: Sequence[str], act: Callable[[str], str], doing: Doing, *, is_named: bool = False
) -> None:
    """Act on one after the other and print what `act` says; what fails does not stop the rest.

    What is gone meanwhile has not failed, unless it `is_named`. An error in the end if there was one.
    """
    failed = 0
    for number, identifier in enumerate(identifiers):
        try:
            click.echo(act(identifier))
        except NotFound as error:
            if is_named:
                failed += 1
                click.echo(error.message, err=True)
        except ApiError as error:
            failed += 1
            click.echo(f"{identifier}: {error.message}", err=True)
        except ClientError:
            click.echo(f"Broken off after {number} of {len(identifiers)} executions.", err=True)
            raise
    if failed:
        raise click.ClickException(f"{failed} of {len(identifiers)} executions could not be {doing.done}.")


def _filters(given: Mapping[str, Any]) -> dict[str, str]:
    """What executions are to be like. A usage error where more would be met than somebody may think."""
    read = [read_filter(text) for text in given["filters"]]
    filters = dict(read)
    if len(filters) < len(read):
        raise click.UsageError("A field can have one --filter only: of several, the API takes the last one.")
    if filters and not set(filters) - NO_FILTERS:
        raise click.UsageError(f"{', '.join(filters)} is no filter: say which executions, or --all.")
    return filters


def _summary(found: Sequence[Execution]) -> str:
    states = Counter(execution.state for execution in found)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    first, last = found[0].raw.get("created_at"), found[-1].raw.get("created_at")
    matches = "execution matches" if len(found) == 1 else "executions match"
    projects = len({execution.project_id for execution in found})
    places = f" in {projects} projects" if projects > 1 else ""
    return f"{len(found)} {matches}{places} ({counts}), created from {first} to {last}"
