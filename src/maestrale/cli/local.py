"""Commands that work without a server: they load the service into this process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any, get_args

import click

from maestrale import config
from maestrale.cli.action_docs import action_docs
from maestrale.cli.database import database
from maestrale.cli.evaluating import evaluate
from maestrale.cli.keys import keys
from maestrale.cli.local_options import config_option, configure_log, database_option, load_settings
from maestrale.cli.new_action import new_action
from maestrale.cli.policy import policy
from maestrale.cli.running import read_input, run_file
from maestrale.cli.serving import serve
from maestrale.cli.simulating import simulate_command
from maestrale.lang.problems import describe
from maestrale.lang.schema import Kind, schema
from maestrale.model.urls import without_password
from maestrale.services.parsing import check_text

VALID = {"workflow": "valid", "action": "valid ad-hoc actions", "workbook": "valid workbook"}


def _roles(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """The roles that are named one by one, or with commas."""
    found = [role.strip() for text in given for role in text.split(",")]
    choice = click.Choice(config.ROLES)
    return tuple(choice.convert(role, parameter, context) for role in dict.fromkeys(found))


@click.command("server")
@click.option(
    "--role",
    "roles",
    multiple=True,
    metavar="api,engine",
    callback=_roles,
    help="What this process does; repeatable [default: both]. On PostgreSQL several can share the work.",
)
@click.option("--host", help="Address to listen on [default: 127.0.0.1, this machine only].")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on [default: 8989].")
@click.option(
    "--auth",
    metavar="none|tokens:FILE|proxy|oidc",
    help="How callers are known [default: none, all may do all].",
)
@click.option("--policy-file", metavar="FILE", help="What callers may do, a policy file (YAML or JSON).")
@click.option("--tls-cert", metavar="FILE", help="Certificate, a PEM file: the server speaks HTTPS then.")
@click.option(
    "--tls-key", metavar="FILE", help="Key of the certificate, a PEM file [default: in the same file]."
)
@database_option
@config_option
def server(
    roles: tuple[str, ...],
    host: str | None,
    port: int | None,
    auth: str | None,
    policy_file: str | None,
    tls_cert: str | None,
    tls_key: str | None,
    database_url: str | None,
    config_file: Path | None,
) -> None:
    """Run the service on this machine: API, engine and executor in one process, or one of several."""
    flags = {
        ("server", "roles"): roles or None,
        ("server", "host"): host,
        ("server", "port"): port,
        ("server", "auth"): auth,
        ("server", "policy_file"): policy_file,
        ("server", "tls_cert"): tls_cert,
        ("server", "tls_key"): tls_key,
        ("database", "url"): database_url,
    }
    settings = load_settings(flags, config_file)
    configure_log(settings)
    serve(settings)


@click.command("run")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.argument("workflow", required=False)
@click.option("-i", "--input", "inputs", multiple=True, metavar="KEY=VALUE | JSON",
              help="An input, or all of them as a JSON object. Repeatable.")  # fmt: skip
@click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Show the output only.")
@database_option
@config_option
def run(
    file: IO[str],
    workflow: str | None,
    inputs: tuple[str, ...],
    is_quiet: bool,
    database_url: str | None,
    config_file: Path | None,
) -> None:
    """Run a workflow of FILE at once and print its output as JSON.

    No server is needed; if one owns the database, the work is handed to it. WORKFLOW may be left out if the
    file has only one. If FILE is a workbook, it is one of its workflows. Exits with 0 if the execution ends
    in SUCCESS, else with 1.
    """
    settings = load_settings({("database", "url"): database_url}, config_file)
    configure_log(settings)
    name = "standard input" if file.name == "<stdin>" else file.name
    sys.exit(run_file(settings, file.read(), name, workflow, read_input(inputs), is_quiet))


@click.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.File("r", encoding="utf-8"))
def validate(files: tuple[IO[str], ...]) -> None:
    """Check files of workflows, ad-hoc actions or a workbook: every problem with its place.

    Exits with 1 if there are errors.
    """
    failed = False
    for file in files:
        try:
            text = file.read()
        except UnicodeDecodeError as error:
            raise click.ClickException(f"{file.name} is not a text in UTF-8: {error}") from None
        checked = check_text(text)
        has_errors = False
        for problem in checked.problems:
            click.echo(f"{file.name}: {'error' if problem.is_error else 'warning'}: {describe(problem)}")
            has_errors = has_errors or problem.is_error
        failed = failed or has_errors
        if not has_errors:
            click.echo(f"{file.name}: {VALID[checked.kind]} ({', '.join(checked.names)})")
    sys.exit(1 if failed else 0)


@click.command("schema")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="workflow", show_default=True,
              help="What the text holds: workflows, a workbook, or ad-hoc actions.")  # fmt: skip
def show_schema(kind: Kind) -> None:
    """Print the JSON Schema of definition texts, which editors use to complete and check them."""
    click.echo(json.dumps(schema(kind), indent=2))


@click.command("config")
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
@config_option
def show_config(form: str, config_file: Path | None) -> None:
    """Show the settings in force and where each of them comes from."""
    loaded = config.load(file=config_file)
    if form == "json":
        document: dict[str, dict[str, Any]] = {}
        for setting in loaded:
            entry = {"value": setting.shown, "source": setting.source}
            document.setdefault(setting.section, {})[setting.name] = entry
        click.echo(json.dumps(document, indent=4))
        return
    rows = [(f"{s.section}.{s.name}", json.dumps(s.shown), s.source) for s in loaded]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, source in rows:
        click.echo(f"{name:<{widths[0]}}  {value:<{min(widths[1], 40)}}  {source}")
    click.echo(f"\ndatabase in use: {without_password(config.database_url(loaded.settings))}")


COMMANDS = {
    "server": server,
    "run": run,
    "validate": validate,
    "evaluate": evaluate,
    "schema": show_schema,
    "config": show_config,
    "database": database,
    "keys": keys,
    "new-action": new_action,
    "action-docs": action_docs,
    "policy": policy,
    "simulate": simulate_command,
}
