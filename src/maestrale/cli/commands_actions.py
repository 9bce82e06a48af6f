"""Commands for actions and their executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import Column, DeleteRow, ListRow, Section, ShowRow, TextRow, or_none
from maestrale.cli.commands_arguments import IDENTIFIER, IDENTIFIERS, NAMESPACE, json_or_file
from maestrale.cli.commands_definitions import Helps, definition_rows
from maestrale.cli.output import folded, json_text
from maestrale.client.absent import NOT_GIVEN

if TYPE_CHECKING:
    from maestrale.client.results import Action, ActionExecution
    from maestrale.client.sync import Client, Items

STATES: Final = ("PAUSED", "RUNNING", "SUCCESS", "ERROR", "CANCELLED")

ACTION_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("is_system", "Is system"),
    Column("input", "Input", cut=True),
    Column("description", "Description", cut=True),
    Column("tags", "Tags", lambda action: folded(action.get("tags"))),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)
EXECUTION_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("workflow_name", "Workflow name"),
    Column("workflow_namespace", "Workflow namespace"),
    Column("task_name", "Task name"),
    Column("task_execution_id", "Task ID"),
    Column("state", "State"),
    Column("state_info", "State info", listed=False),
    Column("accepted", "Accepted"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at", or_none("updated_at")),
)


def _list(client: Client, listing: dict[str, Any], namespace: str) -> Items[Action]:
    if namespace:
        listing["filters"]["namespace"] = namespace
    return client.actions.list(**listing)


def _list_executions(client: Client, listing: dict[str, Any], task: str | None) -> Items[ActionExecution]:
    if task:
        return client.tasks.action_executions(task, **listing)
    return client.action_executions.list(**listing)


def _run(
    client: Client,
    name: str,
    action_input: Any,
    save_result: bool,
    run_sync: bool,
    target: str,
    namespace: str,
) -> ActionExecution | str:
    """The saved action execution if its result comes later, else the result as one line of JSON."""
    execution = client.action_executions.create(
        name, action_input, namespace=namespace, save_result=save_result, run_sync=run_sync, target=target
    )
    if save_result and not run_sync:
        return execution
    if execution.state == "RUNNING" and execution.id:
        click.echo(
            f"Note: the action goes on. Its result will be shown by: "
            f"mistral action-execution-get-output {execution.id}",
            err=True,
        )
    output = execution.raw.get("output")
    try:
        return json.dumps(json.loads(output or "")) + "\n"
    except ValueError:
        return f"{output}\n"


ACTIONS: Final = Section(
    "Actions",
    (
        ShowRow(
            name="run-action",
            words="action execution run",
            help="Run an action. INPUT is JSON or a file that holds it.",
            arguments=(
                click.Argument(("name",), metavar="ACTION"),
                click.Argument(("action_input",), required=False, type=json_or_file, metavar="[INPUT]"),
                click.Option(("-s", "--save-result"), is_flag=True, help="Store it with its result."),
                click.Option(("--run-sync",), is_flag=True, help="Wait for the result."),
                click.Option(("-t", "--target"), default="", help="Run it on this executor."),
                NAMESPACE,
            ),
            columns=EXECUTION_COLUMNS,
            call=_run,
        ),
        ListRow(
            name="action-list",
            words="action definition list",
            help="List actions.",
            arguments=(NAMESPACE,),
            columns=ACTION_COLUMNS,
            call=_list,
        ),
        *definition_rows(
            "action",
            "action definition",
            ACTION_COLUMNS,
            Helps(
                get="Show an action.",
                get_definition="Print the text of an ad-hoc action.",
                create="Upload new ad-hoc actions, all those in a file.",
                update="Replace ad-hoc actions by those in a file.",
                delete="Delete ad-hoc actions.",
                validate="Check the text of ad-hoc actions without storing it.",
            ),
        ),
    ),
)
EXECUTIONS: Final = Section(
    "Action executions",
    (
        ListRow(
            name="action-execution-list",
            words="action execution list",
            help="List action executions. All or those of a task execution, the newest last.",
            arguments=(click.Argument(("task",), required=False, metavar="[TASK_ID]"),),
            columns=EXECUTION_COLUMNS,
            newest=True,
            # Other servers of this API mix up fields that are named in lists of action executions.
            all_fields=True,
            call=_list_executions,
        ),
        ShowRow(
            name="action-execution-get",
            words="action execution show",
            help="Show an action execution.",
            arguments=(IDENTIFIER,),
            columns=EXECUTION_COLUMNS,
            call=lambda client, identifier: client.action_executions.get(identifier),
        ),
        TextRow(
            name="action-execution-get-input",
            words="action execution input show",
            help="Print the input of an action execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(
                client.action_executions.get(identifier).raw.get("input")
            ),
        ),
        TextRow(
            name="action-execution-get-output",
            words="action execution output show",
            help="Print the output of an action execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(
                client.action_executions.get(identifier).raw.get("output")
            ),
        ),
        ShowRow(
            name="action-execution-update",
            words="action execution update",
            help="Complete an action execution, or change its state.",
            arguments=(
                IDENTIFIER,
                click.Option(("--state",), type=click.Choice(STATES), help="State to bring it to."),
                click.Option(
                    ("--output",), type=json_or_file, default=NOT_GIVEN, help="Its result or a file."
                ),
            ),
            columns=EXECUTION_COLUMNS,
            call=lambda client, identifier, state, output: client.action_executions.update(
                identifier, state or "", output=output
            ),
        ),
        DeleteRow(
            name="action-execution-delete",
            words="action execution delete",
            help="Delete finished action executions that ran outside of workflows.",
            arguments=(IDENTIFIERS,),
            kind="action execution",
            call=lambda client, identifier: client.action_executions.delete(identifier),
        ),
    ),
)
SECTIONS: Final = (ACTIONS, EXECUTIONS)
