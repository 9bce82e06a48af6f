"""`run`: a workflow file, here or on the server that owns the database, with progress and a clear end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import click

from maestrale.cli.connection import Settings as Connection
from maestrale.cli.reporting import ENDED, report, show_progress
from maestrale.config import Settings
from maestrale.lang.inputs import missing_names, unknown_names
from maestrale.lang.problems import describe, raise_for
from maestrale.lang.spec import Position, Problem, WorkflowSpec
from maestrale.model import states
from maestrale.model.actions import invalid_input
from maestrale.model.errors import BadRequest, InvalidInput
from maestrale.model.values import Json
from maestrale.services.parsing import kind_of, parse_supported, parse_supported_workbook
from maestrale.store.lock import DatabaseInUse

Row = dict[str, Any]

GRACE_AFTER_INTERRUPT = 0.5


class Backend(Protocol):
    """Where the workflow runs."""

    def save(self, text: str, names: Iterable[str], *, is_workbook: bool) -> list[str]:
        """Store the workflows or the workbook; the names of what was there with another text."""

    def start(self, workflow: str, given: dict[str, Json]) -> str:
        """Start an execution; its id."""

    def snapshot(self, execution_id: str) -> tuple[Row, list[Row]]:
        """The execution and its tasks as they are now."""

    def wait(self) -> None:
        """Return when something may have changed."""

    def action_executions(self, task_id: str) -> list[Row]:
        """The action executions of a task."""

    @property
    def after_interrupt(self) -> str:
        """What becomes of an execution that is followed no more, for the person who pressed Ctrl-C."""

    def close(self, grace: float | None = None) -> None:
        """Give everything back; running actions get `grace` seconds, by default as set."""


def read_input(given: tuple[str, ...]) -> dict[str, Json]:
    """The input of `-i key=value` and `-i '{json}'`; a value that is JSON is taken as JSON."""
    found: dict[str, Json] = {}
    for text in given:
        if text.lstrip().startswith("{"):
            try:
                document = json.loads(text)
            except ValueError as error:
                raise BadRequest(
                    f"The input is not JSON: {error}", "write -i key=value or -i '{\"key\": 1}'"
                ) from None
            found.update(document)
            continue
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise BadRequest(f"The input '{text}' has no name", "write -i key=value or -i '{\"key\": 1}'")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def run_file(
    settings: Settings, text: str, file: str, workflow: str | None, given: dict[str, Json], is_quiet: bool
) -> int:
    """Run a workflow and report; the exit code."""
    source = _read(text, file)
    specs = {spec.name: spec for spec in source.workflows}
    name = _chosen(list(specs), workflow, file, source.workbook)
    _refuse_missing_input(specs[name], given)
    backend = _backend(settings)
    grace = None
    try:
        kind = "workbook" if source.workbook else "workflow"
        names = [source.workbook] if source.workbook else list(specs)
        for replaced in backend.save(text, names, is_workbook=kind == "workbook"):
            click.echo(f"Note: the stored {kind} '{replaced}' was replaced by the one in {file}.", err=True)
        execution_id = backend.start(name, given)
        if not is_quiet:
            click.echo(f"{name}: execution {execution_id}", err=True)
        execution, tasks = _follow(backend, execution_id, is_quiet)
        return report(
            execution, tasks, backend.action_executions, lambda task: _where(specs[name], file, task)
        )
    except KeyboardInterrupt:
        grace = GRACE_AFTER_INTERRUPT
        click.echo(f"\nInterrupted. {backend.after_interrupt}", err=True)
        return 130
    finally:
        backend.close(grace)


class _Source(NamedTuple):
    """The workflows of a file, and the workbook of which they are members."""

    workflows: Sequence[WorkflowSpec]
    workbook: str | None = None


def _read(text: str, file: str) -> _Source:
    """What a file holds; its warnings are shown. Raises `InvalidDefinition`, or BadRequest for actions."""
    kind = kind_of(text)
    if kind == "action":
        raise BadRequest(
            f"{file} holds ad-hoc actions, and only workflows can be run",
            f"store them with `mistral action-create {file}`, then `mistral run-action NAME`",
        )
    if kind == "workflow":
        parsed = parse_supported(text)
        _show(parsed.problems, file)
        return _Source(parsed.specs)
    book = parse_supported_workbook(text)
    _show(book.problems, file)
    assert book.spec is not None, "a workbook that cannot be read has a problem"
    return _Source(book.spec.workflows, book.spec.name)


def _show(problems: list[Problem], file: str) -> None:
    for problem in problems:
        if not problem.is_error:
            click.echo(f"{file}: warning: {describe(problem)}", err=True)
    raise_for(problems)


def _chosen(names: list[str], workflow: str | None, file: str, workbook: str | None) -> str:
    """The full name of the workflow to run; members of a workbook may be called by their short names."""
    if workflow is None and len(names) == 1:
        return names[0]
    shown = f"it has: {', '.join(names)}" if names else "it has none"
    if workflow is None:
        raise BadRequest(f"{file} holds {len(names) or 'no'} workflows", f"name one of: {', '.join(names)}")
    for name in (workflow, f"{workbook}.{workflow}"):
        if name in names:
            return name
    raise BadRequest(f"{file} has no workflow '{workflow}'", shown)


def _refuse_missing_input(spec: WorkflowSpec, given: dict[str, Json]) -> None:
    """InvalidInput with the options that give what is missing; the engine's own refusal knows of none."""
    missing = missing_names(spec.input, given)
    if missing:
        error = invalid_input(spec.name, spec.class_name, missing, unknown_names(spec.input, given))
        raise InvalidInput(error.message, f"add {' '.join(f'-i {name}=VALUE' for name in missing)}")


def _backend(settings: Settings) -> Backend:
    from maestrale.cli.backends import Embedded, Remote

    try:
        return Embedded(settings)
    except DatabaseInUse as error:
        if error.holder.address is None:
            raise
        connection = click.get_current_context().ensure_object(Connection)
        return Remote(f"{error.holder.address}/v2", connection.credentials)


def _follow(backend: Backend, execution_id: str, is_quiet: bool) -> tuple[Row, list[Row]]:
    """Wait for the end, showing each change of a task."""
    shown: dict[str, str] = {}
    began = time.monotonic()
    while True:
        execution, tasks = backend.snapshot(execution_id)
        if not is_quiet:
            _show_changes(tasks, shown, began)
        if execution["state"] in ENDED:
            return execution, tasks
        backend.wait()


def _show_changes(tasks: list[Row], shown: dict[str, str], began: float) -> None:
    for task in tasks:
        if shown.get(task["id"]) == task["state"] or (
            task["id"] not in shown and task["state"] == states.IDLE
        ):
            continue
        shown[task["id"]] = task["state"]
        show_progress(time.monotonic() - began, task["state"], task["name"], task["state_info"])


def _where(spec: WorkflowSpec, file: str, task: str) -> str:
    place = _place(spec, task)
    return f" ({file}, line {place.line})" if place else ""


def _place(spec: WorkflowSpec, task: str) -> Position | None:
    for path in (("tasks", task, "action"), ("tasks", task, "workflow"), ("tasks", task)):
        if path in spec.positions:
            return spec.positions[path]
    return None
