"""Commands for actions and their executions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import (
    Column,
    DeleteRow,
    ListRow,
    Section,
    ShowRow,
    TableRow,
    TextRow,
    ValidateRow,
    or_none,
)
from maestrale.cli.commands_arguments import (
    IDENTIFIER,
    IDENTIFIERS,
    NAME_OR_ID,
    NAMES_OR_IDS,
    NAMESPACE,
    PUBLIC,
    UPDATE_BY_ID,
    definition,
    json_or_file,
)
from maestrale.cli.output import folded, json_text
from maestrale.cli.resources import NOT_GIVEN

if TYPE_CHECKING:
    from maestrale.cli.client import Client
    from maestrale.cli.resources import Page, Resource

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


def _list(client: Client, listing: dict[str, Any], namespace: str) -> Page:
    if namespace:
        listing["filters"]["namespace"] = namespace
    return client.actions.list(**listing)


def _run(
    client: Client,
    name: str,
    action_input: Any,
    save_result: bool,
    run_sync: bool,
    target: str,
    namespace: str,
) -> Resource | str:
    """The saved action execution if its result comes later, else the result as one line of JSON."""
    execution = client.action_executions.create(
        name, action_input, namespace=namespace, save_result=save_result, run_sync=run_sync, target=target
    )
    if save_result and not run_sync:
        return execution
    if execution.get("state") == "RUNNING" and execution.get("id"):
        click.echo(
            f"Note: the action goes on. Its result will be shown by: "
            f"mistral action-execution-get-output {execution['id']}",
            err=True,
        )
    output = execution.get("output")
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
        ShowRow(
            name="action-get",
            words="action definition show",
            help="Show an action.",
            arguments=(NAME_OR_ID, NAMESPACE),
            columns=ACTION_COLUMNS,
            call=lambda client, identifier, namespace: client.actions.get(identifier, namespace),
        ),
        TextRow(
            name="action-get-definition",
            words="action definition definition show",
            help="Print the text of an ad-hoc action.",
            arguments=(NAME_OR_ID, NAMESPACE),
            call=lambda client, identifier, namespace: (
                client.actions.get(identifier, namespace).get("definition") or "\n"
            ),
        ),
        TableRow(
            name="action-create",
            words="action definition create",
            help="Upload new ad-hoc actions, all those in a file.",
            arguments=(definition("action"), NAMESPACE, PUBLIC),
            columns=ACTION_COLUMNS,
            call=lambda client, definition, namespace, public: client.actions.create(
                definition, namespace, public
            ),
            hints={409: "To replace what is stored: mistral action-update {definition.path}"},
        ),
        TableRow(
            name="action-update",
            words="action definition update",
            help="Replace ad-hoc actions by those in a file.",
            arguments=(definition("action"), UPDATE_BY_ID, NAMESPACE, PUBLIC),
            columns=ACTION_COLUMNS,
            call=lambda client, definition, identifier, namespace, public: client.actions.update(
                definition, namespace, public, identifier
            ),
            hints={404: "To upload it as a new one: mistral action-create {definition.path}"},
        ),
        DeleteRow(
            name="action-delete",
            words="action definition delete",
            help="Delete ad-hoc actions.",
            arguments=(NAMES_OR_IDS, NAMESPACE),
            kind="action",
            call=lambda client, identifier, namespace: client.actions.delete(identifier, namespace),
        ),
        ValidateRow(
            name="action-validate",
            help="Check the text of ad-hoc actions without storing it.",
            arguments=(definition("action"),),
            call=lambda client, definition: client.actions.validate(definition),
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
            call=lambda client, listing, task: client.action_executions.list(below=task or "", **listing),
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
            call=lambda client, identifier: json_text(client.action_executions.get(identifier).get("input")),
        ),
        TextRow(
            name="action-execution-get-output",
            words="action execution output show",
            help="Print the output of an action execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(client.action_executions.get(identifier).get("output")),
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
                identifier, state, output
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
