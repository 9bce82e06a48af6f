"""What a command of the API is: a row with its name, arguments, the call to make and the columns to print.

The rows stand in `commands_*.py`, one module per kind of object; this module makes click commands of them.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import click

from maestrale.cli import output
from maestrale.cli.connection import Settings, global_options
from maestrale.client.errors import ApiError

if TYPE_CHECKING:
    from maestrale.cli.output import Cell
    from maestrale.client.results import Resource
    from maestrale.client.sync import Client, Items

NEWEST: Final = 100
"""How many executions a list shows if nobody says."""

Given = dict[str, Any]
"""The arguments that a command was given, by name."""

Fields = dict[str, Any]
"""An object as the API sends it."""


class Column(NamedTuple):
    """One column: the API's field, the heading, and what stands in the cell if not the field as it is.

    `cut`: lists show the beginning only. `asked`: lists ask the API for this field. `listed`: it is in lists.
    """

    field: str
    heading: str
    cell: Callable[[Fields], Cell] | None = None
    cut: bool = False
    asked: bool = True
    listed: bool = True

    def show(self, fields: Fields, in_list: bool) -> Cell:
        """What the cell of an object holds."""
        value: Cell = self.cell(fields) if self.cell else fields.get(self.field)
        return output.cut(value) if in_list and self.cut and isinstance(value, str) else value


def or_none(field_name: str) -> Callable[[Fields], Cell]:
    """A cell that shows `<none>` where nothing is."""
    return lambda fields: fields.get(field_name) or output.NONE


def if_given(field_name: str) -> Callable[[Fields], Cell]:
    """The same, but an answer without the field shows that it has none."""
    return lambda fields: (fields[field_name] or output.NONE) if field_name in fields else None


def write_many(columns: Iterable[Column], found: Iterable[Resource], given: Given) -> None:
    """Print objects in the style that was given."""
    shown = [column for column in columns if column.listed]
    rows = [[column.show(resource.raw, True) for column in shown] for resource in found]
    output.write_list([column.heading for column in shown], rows, _style(given), sys.stdout)


def write_single(columns: Iterable[Column], resource: Resource, given: Given) -> None:
    """Print one object in the style that was given."""
    pairs = [(column.heading, column.show(resource.raw, False)) for column in columns]
    output.write_one([name for name, _ in pairs], [cell for _, cell in pairs], _style(given), sys.stdout)


def _style(given: Given) -> output.Style:
    return output.Style(**{name: given[name] for name in output.Style._fields if name in given})


def _output_options(formats: Iterable[str]) -> tuple[click.Option, ...]:
    return (
        click.Option(
            ("-f", "--format", "output_format"),
            type=click.Choice(list(formats)),
            default="table",
            show_default=True,
            help="Form of the output.",
        ),
        click.Option(("-c", "--column", "columns"), multiple=True, help="Show this column; repeatable."),
        click.Option(("--noindent",), is_flag=True, help="JSON on one line."),
        click.Option(
            ("--max-width",), type=int, default=0, envvar="CLIFF_MAX_TERM_WIDTH", help="Table width at most."
        ),
        click.Option(
            ("--fit-width",), is_flag=True, envvar="CLIFF_FIT_WIDTH", help="Fit tables to the terminal."
        ),
        click.Option(("--print-empty",), is_flag=True, help="Print a table without rows, too."),
    )


_LIST_OUTPUT: Final = (
    *_output_options(output.LIST_FORMATS),
    click.Option(
        ("--quote",), type=click.Choice(list(output.QUOTES)), default="nonnumeric", help="What CSV quotes."
    ),
    click.Option(("--sort-column", "sort_columns"), multiple=True, help="Sort by this column; repeatable."),
    click.Option(("--sort-descending/--sort-ascending", "descending"), help="Direction of --sort-column."),
)
_SHOW_OUTPUT: Final = (
    *_output_options(output.SHOW_FORMATS),
    click.Option(("--prefix",), default="", help="Put this before the names of shell variables."),
)
_PAGING: Final = (
    click.Option(("--marker",), default="", help="Only what follows the object with this ID."),
    click.Option(("--limit",), type=int, help="How many at most."),
    click.Option(
        ("--sort_keys", "--sort-keys"), default="created_at", show_default=True, help="Fields, with commas."
    ),
    click.Option(
        ("--sort_dirs", "--sort-dirs"), default="asc", show_default=True, help="asc or desc, with commas."
    ),
    click.Option(("--filter", "filters"), multiple=True, help="KEY=VALUE or KEY=OPERATOR:VALUE; repeatable."),
)
_EXIT_CODE: Final = click.Option(("--exit-code",), is_flag=True, help="Exit with 1 if it is not valid.")
_ALL_PROJECTS: Final = click.Option(
    ("--all-projects",), is_flag=True, help="Those of all projects, if you may see them."
)
_OLDEST: Final = click.Option(("--oldest",), is_flag=True, help=f"Not the newest {NEWEST} but the oldest.")


# The classes of rows are made at every start, so without the methods that nobody calls.
@dataclass(kw_only=True, eq=False, repr=False)
class Row(ABC):
    """One command. `words` is its name in the `openstack` client, where it has one there.

    `hints` say what to do, by HTTP status of a refusal; they may name arguments, `{workflow}`.
    """

    name: str
    words: str = ""
    help: str
    arguments: tuple[click.Parameter, ...] = ()
    hints: Mapping[int, str] = field(default_factory=dict)
    output_options: ClassVar[tuple[click.Option, ...]] = ()

    @abstractmethod
    def run(self, client: Client, given: Given) -> None:
        """Make the call and print the answer."""

    def options(self) -> tuple[click.Option, ...]:
        """Options that every command of this sort has, beside its own arguments."""
        return ()

    def own(self, given: Given) -> Given:
        """Those of `given` that the row itself declares."""
        names = [parameter.name or "" for parameter in self.arguments]
        return {name: given[name] for name in names}


@dataclass(kw_only=True, eq=False, repr=False)
class ShowRow(Row):
    """Prints one object, or text if the call gives text."""

    columns: tuple[Column, ...]
    call: Callable[..., Resource | str]
    output_options: ClassVar[tuple[click.Option, ...]] = _SHOW_OUTPUT

    def shown(self, given: Given) -> tuple[Column, ...]:  # noqa: ARG002
        """The columns to print."""
        return self.columns

    def run(self, client: Client, given: Given) -> None:
        answer = self.call(client, **self.own(given))
        if isinstance(answer, str):
            sys.stdout.write(answer)
        else:
            write_single(self.shown(given), answer, given)


@dataclass(kw_only=True, eq=False, repr=False)
class TextRow(Row):
    """Prints text."""

    call: Callable[..., str]

    def run(self, client: Client, given: Given) -> None:
        sys.stdout.write(self.call(client, **self.own(given)))


@dataclass(kw_only=True, eq=False, repr=False)
class TableRow(Row):
    """Prints the objects that the call gives."""

    columns: tuple[Column, ...]
    call: Callable[..., Iterable[Resource]]
    output_options: ClassVar[tuple[click.Option, ...]] = _LIST_OUTPUT

    def run(self, client: Client, given: Given) -> None:
        write_many(self.columns, self.call(client, **self.own(given)), given)


@dataclass(kw_only=True, eq=False, repr=False)
class ListRow(Row):
    """Lists objects. The call gets the arguments of the client's `list` as a second argument.

    `newest`: shows the newest first hundred, the newest last. `all_fields`: the API is asked for all fields.
    `of_projects`: those of all projects can be asked for.
    """

    columns: tuple[Column, ...]
    call: Callable[..., Items[Any]]
    newest: bool = False
    all_fields: bool = False
    of_projects: bool = False
    output_options: ClassVar[tuple[click.Option, ...]] = _LIST_OUTPUT

    def options(self) -> tuple[click.Option, ...]:
        more = ((_OLDEST, self.newest), (_ALL_PROJECTS, self.of_projects))
        return (*_PAGING, *(option for option, is_there in more if is_there))

    def run(self, client: Client, given: Given) -> None:
        listing: Given = {name: given[name] for name in ("marker", "sort_keys", "sort_dirs")}
        untouched = listing == {"marker": "", "sort_keys": "created_at", "sort_dirs": "asc"}
        backwards = self.newest and untouched and not given["oldest"]
        if backwards:
            listing["sort_dirs"] = "desc"
        silent_limit = self.newest and given["limit"] is None
        limit = NEWEST if silent_limit else given["limit"]
        listing["limit"] = limit if limit is not None and limit > 0 else None
        listing["filters"] = dict(read_filter(text) for text in given["filters"])
        if not self.all_fields:
            listing["fields"] = [column.field for column in self.columns if column.asked and column.listed]
        if self.of_projects:
            listing["all_projects"] = given["all_projects"]
        items = self.call(client, listing, **self.own(given))
        found = list(items)
        write_many(self.columns, found[::-1] if backwards else found, given)
        if silent_limit and items.more and sys.stderr.isatty():
            click.echo(f"These are {NEWEST}; for more: --limit NUMBER (-1 for all)", err=True)


def read_filter(text: str) -> tuple[str, str]:
    """Name and value of a filter of a list."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise click.ClickException(f"Invalid filter: {text}. Write KEY=VALUE, for example state=ERROR")
    return key, value


@dataclass(kw_only=True, eq=False, repr=False)
class ValidateRow(Row):
    """Prints what the server thinks of a definition."""

    call: Callable[..., Resource]
    output_options: ClassVar[tuple[click.Option, ...]] = _SHOW_OUTPUT

    def options(self) -> tuple[click.Option, ...]:
        return (_EXIT_CODE,)

    def run(self, client: Client, given: Given) -> None:
        verdict = self.call(client, **self.own(given))
        write_single((Column("valid", "Valid"), Column("error", "Error")), verdict, given)
        if given["exit_code"] and not verdict.raw.get("valid"):
            click.get_current_context().exit(1)


@dataclass(kw_only=True, eq=False, repr=False)
class DeleteRow(Row):
    """Removes objects one by one; what fails does not stop the rest. `kind` is the word for the messages.

    `named`: how the original client writes kind and name where it is not just one behind the other.
    """

    kind: str
    named: str = "{kind} {identifier}"
    call: Callable[..., None]

    def run(self, client: Client, given: Given) -> None:
        own = self.own(given)
        failed = False
        for identifier in own.pop("identifiers"):
            try:
                self.call(client, identifier, **own)
            except ApiError as error:
                failed = True
                click.echo(error.message, err=True)
            else:
                click.echo(self.accepted(identifier))
        if failed:
            raise click.ClickException(f"Unable to delete the specified {self.kind}(s).")

    def accepted(self, identifier: str) -> str:
        """What is said when it is removed."""
        what = self.named.format(kind=self.kind, identifier=identifier)
        return f"Request to delete {what} has been accepted."


class Section(NamedTuple):
    """Commands that stand together in the help."""

    title: str
    rows: tuple[Row, ...]


class RowCommand(click.Command):
    """The click command of a row; its help shows the row's own options apart from those of the output."""

    def __init__(self, row: Row) -> None:
        self._row = row
        super().__init__(
            row.name,
            help=row.help,
            params=[*row.arguments, *row.options(), *row.output_options, *global_options(repeated=True)],
            callback=self._run,
            context_settings={"help_option_names": ["-h", "--help"]},
        )

    def _run(self, **given: Any) -> None:
        settings = click.get_current_context().ensure_object(Settings)
        warnings: list[str] = []
        with settings.connect(warnings.append) as client:
            try:
                self._row.run(client, given)
                for warning in warnings:
                    click.echo(f"warning: {warning}", err=True)
            except ApiError as error:
                hint = self._row.hints.get(error.status, "").format_map(given)
                raise ApiError(error.status, f"{error.message}\n{hint}".strip()) from error
            except output.UnknownColumn as error:
                raise click.ClickException(str(error)) from None

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in two groups."""
        for title, output_ones in (("Options", False), ("Output", True)):
            records = [
                record
                for parameter in self.get_params(context)
                if isinstance(parameter, click.Option)
                and (parameter in self._row.output_options) is output_ones
                if (record := parameter.get_help_record(context))
            ]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
