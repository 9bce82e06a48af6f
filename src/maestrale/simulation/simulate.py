"""One whole simulation: a history, its end, and everything that must hold then."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import Connection, select

from maestrale.simulation import STEPS
from maestrale.simulation.checks import Violation
from maestrale.simulation.folding import check_fold
from maestrale.simulation.undisturbed import compare_with_undisturbed
from maestrale.simulation.world import SOME_FAULTS, Faults, World
from maestrale.store.tables import execution_heads


class Report(msgspec.Struct, frozen=True):
    """What happened. `trace` is a hash of the whole history: the same seed gives the same one.

    `violation` is None if every promise was kept. `compared`: roots that came to the same as undisturbed.
    """

    seed: int
    steps: int
    trace: str
    executions: int
    commits: int
    compared: int
    counts: dict[str, int]
    violation: str | None = None


def simulate(seed: int, steps: int = STEPS, *, faults: Faults = SOME_FAULTS, engines: int = 2) -> Report:
    """Let a history of `steps` steps happen, bring everything to its end, and check what came of it."""
    with _quiet():
        world = World(seed, faults=faults, engines=engines)
        violation, compared = None, 0
        try:
            for _ in range(steps):
                world.take_step()
            world.bring_to_an_end()
            _check_folds(world)
            compared = compare_with_undisturbed(world)
        except Violation as broken:
            violation = f"step {world.steps}: {broken}"
        finally:
            world.close()
    return Report(
        seed=seed,
        steps=world.steps,
        trace=world.trace.hexdigest(),
        executions=len(world.people.roots),
        commits=world.checks.commits,
        compared=compared,
        counts=world.counts,
        violation=violation,
    )


def _check_folds(world: World) -> None:
    """Every execution follows from its decision records."""
    process = world.processes[0]
    for execution_id in world.disk.read(_all_executions):
        check_fold(
            world.disk.read,
            execution_id,
            process.engine.programs,
            process.registry,
            world.limits,
        )


def _all_executions(connection: Connection) -> list[str]:
    return list(connection.execute(select(execution_heads.c.id).order_by(execution_heads.c.id)).scalars())


@contextmanager
def _quiet() -> Iterator[None]:
    """The faults are wanted; nobody has to be warned of them."""
    logger = logging.getLogger("maestrale")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
