"""Random acyclic workflows: whatever the order in which actions end, the result is that of a tiny model."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

import pytest
from engine_worlds import Run, World
from hypothesis import given, settings
from hypothesis import strategies as st

Clause = Literal["on-success", "on-error", "on-complete"]
CLAUSES: tuple[Clause, ...] = ("on-success", "on-error", "on-complete")
LIKELY: tuple[Clause, ...] = ("on-success", "on-success", "on-complete", "on-error")
FIRES = {"SUCCESS": {"on-success", "on-complete"}, "ERROR": {"on-error", "on-complete"}}


class Task(NamedTuple):
    """A task: which earlier tasks lead to it by which clauses, its join, how its action ends."""

    name: str
    inbound: dict[str, tuple[Clause, ...]]
    join: str | int | None
    outcome: Literal["SUCCESS", "ERROR"]


@st.composite
def graphs(draw: st.DrawFn, partial_joins: bool = True) -> list[Task]:
    tasks: list[Task] = []
    for number in range(draw(st.integers(2, 9))):
        names = [task.name for task in tasks]
        wanted = draw(st.lists(st.sampled_from(names), max_size=4, unique=True)) if names else []
        is_join = len(wanted) > 1 or bool(wanted and draw(st.booleans()))
        most = 2 if is_join else 1
        clauses = st.lists(st.sampled_from(LIKELY), min_size=1, max_size=most, unique=True).map(tuple)
        join: str | int | None = None
        if is_join:
            counts: list[str | int] = [*range(1, len(wanted) + 1), "one"] if partial_joins else []
            join = draw(st.sampled_from(["all", *counts]))
        tasks.append(
            Task(
                f"t{number}",
                {name: draw(clauses) for name in sorted(wanted)},
                join,
                draw(st.sampled_from(["SUCCESS", "SUCCESS", "SUCCESS", "ERROR"])),
            )
        )
    return draw(st.permutations(tasks))


def text_of(tasks: list[Task]) -> str:
    lines = ["w:", "  tasks:"]
    for task in tasks:
        lines += [f"    {task.name}:", "      action: remote"]
        lines += [f"      {key}: {{{task.name}: 1}}" for key in ("publish", "publish-on-error")]
        if task.join is not None:
            lines.append(f"      join: {task.join}")
        for clause in CLAUSES:
            targets = [other.name for other in tasks if clause in other.inbound.get(task.name, ())]
            if targets:
                lines.append(f"      {clause}: [{', '.join(targets)}]")
    return "\n".join(lines)


class Expected(NamedTuple):
    """What the model says: the state of every task that comes to life, and of the workflow."""

    tasks: dict[str, str]
    workflow: str


def expected(tasks: list[Task]) -> Expected:
    """The model: tasks in topological order, each judged by those before it."""
    states: dict[str, str] = {}
    handled: set[str] = set()
    for task in sorted(tasks, key=lambda task: int(task.name[1:])):
        arrivals = 0
        for source, clauses in task.inbound.items():
            fired = FIRES[states[source]].intersection(clauses) if source in states else set()
            arrivals += bool(fired)
            if "on-error" in fired:
                handled.add(source)
        needed = task.join if isinstance(task.join, int) else 1
        if task.join == "all":
            needed = len(task.inbound)
        if not task.inbound or arrivals >= needed:
            states[task.name] = task.outcome
        elif arrivals:
            states[task.name] = "ERROR"
    failed = {name for name, state in states.items() if state == "ERROR"}
    return Expected(states, "ERROR" if failed - handled else "SUCCESS")


def complete(found: Run, tasks: list[Task], order: random.Random, restarts: bool = False) -> None:
    """End one open action after the other, in any order."""
    outcomes = {task.name: task.outcome for task in tasks}
    while found.state == "RUNNING":
        if restarts and order.random() < 0.3:
            found.world.restart()
        name = order.choice([task.name for task in found.tasks() if task.state == "RUNNING"])
        found.finish(name, name, outcomes[name])


@given(tasks=graphs(), order=st.randoms(use_true_random=False), steps=st.sampled_from([1, 2, 3, 200]))
@settings(max_examples=80, deadline=None)
def test_the_order_in_which_actions_end_does_not_matter(
    tasks: list[Task], order: random.Random, steps: int
) -> None:
    found = World(text_of(tasks), steps=steps, check_base=False).start()
    complete(found, tasks, order)
    assert Expected(found.states, found.state) == expected(tasks)
    assert len(found.names) == len(set(found.names))


@given(tasks=graphs(), order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_restarts_in_between_do_not_matter(tasks: list[Task], order: random.Random) -> None:
    found = World(text_of(tasks), steps=3).start()
    complete(found, tasks, order, restarts=True)
    assert Expected(found.states, found.state) == expected(tasks)
    found.world.check_replay_and_reload()


@given(tasks=graphs(partial_joins=False), order=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_everything_published_reaches_the_output(tasks: list[Task], order: random.Random) -> None:
    found = World(text_of(tasks), check_base=False).start()
    complete(found, tasks, order)
    assert isinstance(found.output, dict)
    seen = found.output.keys() - {"result"}
    assert seen <= set(found.names)
    if not any((task.state_info or "").startswith("Failed by tasks") for task in found.tasks()):
        assert seen == set(found.names)


@pytest.mark.parametrize("count", [40])
def test_a_long_ladder_of_joins(count: int) -> None:
    """Every step joins the two of the step before: contexts merge over and over and stay right."""
    lines = ["w:", "  tasks:"]
    for number in range(count):
        following = f"[l{number + 1}, r{number + 1}]" if number + 1 < count else "noop"
        for side in "lr":
            lines.append(f"    {side}{number}:")
            lines.append(f"      publish: {{{side}: {number}, all: {{{side}{number}: 1}}}}")
            lines.append(f"      on-success: {following}")
            if number:
                lines.append("      join: all")
    found = World("\n".join(lines), steps=7, check_base=False).start()
    assert found.state == "SUCCESS"
    assert (found.output["l"], found.output["r"]) == (count - 1, count - 1)
    assert found.output["all"] == {f"l{count - 1}": 1, f"r{count - 1}": 1}
    found.world.check_replay_and_reload()


def started(found: Run) -> list[str]:
    """All tasks but joins that failed for lack of triggers: a person who restarts these overrules that."""
    return [t.name for t in found.tasks() if not (t.state_info or "").startswith("Failed by tasks")]


@given(tasks=graphs(), order=st.randoms(use_true_random=False), reload=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_restart_from_any_task_ends_like_a_fresh_run(
    tasks: list[Task], order: random.Random, reload: bool
) -> None:
    found = World(text_of(tasks), steps=3).start()
    complete(found, tasks, order)
    for _ in range(3):
        if reload:
            found.world.restart()
        found.restart(order.choice(started(found)))
        found.world.check_replay_and_reload()
        complete(found, tasks, order, restarts=reload)
        assert Expected(found.states, found.state) == expected(tasks)
        assert len(found.names) == len(set(found.names))


@given(tasks=graphs(partial_joins=False), order=st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_a_restart_gives_the_output_of_a_fresh_run(tasks: list[Task], order: random.Random) -> None:
    found = World(text_of(tasks), check_base=False).start()
    complete(found, tasks, order)
    assert isinstance(found.output, dict)
    fresh = found.output.keys() - {"result"}
    found.restart(order.choice(started(found)))
    complete(found, tasks, order)
    if len(started(found)) == len(found.names):
        assert found.output.keys() - {"result"} == fresh == set(found.names)
