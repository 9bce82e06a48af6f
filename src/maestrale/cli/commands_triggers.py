"""Commands for cron triggers and event triggers."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import Column, DeleteRow, Given, ListRow, Section, ShowRow, write_single
from maestrale.cli.commands_arguments import (
    IDENTIFIER,
    IDENTIFIERS,
    NAME_OR_ID,
    NAMES_OR_IDS,
    json_or_file,
)

if TYPE_CHECKING:
    from maestrale.client.results import CronTrigger, EventTrigger
    from maestrale.client.sync import Client

TIME_FORMAT: Final = "%Y-%m-%d %H:%M"

CRON_COLUMNS: Final = (
    Column("name", "Name"),
    Column("workflow_name", "Workflow"),
    Column("workflow_params", "Params"),
    Column("pattern", "Pattern"),
    Column("next_execution_time", "Next execution time"),
    Column("remaining_executions", "Remaining executions"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)
ERROR: Final = Column("last_error", "Last error")
EVENT_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("workflow_id", "Workflow ID"),
    Column("workflow_params", "Params"),
    Column("exchange", "Exchange"),
    Column("topic", "Topic"),
    Column("event", "Event"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)

INPUT: Final = click.Argument(("workflow_input",), required=False, type=json_or_file, metavar="[INPUT]")
PARAMS: Final = click.Option(
    ("--params",), type=json_or_file, help="Workflow params: JSON or the name of a file with them."
)


@dataclass(kw_only=True, eq=False, repr=False)
class _CronRow(ShowRow):
    """Prints a cron trigger, with its last error if it has one."""

    def run(self, client: Client, given: Given) -> None:
        trigger = self.call(client, **self.own(given))
        assert not isinstance(trigger, str)
        columns = (*self.columns, ERROR) if trigger.raw.get(ERROR.field) else self.columns
        write_single(columns, trigger, given)


def _create_cron(
    client: Client,
    name: str,
    workflow: str,
    workflow_input: Any,
    params: Any,
    pattern: str,
    first_time: str,
    count: int | None,
    utc: bool,
) -> CronTrigger:
    return client.cron_triggers.create(
        name,
        workflow,
        workflow_input,
        params=params,
        pattern=pattern,
        first_time=_in_utc(first_time, utc) if first_time else "",
        count=count,
    )


def _in_utc(text: str, is_utc: bool) -> str:
    """A time of this machine as one of UTC."""
    try:
        moment = datetime.datetime.strptime(text, TIME_FORMAT)
    except ValueError:
        raise click.UsageError(
            f"--first-time must be written as YYYY-MM-DD HH:MM, for example '2026-11-23 20:09', not '{text}'."
        ) from None
    return text if is_utc else moment.astimezone(datetime.UTC).strftime(TIME_FORMAT)


CRON: Final = Section(
    "Cron triggers",
    (
        _CronRow(
            name="cron-trigger-create",
            words="cron trigger create",
            help="Start a workflow at set times. INPUT is JSON or a file that holds it.",
            arguments=(
                click.Argument(("name",), metavar="NAME"),
                click.Argument(("workflow",), metavar="WORKFLOW"),
                INPUT,
                PARAMS,
                click.Option(
                    ("--pattern",),
                    default="",
                    help='When: "MINUTE HOUR DAY MONTH WEEKDAY [SECOND]" in UTC, or @hourly, @daily...',
                ),
                click.Option(
                    ("--first-time",),
                    default="",
                    help='"YYYY-MM-DD HH:MM": not before. Without a pattern: once, then.',
                ),
                click.Option(("--count",), type=int, help="How often [default: without end]."),
                click.Option(("--utc",), is_flag=True, help="--first-time is in UTC, not in local time."),
            ),
            columns=CRON_COLUMNS,
            call=_create_cron,
            hints={404: "To see which workflows there are: mistral workflow-list"},
        ),
        ListRow(
            name="cron-trigger-list",
            words="cron trigger list",
            help="List cron triggers.",
            columns=CRON_COLUMNS,
            of_projects=True,
            call=lambda client, listing: client.cron_triggers.list(**listing),
        ),
        _CronRow(
            name="cron-trigger-get",
            words="cron trigger show",
            help="Show a cron trigger.",
            arguments=(NAME_OR_ID,),
            columns=CRON_COLUMNS,
            call=lambda client, identifier: client.cron_triggers.get(identifier),
        ),
        DeleteRow(
            name="cron-trigger-delete",
            words="cron trigger delete",
            help="Delete cron triggers.",
            arguments=(NAMES_OR_IDS,),
            kind="cron trigger",
            call=lambda client, identifier: client.cron_triggers.delete(identifier),
        ),
    ),
)


def _create_event(
    client: Client,
    name: str,
    workflow_id: str,
    exchange: str,
    topic: str,
    event: str,
    workflow_input: Any,
    params: Any,
) -> EventTrigger:
    return client.event_triggers.create(
        name, workflow_id, exchange, topic, event, workflow_input, params=params
    )


EVENTS: Final = Section(
    "Event triggers",
    (
        ShowRow(
            name="event-trigger-create",
            words="event trigger create",
            help="Store which workflow a message is to start. INPUT is JSON or a file that holds it.",
            arguments=(
                *(
                    click.Argument((name,), metavar=name.upper())
                    for name in ("name", "workflow_id", "exchange", "topic", "event")
                ),
                INPUT,
                PARAMS,
            ),
            columns=EVENT_COLUMNS,
            call=_create_event,
            hints={404: "To see which workflows there are: mistral workflow-list"},
        ),
        ListRow(
            name="event-trigger-list",
            words="event trigger list",
            help="List event triggers.",
            columns=EVENT_COLUMNS,
            of_projects=True,
            call=lambda client, listing: client.event_triggers.list(**listing),
        ),
        ShowRow(
            name="event-trigger-get",
            words="event trigger show",
            help="Show an event trigger.",
            arguments=(IDENTIFIER,),
            columns=EVENT_COLUMNS,
            call=lambda client, identifier: client.event_triggers.get(identifier),
        ),
        ShowRow(
            name="event-trigger-update",
            help="Change an event trigger. Given input and params replace all; what is not given stays.",
            arguments=(
                IDENTIFIER,
                click.Option(("--name",), help="New name."),
                click.Option(("--workflow-id",), help="ID of the workflow to start."),
                click.Option(
                    ("--input", "workflow_input"),
                    type=json_or_file,
                    help="Workflow input: JSON or the name of a file with it.",
                ),
                PARAMS,
            ),
            columns=EVENT_COLUMNS,
            call=lambda client, identifier, name, workflow_id, workflow_input, params: (
                client.event_triggers.update(
                    identifier, name=name, workflow_id=workflow_id, input=workflow_input, params=params
                )
            ),
        ),
        DeleteRow(
            name="event-trigger-delete",
            words="event trigger delete",
            help="Delete event triggers.",
            arguments=(IDENTIFIERS,),
            kind="event trigger",
            call=lambda client, identifier: client.event_triggers.delete(identifier),
        ),
    ),
)
SECTIONS: Final = (CRON, EVENTS)
