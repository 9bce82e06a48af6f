"""`evaluate`: try an expression, on data at hand or where a task execution stands."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from maestrale.cli.commands_arguments import data_file, definition_file
from maestrale.cli.connection import Settings as Connection
from maestrale.cli.connection import global_options
from maestrale.cli.local_options import config_option, database_option, load_settings
from maestrale.client.errors import ApiError
from maestrale.config import Settings, database_url
from maestrale.model.errors import ExpressionError
from maestrale.model.values import Json
from maestrale.services.evaluations import Question, check, evaluate_on_data
from maestrale.store.dialect import DatabaseError
from maestrale.store.lock import DatabaseInUse
from maestrale.wiring import prepare_expressions

Answer = Mapping[str, Any]
"""`result`, and `warnings` if there are any."""

STANDARD_INPUT: Final = "-"


@click.command("evaluate")
@click.argument("expression")
@click.option("-d", "--data", metavar="FILE",
              help="What $ and _ are: a file of JSON or YAML, - for standard input. With --task an object:"
              " variables besides those of the task, such as the item of with-items.")  # fmt: skip
@click.option("-t", "--task", metavar="TASK_EXECUTION_ID",
              help="See what the input of this task execution saw. Asks the server, or the database that is"
              " named with --database.")  # fmt: skip
@click.option("-f", "--format", "form", type=click.Choice(["json", "yaml", "value"]), default="json",
              show_default=True, help="Form of the result; value: texts as they are.")  # fmt: skip
@database_option
@config_option
def evaluate(
    expression: str,
    data: str | None,
    task: str | None,
    form: str,
    database_url: str | None,
    config_file: Path | None,
) -> None:
    """Evaluate EXPRESSION and print the result: <% $.name %>, {{ _.name }}, a text with some of them.

    A lone - reads it from standard input. Without --task no server is needed. Nothing is stored.
    """
    if expression == data == STANDARD_INPUT:
        raise click.UsageError("Standard input cannot be both the expression and the data.")
    text = definition_file(expression).removesuffix("\n") if expression == STANDARD_INPUT else expression
    question = Question(str(text), msgspec.UNSET if data is None else data_file(data), task)
    settings = load_settings({("database", "url"): database_url}, config_file)
    try:
        answer = _answer(settings, question, asks_server=database_url is None)
    except ExpressionError as error:
        place = None if error.place is None else error.place._asdict()
        raise click.ClickException(_with_caret(str(error), place)) from None
    except ApiError as error:
        raise ApiError(error.status, _with_caret(error.message, error.place)) from None
    sys.stdout.write(_written(answer["result"], form))
    for warning in answer.get("warnings", ()):
        click.echo(f"warning: {warning}", err=True)


for _option in global_options(repeated=True):
    evaluate.params.append(_option)


def _answer(settings: Settings, question: Question, *, asks_server: bool) -> Answer:
    if question.task_execution_id is None:
        prepare_expressions(settings)
        check(question)
        return msgspec.structs.asdict(evaluate_on_data(question, time.time_ns() // 1000))
    if asks_server:
        from maestrale.cli.backends import ask_server

        unsaid: list[str] = []  # they stand in the answer, too
        with click.get_current_context().ensure_object(Connection).connect(unsaid.append) as client:
            return ask_server(client, question)
    return _in_database(settings, question)


def _in_database(settings: Settings, question: Question) -> Answer:
    """By the database itself, or by the server that has it."""
    from maestrale.cli.backends import Embedded, Remote
    from maestrale.store.database import dialect_of

    file = dialect_of(database_url(settings)).file
    if file is not None and not file.is_file():
        raise DatabaseError(f"There is no database {file}", "name it with --database; a server makes it")
    backend: Embedded | Remote
    try:
        backend = Embedded(settings)
    except DatabaseInUse as error:
        if error.holder.address is None:
            raise
        connection = click.get_current_context().ensure_object(Connection)
        backend = Remote(f"{error.holder.address}/v2", connection.credentials)
    try:
        return backend.evaluate(question)
    finally:
        backend.close()


def _written(result: Json, form: str) -> str:
    if form == "yaml":
        import yaml

        shown: str = yaml.safe_dump(result, allow_unicode=True, sort_keys=False)
        return shown.removesuffix("...\n")
    if form == "value" and isinstance(result, str):
        return f"{result}\n"
    return json.dumps(result, indent=4, ensure_ascii=False) + "\n"


def _with_caret(message: str, place: Mapping[str, Any] | None) -> str:
    """The message, and the line of the expression with a mark under what is wrong in it."""
    if place is None:
        return message
    line = place["expression"].split("\n")[place["line"] - 1]
    lines = [message, f"  {line}"]
    if place["column"] is not None:
        before = "".join("\t" if character == "\t" else " " for character in line[: place["column"] - 1])
        lines.append(f"  {before}^")
    return "\n".join(lines)
