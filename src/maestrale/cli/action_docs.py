"""`maestrale action-docs`: a reference of the actions that are installed here, from their own words."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from maestrale.actions.base import Action
from maestrale.cli.local_options import config_option, configure_log, load_settings
from maestrale.model.actions import REQUIRED, ActionFacts, Parameter
from maestrale.wiring import action_registry


@click.command("action-docs")
@click.argument("names", nargs=-1)
@config_option
def action_docs(names: tuple[str, ...], config_file: Path | None) -> None:
    """Print a page in Markdown about the installed actions, all or those of NAMES.

    What it says comes from signatures and docstrings. Ad-hoc and dynamic actions are not in it: those are
    in a database.
    """
    settings = load_settings({}, config_file)
    configure_log(settings)
    registry = action_registry(settings)
    registry.plugins.load()
    pages = {
        action.name: _page(action.facts, action.input_text, action.description, _types(action))
        for action in registry
    }
    for provided in registry.plugins.provided():
        facts = ActionFacts(
            provided.name,
            provided.parameters,
            provided.takes_any,
            waits_outside=provided.waits_outside,
        )
        pages.setdefault(provided.name, _page(facts, provided.input, provided.description, {}))
    for name in names:
        if name not in pages:
            near = registry.suggestions(name)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise click.ClickException(f"There is no installed action '{name}'{hint}")
    click.echo("\n\n".join(pages[name] for name in (names or sorted(pages))))


def _types(action: object) -> dict[str, str]:
    """What the signature of a native action says about its parameters, as its author wrote it."""
    if not isinstance(action, Action):
        return {}
    return {
        name: inspect.formatannotation(parameter.annotation).strip("'")
        for name, parameter in inspect.signature(action.function).parameters.items()
        if parameter.annotation is not parameter.empty
    }


def _page(facts: ActionFacts, shown_input: str, description: str, types: dict[str, str]) -> str:
    parts = [f"## {facts.name}", f"`{facts.name}({shown_input})`"]
    if description:
        parts.append(description)
    if facts.parameters:
        parts.append("\n".join(_table(facts.parameters, types)))
    notes = list(_notes(facts))
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def _table(parameters: Iterable[Parameter], types: dict[str, str]) -> Iterator[str]:
    yield "| Parameter | Type | Default |"
    yield "|---|---|---|"
    for parameter in parameters:
        kind = types.get(parameter.name, "").replace("|", "\\|")
        yield f"| `{parameter.name}` | {f'`{kind}`' if kind else 'any'} | {_default(parameter)} |"


def _default(parameter: Parameter) -> str:
    if parameter.default is REQUIRED:
        return "must be given"
    try:
        return f"`{json.dumps(parameter.default)}`"
    except (TypeError, ValueError):
        return f"`{parameter.default!r}`"


def _notes(facts: ActionFacts) -> Iterator[str]:
    if facts.takes_any:
        yield "It takes any other parameters as well."
    if facts.waits_outside:
        yield "It stays RUNNING until its result is reported through the API."
    if facts.repeatable:
        yield "It may be repeated: after a crash it runs again."
    if facts.secrets:
        yield f"Kept secret: {', '.join(f'`{name}`' for name in sorted(facts.secrets))}."
    if facts.heartbeat:
        yield f"It fails when it says nothing for {facts.heartbeat:g} seconds."
