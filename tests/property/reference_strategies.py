"""Random workflows for the reference model: joins in joins, loops, policies, items, sub-workflows."""

from __future__ import annotations

from hypothesis import strategies as st
from reference_graphs import Clause, End, Expression, Next, Retry, Task, Workflows

LIKELY: tuple[Clause, ...] = ("on-success", "on-success", "on-success", "on-complete", "on-error", "on-skip")
FALSE, TRUE = Expression("constant", False), Expression("constant", True)
results = st.integers(0, 3)


@st.composite
def values(draw: st.DrawFn, name: str) -> dict[str, Expression]:
    """What a task may publish: names that others publish too, its own, maps, counters, its result."""
    choices = {
        "shared": st.just(Expression("constant", name)),
        name: st.just(Expression("constant", 1)),
        "map": st.just(Expression("constant", {name: 1, "who": name})),
        "count": st.just(Expression("one more", "count")),
        "copy": st.sampled_from([Expression("variable", v) for v in ("shared", "count", "seen", "map")]),
        "own": st.just(Expression("result")),
    }
    names = draw(st.lists(st.sampled_from(list(choices)), max_size=3, unique=True))
    return {key: draw(choices[key]) for key in names}


def conditions() -> st.SearchStrategy[Expression]:
    return st.one_of(
        st.booleans().map(lambda value: Expression("constant", value)),
        results.map(lambda value: Expression("result is", value)),
        st.integers(1, 3).map(lambda limit: Expression("below", "count", limit)),
        results.map(lambda value: Expression("variable is", "seen", value)),
    )


def maybe(strategy: st.SearchStrategy, chance: int = 4, absent: object = None) -> st.SearchStrategy:
    """A value of the strategy once in so many times."""
    return st.integers(1, chance).flatmap(lambda number: strategy if number == chance else st.just(absent))


retries = st.builds(
    Retry, st.integers(0, 3), st.integers(0, 2), maybe(conditions(), 3), maybe(conditions(), 3)
)


@st.composite
def tasks(draw: st.DrawFn, name: str, bodies: tuple[str, ...]) -> Task:
    """A task without its place in a graph."""
    body = draw(st.sampled_from(bodies))
    items = draw(maybe(st.integers(0, 4), 4)) if body in ("remote", "sub") else None
    if body == "sub" and items is not None:
        items = min(items, 2)
    publish = {state: draw(values(name)) for state in ("SUCCESS", "ERROR", "SKIPPED")}
    of_all = {
        s: {"seen": Expression("result")} for s in ("SUCCESS", "ERROR") if draw(maybe(st.just(True), 6))
    }
    return Task(
        name,
        body,  # type: ignore[arg-type]
        items=items,
        concurrency=draw(st.integers(0, 2)) if items is not None else 0,
        retry=draw(maybe(retries, 3)),
        fail_on=draw(maybe(conditions(), 6)),
        timeout=draw(maybe(st.integers(1, 6), 5, 0)),
        wait_before=draw(maybe(st.integers(1, 3), 5, 0)),
        wait_after=draw(maybe(st.integers(1, 3), 5, 0)),
        publish={state: variables for state, variables in publish.items() if variables},
        publish_global=of_all,
    )


@st.composite
def graphs(draw: st.DrawFn, most: int, bodies: tuple[str, ...], several: bool) -> list[Task]:
    """A graph of up to `most` tasks. `several`: tasks upstream of a join may have several executions."""
    found: list[Task] = []
    repeated: set[str] = set()
    for number in range(draw(st.integers(1, most))):
        task = draw(tasks(f"t{number}", bodies))
        earlier = [other.name for other in found]
        sources = draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        is_join = len(sources) > 1 and (draw(st.integers(1, 5)) > 1)
        if is_join and not several and repeated.intersection(sources):
            is_join = False
        if is_join or (sources and not repeated.intersection(sources) and draw(st.integers(1, 6)) == 6):
            join = draw(st.sampled_from(["all", "all", "one", *range(1, len(sources) + 1)]))
            task = task._replace(join=join)
        elif len(sources) > 1 or repeated.intersection(sources):
            repeated.add(task.name)
        found.append(task)
        for source in sources:
            clauses = draw(st.lists(st.sampled_from(LIKELY), min_size=1, max_size=2, unique=True))
            if not task.join and len(clauses) > 1:
                repeated.add(task.name)
            for clause in clauses:
                add(found, source, clause, Next(task.name, draw(maybe(conditions(), 5))))
        if sources and not task.join and not draw(st.integers(0, 7)):
            loop(found, task.name, draw(st.sampled_from([task.name, *sources])))
            if not several:
                repeated |= {other.name for other in found}
            else:
                repeated.add(task.name)
    for task in list(found):
        command = draw(maybe(st.sampled_from(["noop", "noop", "fail", "succeed"]), 9))
        if command:
            clause = draw(st.sampled_from(LIKELY))
            add(found, task.name, clause, Next(command, draw(maybe(conditions(), 3))))
    return draw(st.permutations(found))


def add(found: list[Task], source: str, clause: Clause, entry: Next) -> None:
    for index, task in enumerate(found):
        if task.name == source:
            clauses = {**task.clauses, clause: (*task.clauses.get(clause, ()), entry)}
            found[index] = task._replace(clauses=clauses)


def loop(found: list[Task], source: str, target: str) -> None:
    """Lead back from a task to an earlier one, or to itself, for a few rounds; never into a join."""
    aim = next(task for task in found if task.name == target)
    if aim.join or not any(e.target == target for t in found for c in t.clauses.values() for e in c):
        return
    add(found, source, "on-complete", Next(target, Expression("below", "rounds", 3)))
    for index, task in enumerate(found):
        if task.name == source:
            more = {"rounds": Expression("one more", "rounds")}
            publish = {state: {**task.publish.get(state, {}), **more} for state in ("SUCCESS", "ERROR")}
            found[index] = task._replace(publish={**task.publish, **publish})


@st.composite
def workflows(draw: st.DrawFn, several: bool = False) -> Workflows:
    main = draw(graphs(8, ("remote", "remote", "remote", "noop", "fail", "sub"), several))
    return {"main": main, "sub": draw(graphs(3, ("remote", "remote", "noop"), False))}


ends = st.builds(
    End,
    st.sampled_from(["SUCCESS"] * 5 + ["ERROR"] * 3),
    results,
    st.integers(0, 5),
) | st.builds(End, st.sampled_from(["SUCCESS", "CANCELLED"]), results, st.integers(1, 3))
scripts = st.lists(ends, min_size=1, max_size=12)
