"""Which row of a drawing each node of a graph belongs to, and in which order the nodes of a row stand.

A layered drawing: edges that would close a circle are turned round, the others lead from a row to a later
one. Long edges take a place of their own in each row between. Everything is decided by the order in which
nodes and edges are given, so the same graph is always drawn in the same way.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

Pair = tuple[str, str]

MOST_PLACES: Final = 3000
"""Places that long edges may take in all; what is longer still goes straight through."""

SWEEPS: Final = 8
ENOUGH: Final = 2
"""How often the order of rows is improved, and after how many tries in vain no more."""


class Chain(NamedTuple):
    """The way of an edge through the rows, downwards. `is_turned`: the edge leads up."""

    source: str
    target: str
    way: tuple[str, ...]
    is_turned: bool


class Layers(NamedTuple):
    """Rows of nodes and of places, both by their names, and the ways of edges through them."""

    rows: list[list[str]]
    chains: list[Chain]


def layers(nodes: Sequence[str], edges: Sequence[Pair]) -> Layers:
    """Rows for these nodes. Edges are distinct and lead from one of the nodes to another one."""
    turned = _closing(nodes, edges)
    downwards = [
        (target, source) if (source, target) in turned else (source, target) for source, target in edges
    ]
    ranks = _ranks(nodes, downwards)
    rows: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for node in nodes:
        rows[ranks[node]].append(node)
    chains = _chains(edges, downwards, ranks, rows)
    return Layers(_ordered(rows, chains), chains)


def _closing(nodes: Sequence[str], edges: Sequence[Pair]) -> set[Pair]:
    """Edges that lead back to where a walk comes from; without them there is no circle."""
    onward: dict[str, list[str]] = {node: [] for node in nodes}
    entered = set()
    for source, target in edges:
        onward[source].append(target)
        entered.add(target)
    starts = [node for node in nodes if node not in entered]
    found: set[Pair] = set()
    done: set[str] = set()
    for start in (*starts, *nodes):
        if start in done:
            continue
        walk: dict[str, Iterator[str]] = {start: iter(onward[start])}
        while walk:
            node, others = next(reversed(walk.items()))
            other = next(others, None)
            if other is None:
                done.add(node)
                del walk[node]
            elif other in walk:
                found.add((node, other))
            elif other not in done:
                walk[other] = iter(onward[other])
    return found


def _ranks(nodes: Sequence[str], edges: Sequence[Pair]) -> dict[str, int]:
    """The length of the longest way to each node."""
    onward: dict[str, list[str]] = {node: [] for node in nodes}
    missing = dict.fromkeys(nodes, 0)
    for source, target in edges:
        onward[source].append(target)
        missing[target] += 1
    ranks = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not missing[node]]
    for node in ready:
        for other in onward[node]:
            ranks[other] = max(ranks[other], ranks[node] + 1)
            missing[other] -= 1
            if not missing[other]:
                ready.append(other)
    return ranks


def _chains(
    edges: Sequence[Pair], downwards: Sequence[Pair], ranks: Mapping[str, int], rows: list[list[str]]
) -> list[Chain]:
    """The ways of all edges; places for them are added to the rows, for the shortest ones first."""
    spans = [ranks[lower] - ranks[upper] - 1 for upper, lower in downwards]
    room = MOST_PLACES
    with_places = set()
    for number in sorted(range(len(edges)), key=spans.__getitem__):
        room -= spans[number]
        if room < 0:
            break
        with_places.add(number)
    chains = []
    for number, (edge, (upper, lower)) in enumerate(zip(edges, downwards, strict=True)):
        places = []
        if number in with_places:
            for rank in range(ranks[upper] + 1, ranks[lower]):
                place = f"\0{number} {rank}"  # no task is called like this
                rows[rank].append(place)
                places.append(place)
        chains.append(Chain(*edge, (upper, *places, lower), edge != (upper, lower)))
    return chains


def neighbours(chains: Sequence[Chain]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """What stands before and behind each node and place on the ways of edges."""
    before: dict[str, list[str]] = {}
    behind: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in zip(chain.way, chain.way[1:], strict=False):
            before.setdefault(lower, []).append(upper)
            behind.setdefault(upper, []).append(lower)
    return before, behind


def _ordered(rows: list[list[str]], chains: Sequence[Chain]) -> list[list[str]]:
    """The rows in an order with few crossings: each follows the middle of its neighbours, down and up."""
    before, behind = neighbours(chains)
    best, fewest, failures = [list(row) for row in rows], _crossings(rows, behind), 0
    for sweep in range(SWEEPS):
        if not fewest or failures >= ENOUGH:
            break
        if sweep % 2 == 0:
            for above, row in itertools.pairwise(rows):
                _sort_row(row, before, above)
        else:
            for row, below in reversed(list(itertools.pairwise(rows))):
                _sort_row(row, behind, below)
        crossings = _crossings(rows, behind)
        if crossings < fewest:
            best, fewest, failures = [list(row) for row in rows], crossings, 0
        else:
            failures += 1
    return best


def _sort_row(row: list[str], near: Mapping[str, list[str]], other: list[str]) -> None:
    """Sort a row by what its nodes hang together with in a row beside it."""
    places = {name: place for place, name in enumerate(other)}
    middle = {}
    for place, node in enumerate(row):
        found = [places[name] for name in near.get(node, ()) if name in places]
        middle[node] = sum(found) / len(found) if found else place * len(other) / len(row)
    row.sort(key=middle.__getitem__)


def _crossings(rows: Sequence[Sequence[str]], behind: Mapping[str, list[str]]) -> int:
    """How often edges between neighbouring rows cross."""
    count = 0
    for row, following in itertools.pairwise(rows):
        places = {name: place for place, name in enumerate(following)}
        passed: list[int] = []
        for node in row:
            targets = sorted(places[name] for name in behind.get(node, ()) if name in places)
            count += sum(len(passed) - bisect_right(passed, target) for target in targets)
            for target in targets:
                insort(passed, target)
    return count
