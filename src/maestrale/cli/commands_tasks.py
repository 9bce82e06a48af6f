"""Commands for task executions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from maestrale.cli.commands import Column, ListRow, Section, ShowRow, TableRow, TextRow, or_none
from maestrale.cli.commands_arguments import ENVIRONMENT, ERRORS_ONLY, IDENTIFIER, MAX_DEPTH
from maestrale.cli.commands_executions import COLUMNS as EXECUTION_COLUMNS
from maestrale.cli.output import duration, json_text

if TYPE_CHECKING:
    from maestrale.client.results import Task
    from maestrale.client.sync import Client, Items

COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("workflow_name", "Workflow name"),
    Column("workflow_namespace", "Workflow namespace"),
    Column("workflow_execution_id", "Workflow Execution ID"),
    Column("state", "State"),
    Column("state_info", "State info", cut=True),
    Column("created_at", "Created at"),
    Column("started_at", "Started at", or_none("started_at")),
    Column("finished_at", "Finished at", or_none("finished_at")),
    Column(
        "",
        "Duration",
        lambda task: duration(task.get("started_at"), task.get("finished_at"), not task.get("finished_at")),
        asked=False,
    ),
)

RESTART_COLUMNS: Final = (
    Column("id", "ID"),
    Column("name", "Name"),
    Column("workflow_name", "Workflow name"),
    Column("workflow_execution_id", "Workflow Execution ID"),
    Column("state", "State before"),
    Column("reason", "Reason"),
)
"""What runs again by a restart."""


def _published(client: Client, identifier: str) -> str:
    """The branch's variables and, if there are any, the global ones after them."""
    task = client.tasks.get(identifier).raw
    overall = task.get("published_global")
    return json_text(task.get("published")) + (json_text(overall) if overall else "")


def _list(client: Client, listing: dict[str, Any], execution: str | None) -> Items[Task]:
    if execution:
        return client.executions.tasks(execution, **listing)
    return client.tasks.list(**listing)


SECTION: Final = Section(
    "Task executions",
    (
        ListRow(
            name="task-list",
            words="task execution list",
            help="List task executions. All or those of a workflow execution, the newest last.",
            arguments=(click.Argument(("execution",), required=False, metavar="[EXECUTION_ID]"),),
            columns=COLUMNS,
            newest=True,
            call=_list,
        ),
        ShowRow(
            name="task-get",
            words="task execution show",
            help="Show a task execution.",
            arguments=(IDENTIFIER,),
            columns=COLUMNS,
            call=lambda client, identifier: client.tasks.get(identifier),
        ),
        TextRow(
            name="task-get-result",
            words="task execution result show",
            help="Print the result of a task execution.",
            arguments=(IDENTIFIER,),
            call=lambda client, identifier: json_text(client.tasks.get(identifier).raw.get("result")),
        ),
        TextRow(
            name="task-get-published",
            words="task execution published show",
            help="Print the variables that it published.",
            arguments=(IDENTIFIER,),
            call=_published,
        ),
        TableRow(
            name="task-get-sub-executions",
            help="List all workflow executions below a task execution.",
            arguments=(IDENTIFIER, ERRORS_ONLY, MAX_DEPTH),
            columns=EXECUTION_COLUMNS,
            call=lambda client, identifier, errors_only, max_depth: client.tasks.sub_executions(
                identifier, errors_only=errors_only, max_depth=max_depth
            ),
        ),
        TableRow(
            name="task-restart",
            words="task execution restart",
            help="Run a finished execution again from a task. Shows which tasks run again.",
            arguments=(
                IDENTIFIER,
                ENVIRONMENT,
                click.Option(("--dry-run",), is_flag=True, help="Only show it."),
            ),
            columns=RESTART_COLUMNS,
            call=lambda client, identifier, env, dry_run: (
                client.tasks.plan_restart(identifier)
                if dry_run
                else client.tasks.restart(identifier, env=env)
            ),
        ),
        ShowRow(
            name="task-skip",
            words="task execution skip",
            help="Leave a failed task as it is and go on, as its on-skip says.",
            arguments=(IDENTIFIER,),
            columns=COLUMNS,
            call=lambda client, identifier: client.tasks.skip(identifier),
        ),
        ShowRow(
            name="task-rerun",
            words="task execution rerun",
            help="Run a failed task again, and what follows it.",
            arguments=(
                IDENTIFIER,
                click.Option(
                    ("--resume",), is_flag=True, help="With-items: only items that failed or did not start."
                ),
                ENVIRONMENT,
            ),
            columns=COLUMNS,
            call=lambda client, identifier, resume, env: client.tasks.rerun(
                identifier, reset=not resume, env=env
            ),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
