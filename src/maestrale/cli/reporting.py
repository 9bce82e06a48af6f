"""What a person is told of an execution that runs, and of how it has ended."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from maestrale.model import states

Row = dict[str, Any]

ENDED: Final = (states.SUCCESS, states.ERROR, states.CANCELLED, states.PAUSED)
"""States in which nothing happens any more by itself."""

_COLOURS: Final = {
    states.SUCCESS: "green", states.ERROR: "red", states.CANCELLED: "yellow", states.RUNNING: "cyan",
}  # fmt: skip


def show_progress(seconds: float, state: str, name: str, info: str | None) -> None:
    """One line: so many seconds after the beginning, something has come into a state."""
    styled = click.style(f"{state:<9}", fg=_COLOURS.get(state))
    reason = f"  {_one_line(_first_line(info), 120)}" if info else ""
    click.echo(f"{seconds:7.2f}s  {styled}  {name}{reason}", err=True)


def report(
    execution: Row,
    tasks: Iterable[Row],
    actions_of: Callable[[str], list[Row]],
    where: Callable[[str], str] = lambda _: "",
) -> int:
    """Print the output, and for a failed execution which task, action and error; the exit code.

    `actions_of` gives the action executions of a task, with outputs; `where` says where a task stands.
    """
    state = execution["state"]
    if state == states.SUCCESS:
        click.echo(_pretty(execution["output"]))
        return 0
    sys.stdout.flush()
    if state == states.PAUSED:
        click.echo(f"PAUSED: {execution['state_info'] or 'by the workflow'}", err=True)
        click.echo(f"Go on with: mistral execution-update {execution['id']} -s RUNNING", err=True)
        return 1
    click.echo(_pretty(execution["output"]))
    click.secho(f"{state}: {_first_line(execution['state_info'] or '')}", fg="red", err=True)
    for task in tasks:
        if task["state"] == states.ERROR:
            for line in _failure(task, actions_of(task["id"]), where(task["name"])):
                click.echo(line, err=True)
    return 1


def _failure(task: Row, actions: list[Row], where: str) -> Iterable[str]:
    yield f"  task '{task['name']}'{where}"
    failed = [action for action in actions if action["state"] == states.ERROR]
    for action in failed[:3]:
        result = json.loads(action["output"]).get("result")
        yield f"    action {action['name']} {_one_line(action['input'])}"
        yield f"    error: {_one_line(result if isinstance(result, str) else json.dumps(result))}"
    if not failed:
        yield f"    error: {_one_line(task['state_info'] or '')}"


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]


def _one_line(text: str, limit: int = 300) -> str:
    flat = re.sub(r"\s+", " ", text).strip()
    return flat if len(flat) <= limit else f"{flat[:limit]}…"


def _pretty(document: str) -> str:
    return json.dumps(json.loads(document), indent=4, ensure_ascii=False)
