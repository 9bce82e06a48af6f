"""Commands for workflow executions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import (
    Column,
    DeleteRow,
    Given,
    ListRow,
    Row,
    Section,
    ShowRow,
    TableRow,
    TextRow,
    or_none,
)
from maestrale.cli.commands_arguments import (
    ENVIRONMENT,
    ERRORS_ONLY,
    IDENTIFIER,
    MAX_DEPTH,
    json_or_file,
)
from maestrale.cli.commands_waiting import WaitingRow, WatchRow
from maestrale.cli.many import OPTIONS, Doing, chosen, for_each, is_by_filter
from maestrale.cli.output import duration, json_text
from maestrale.cli.report import report_text
from maestrale.client.errors import ApiError
from maestrale.model import states

if TYPE_CHECKING:
    from maestrale.client.results import Execution
    from maestrale.client.sync import Client, Items

SOME_IDENTIFIERS: Final = click.Argument(("identifiers",), nargs=-1, metavar="[ID...]")
REASON: Final = click.Option(
    ("--reason", "--state-info"), default="", help="Why: the state info of an execution that is stopped."
)

STATES: Final = ("RUNNING", "PAUSED", "SUCCESS", "ERROR", "CANCELLED")

COLUMNS: Final = (
    Column("id", "ID"),
    Column("workflow_id", "Workflow ID"),
    Column("workflow_name", "Workflow name"),
    Column("workflow_namespace", "Workflow namespace"),
    Column("description", "Description"),
    Column("task_execution_id", "Task Execution ID", or_none("task_execution_id")),
    Column("root_execution_id", "Root Execution ID", or_none("root_execution_id")),
    Column("state", "State"),
    Column("state_info", "State info", cut=True),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at", or_none("updated_at")),
    Column(
        "",
        "Duration",
        lambda execution: duration(
            execution.get("created_at"), execution.get("updated_at"), execution.get("state") == "RUNNING"
        ),
        asked=False,
    ),
)


def _list(client: Client, listing: dict[str, Any], task: str, rootsonly: bool) -> Items[Execution]:
    if task:
        listing["filters"]["task_execution_id"] = task
    return client.executions.list(**listing, roots_only=rootsonly)


def _create(
    client: Client,
    workflow: str | None,
    workflow_input: Any,
    params: Any,
    namespace: str,
    description: str,
    source_execution_id: str,
    new_id: str,
) -> Execution:
    if not workflow and not source_execution_id:
        raise click.UsageError("Missing argument 'WORKFLOW' (or -s with an execution to start again).")
    if not isinstance(params or {}, dict):
        raise click.UsageError('PARAMS must be a JSON object, for example {"env": {"name": "value"}}.')
    return client.executions.create(
        workflow or "",
        workflow_input,
        params=params,
        namespace=namespace,
        description=description,
        source_execution_id=source_execution_id,
        id=new_id,
    )


def _update(
    client: Client, identifier: str, state: str | None, env: Any, description: str | None, reason: str
) -> Execution:
    """The execution as it is then; to resume what has ended is not refused, but changes nothing."""
    execution = client.executions.update(
        identifier, state or "", description=description, env=env, state_info=reason
    )
    found = execution.state
    if state == "RUNNING" and found in ("ERROR", "CANCELLED"):
        again = "mistral task-restart TASK_ID"
        if found == "ERROR":
            again = f"mistral task-rerun TASK_ID for a failed task, or {again} for any"
        click.echo(
            f"Note: the execution is in {found}: only a paused one can be resumed. One that has ended runs "
            f"again from a task: {again}. The ids are in: mistral task-list {identifier}",
            err=True,
        )
    return execution


DELETING: Final = Doing("delete", "deleted", "them with all that is below them")
CANCELLING: Final = Doing("cancel", "cancelled", usual={"state": "in:IDLE,RUNNING,PAUSED"})
UPDATING: Final = Doing("change", "changed")


class _DeleteRow(DeleteRow):
    """Removes executions, also by filter."""

    def options(self) -> tuple[click.Option, ...]:
        return OPTIONS

    def run(self, client: Client, given: Given) -> None:
        if not is_by_filter(given, given["identifiers"]):
            super().run(client, given)
            return

        def delete(identifier: str) -> str:
            client.executions.delete(identifier, force=given["force"])
            return self.accepted(identifier)

        for_each(chosen(client, given, DELETING), delete, DELETING)


@dataclass(kw_only=True, eq=False, repr=False)
class _CancelRow(Row):
    """Cancels executions, also by filter."""

    def options(self) -> tuple[click.Option, ...]:
        return OPTIONS

    def run(self, client: Client, given: Given) -> None:
        by_filter = is_by_filter(given, given["identifiers"])

        def cancel(identifier: str) -> str:
            execution = client.executions.update(identifier, states.CANCELLED, state_info=given["reason"])
            if execution.state != states.CANCELLED:
                raise ApiError(400, f"it is in {execution.state} and cannot be cancelled")
            return f"Execution {identifier} is cancelled."

        if by_filter:
            for_each(chosen(client, given, CANCELLING), cancel, CANCELLING)
        else:
            for_each(given["identifiers"], cancel, CANCELLING, is_named=True)


class _UpdateRow(ShowRow):
    """Changes an execution and prints it; or many, by filter."""

    def options(self) -> tuple[click.Option, ...]:
        return OPTIONS

    def run(self, client: Client, given: Given) -> None:
        if given["reason"] and not given["state"]:
            raise click.UsageError("--reason says why --state is changed.")
        identifier = given["identifier"]
        if not is_by_filter(given, [identifier] if identifier else []):
            super().run(client, given)
            return

        def update(identifier: str) -> str:
            execution = _update(client, **self.own(given) | {"identifier": identifier})
            return f"Execution {identifier} is in {execution.state}."

        for_each(chosen(client, given, UPDATING), update, UPDATING)


SECTION: Final = Section(
    "Workflow executions",
    (
        WaitingRow(
            name="execution-create",
            words="workflow execution create",
            help="Start a workflow. INPUT and PARAMS are JSON or files that hold it.",
            arguments=(
                click.Argument(("workflow",), required=False, metavar="WORKFLOW"),
                click.Argument(("workflow_input",), required=False, type=json_or_file, metavar="[INPUT]"),
                click.Argument(("params",), required=False, type=json_or_file, metavar="[PARAMS]"),
                click.Option(("--namespace",), default="", help="Namespace of the workflow."),
                click.Option(("-d", "--description"), default="", help="A text to recognise it by."),
                click.Option(("-s", "source_execution_id"), default="", help="Start this execution again."),
                click.Option(
                    ("--id", "new_id"),
                    default="",
                    help="ID of your own choice; if there is one already, it is shown and nothing started.",
                ),
            ),
            columns=COLUMNS,
            call=_create,
            hints={404: "To see which workflows there are: mistral workflow-list"},
            reports=True,
        ),
        ListRow(
            name="execution-list",
            words="workflow execution list",
            help="List workflow executions, the newest last.",
            arguments=(
                click.Option(("--task",), default="", help="Only those started by this task execution."),
                click.Option(("--rootsonly",), is_flag=True, help="Only those not started by another one."),
            ),
            columns=COLUMNS,
            of_projects=True,
            newest=True,
            call=_list,
        ),
        WaitingRow(
            name="execution-get",
            words="workflow execution show",
            help="Show a workflow execution.",
            arguments=(IDENTIFIER,),
            columns=COLUMNS,
            call=lambda client, identifier: client.executions.get(identifier),
        ),
        WatchRow(
            name="execution-watch",
            help="Show what happens in a workflow execution until it ends. Exits with 0 for SUCCESS only.",
            arguments=(IDENTIFIER,),
        ),
        TextRow(
            name="execution-get-input",
            words="workflow execution input show",
            help="Print the input of a workflow execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(client.executions.get(identifier).raw.get("input")),
        ),
        TextRow(
            name="execution-get-output",
            words="workflow execution output show",
            help="Print the output of a workflow execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(client.executions.get(identifier).raw.get("output")),
        ),
        TextRow(
            name="execution-get-published",
            words="workflow execution published show",
            help="Print its global variables.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(
                client.executions.get(identifier).raw.get("published_global")
            ),
        ),
        TextRow(
            name="execution-get-report",
            words="workflow execution report show",
            help="Print what has run. Only what led to an error, unless told otherwise.",
            arguments=(
                IDENTIFIER,
                click.Option(
                    ("--errors-only/--no-errors-only",),
                    default=True,
                    help="Whether to leave out what did not fail.",
                ),
                click.Option(("--statistics-only",), is_flag=True, help="No tree."),
                MAX_DEPTH,
            ),
            call=lambda client, identifier, errors_only, statistics_only, max_depth: report_text(
                client.executions.report(
                    identifier,
                    errors_only=errors_only,
                    max_depth=max_depth,
                    statistics_only=statistics_only,
                ).raw
            ),
        ),
        TableRow(
            name="execution-get-sub-executions",
            help="List a workflow execution and all below it.",
            arguments=(IDENTIFIER, ERRORS_ONLY, MAX_DEPTH),
            columns=COLUMNS,
            call=lambda client, identifier, errors_only, max_depth: client.executions.sub_executions(
                identifier, errors_only=errors_only, max_depth=max_depth
            ),
        ),
        _UpdateRow(
            name="execution-update",
            words="workflow execution update",
            help="Change the state, environment or description.",
            arguments=(
                click.Argument(("identifier",), required=False, metavar="[ID]"),
                click.Option(("-s", "--state"), type=click.Choice(STATES), help="State to bring it to."),
                ENVIRONMENT,
                click.Option(("-d", "--description"), help="A text to recognise it by."),
                REASON,
            ),
            columns=COLUMNS,
            call=_update,
        ),
        _CancelRow(
            name="execution-cancel",
            words="workflow execution cancel",
            help="Cancel workflow executions and all below them.",
            arguments=(SOME_IDENTIFIERS, REASON),
        ),
        _DeleteRow(
            name="execution-delete",
            words="workflow execution delete",
            help="Delete workflow executions and all below them.",
            arguments=(
                SOME_IDENTIFIERS,
                click.Option(("--force",), is_flag=True, help="Delete unfinished ones, too."),
            ),
            kind="execution",
            call=lambda client, identifier, force: client.executions.delete(identifier, force=force),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
