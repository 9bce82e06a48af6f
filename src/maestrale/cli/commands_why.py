"""`why`: what an execution, a task or an action waits for, or of what it failed, as an indented text."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from maestrale.cli.commands import Fields, Given, Row, Section
from maestrale.cli.commands_arguments import IDENTIFIER
from maestrale.client.errors import NotFound

if TYPE_CHECKING:
    from maestrale.client.results import Explanation
    from maestrale.client.sync import Client


def explanation(client: Client, identifier: str) -> Explanation:
    """Why the execution, task or action execution with this id is where it is. Raises `NotFound`."""
    for ask in (client.executions.why, client.tasks.why, client.action_executions.why):
        with contextlib.suppress(NotFound):
            return ask(identifier)
    raise NotFound(404, f"No execution, task or action execution has the id {identifier}")


def lines(answer: Fields) -> Iterator[str]:
    """The explanation for a person."""
    yield from _tree(answer["why"], 0)
    when = answer["next"]["at"]
    yield ""
    yield f"Next: {answer['next']['text']}" + (f" at {when} UTC" if when else "")


def _tree(node: dict[str, Any], depth: int) -> Iterator[str]:
    title = " ".join(str(node[key]) for key in ("kind", "name", "id", "state") if node[key])
    times = [f"{word} {node[key]}" for word, key in (("since", "since"), ("until", "until")) if node[key]]
    indent = "  " * depth
    if node["kind"] == "more":
        yield f"{indent}… {node['text']}"
        return
    yield indent + title + (f" ({', '.join(times)})" if times else "")
    yield f"{indent}  {node['text']}"
    for child in node["children"]:
        yield from _tree(child, depth + 1)


@dataclass(kw_only=True, eq=False, repr=False)
class WhyRow(Row):
    """Prints an explanation."""

    output_options: ClassVar[tuple[click.Option, ...]] = (
        click.Option(
            ("-f", "--format", "output_format"),
            type=click.Choice(("text", "json")),
            default="text",
            show_default=True,
            help="Form of the output.",
        ),
    )

    def run(self, client: Client, given: Given) -> None:
        answer = explanation(client, given["identifier"]).raw
        if given["output_format"] == "json":
            sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in lines(answer))


SECTION: Final = Section(
    "Diagnosis",
    (
        WhyRow(
            name="why",
            help="Say what an execution, task or action waits for. For failed ones: of what they failed.",
            arguments=(IDENTIFIER,),
        ),
    ),
)
SECTIONS: Final = (SECTION,)
