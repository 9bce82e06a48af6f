"""`maestrale simulate`: the engine under faults that a seed chooses, on a virtual clock."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec

from maestrale.simulation import STEPS

if TYPE_CHECKING:
    from maestrale.simulation.simulate import Report

_SHOWN: Final = {
    "crash": "crashes",
    "stall": "stalls",
    "takeover": "takeovers",
    "answer lost": "lost answers",
    "doubled": "doubled results",
    "asked": "commands",
}


@click.command("simulate")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True,
              help="How many seeds, one after the other.")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=STEPS, show_default=True,
              help="Steps of each history, before everything is brought to its end.")  # fmt: skip
@click.option("-f", "--format", "form", type=click.Choice(["text", "json"]), default="text")
def simulate_command(seed: int, seeds: int, steps: int, form: str) -> None:
    """Run random workflows through crashes, lost answers and doubled results, and check every promise.

    Nothing is stored, and no real time passes in it: two engines on a virtual clock and a database in memory.
    The same seed and steps tell the same history, step by step. Exits with 1 if a promise was broken.
    """
    from maestrale.simulation.simulate import simulate  # it would delay every other command

    broken = 0
    for number in range(seed, seed + seeds):
        report = simulate(number, steps)
        click.echo(msgspec.json.encode(report).decode() if form == "json" else _line(report))
        broken += report.violation is not None
    if seeds > 1 and form == "text":
        click.echo(f"{seeds} histories, {broken} with a broken promise")
    sys.exit(1 if broken else 0)


def _line(report: Report) -> str:
    counts = {"workflows": report.executions, "commits": report.commits}
    counts |= {word: report.counts[kind] for kind, word in _SHOWN.items() if kind in report.counts}
    events = ", ".join(f"{word} {count:,}" for word, count in counts.items())
    text = f"seed {report.seed}: {report.steps:,} steps ({events}), trace {report.trace}"
    if report.violation is None:
        return f"{text}: every promise kept, {report.compared} ends compared with an undisturbed run"
    return f"{text}\nBROKEN at {report.violation}"
