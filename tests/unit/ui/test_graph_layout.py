"""Where boxes and lines go: nothing overlaps, edges lead down but for loops, the same each time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maestrale.ui.graph import MARGIN, TWINS, Box, Layout, Node, lay_out
from maestrale.ui.layers import Pair

WIDTH, HEIGHT = 188.0, 62.0


def nodes(count: int) -> list[Node]:
    return [
        Node(f"t{number}", *((86.0, 26.0) if number % 7 == 3 else (WIDTH, HEIGHT))) for number in range(count)
    ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Node], list[Pair]]:
    count = draw(st.integers(1, 24))
    number = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(number, number), max_size=40, unique=True))
    return nodes(count), [(f"t{source}", f"t{target}") for source, target in pairs]


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.bottom
        and other.y < one.bottom
    )


def check(layout: Layout, given_nodes: Sequence[Node], edges: Sequence[Pair]) -> None:
    """What holds of every drawing."""
    assert list(layout.boxes) == [node.key for node in given_nodes]
    for node in given_nodes:
        assert layout.boxes[node.key][2:] == (node.width, node.height)
    for one, other in combinations(layout.boxes.values(), 2):
        assert not overlap(one, other), (one, other)
    for box in (*layout.boxes.values(), *layout.blocks):
        assert box.x >= MARGIN - 0.1
        assert box.y >= MARGIN - 0.1
        assert box.x + box.width <= layout.width
        assert box.bottom <= layout.height
    drawn = [pair for line in layout.lines for pair in line.pairs]
    assert sorted(drawn) == sorted(edges)
    for line in layout.lines:
        for source, target in line.pairs:
            is_down = layout.boxes[source].bottom < layout.boxes[target].y
            assert is_down is not line.is_loop, (source, target)
        if not line.is_loop:
            assert all(above[1] < below[1] for above, below in pairwise(line.points))


@settings(max_examples=120, deadline=None)
@given(graphs())
def test_any_graph(given_: tuple[list[Node], list[Pair]]) -> None:
    layout = lay_out(*given_)
    check(layout, *given_)
    assert lay_out(*given_) == layout


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_only_circles_have_loops(given_: tuple[list[Node], list[Pair]]) -> None:
    """Of edges that all lead from a task to a later one, none is a loop."""
    order = {node.key: number for number, node in enumerate(given_[0])}
    onward = [pair for pair in given_[1] if order[pair[0]] < order[pair[1]]]
    assert not any(line.is_loop for line in lay_out(given_[0], onward).lines)


def test_a_chain_stands_straight() -> None:
    layout = lay_out(nodes(3), [("t0", "t1"), ("t1", "t2")])
    assert len({box.middle for box in layout.boxes.values()}) == 1
    assert all(len({x for x, _ in line.points}) == 1 for line in layout.lines)


def test_a_line_does_not_run_through_boxes_between() -> None:
    """It has a place of its own in each row that it passes."""
    layout = lay_out(nodes(3), [("t0", "t1"), ("t1", "t2"), ("t0", "t2")])
    (line,) = [line for line in layout.lines if line.pairs == (("t0", "t2"),)]
    between = layout.boxes["t1"]
    assert len(line.points) == 4
    assert all(not between.x <= x <= between.x + between.width for x, _ in line.points[1:3])


def test_crossings_that_need_not_be() -> None:
    edges = [("t0", "t4"), ("t0", "t5"), ("t1", "t2"), ("t1", "t4")]
    layout = lay_out([Node(f"t{number}", WIDTH, HEIGHT) for number in range(6) if number != 3], edges)
    ends = sorted((line.points[0][0], line.points[-1][0]) for line in layout.lines)
    assert [end for _, end in ends] == sorted(end for _, end in ends)


def test_a_loop_back_and_one_to_itself() -> None:
    layout = lay_out(nodes(2), [("t0", "t1"), ("t1", "t0"), ("t1", "t1")])
    found = {line.pairs[0]: line for line in layout.lines}
    assert [found[pair].is_loop for pair in (("t0", "t1"), ("t1", "t0"), ("t1", "t1"))] == [False, True, True]
    back = found["t1", "t0"]
    assert back.points[0][1] > back.points[-1][1]
    assert back.points[0][0] != found["t0", "t1"].points[-1][0]


def test_twins_share_a_block_and_its_lines() -> None:
    """Three hundred tasks side by side are a block with one line in and one out."""
    names = [f"w{number}" for number in range(300)]
    given_nodes = [Node(name, WIDTH, HEIGHT) for name in ("begin", *names, "end")]
    edges = [("begin", name) for name in names] + [(name, "end") for name in names]
    layout = lay_out(given_nodes, edges)
    check(layout, given_nodes, edges)
    assert len(layout.lines) == 2
    assert len(layout.blocks) == 1
    assert layout.width < 2500


@pytest.mark.parametrize("count", [TWINS - 1, TWINS])
def test_few_twins_stand_by_themselves(count: int) -> None:
    given_nodes = [Node(f"w{number}", WIDTH, HEIGHT) for number in range(count)]
    assert len(lay_out(given_nodes, []).blocks) == (count >= TWINS)


def test_nothing_at_all() -> None:
    assert lay_out([], []) == Layout(MARGIN, MARGIN, {}, [], [])


@pytest.mark.parametrize("way", ["a chain with shortcuts to its end", "a net"])
def test_five_hundred_tasks_take_no_time(way: str) -> None:
    given_nodes = [Node(f"t{number}", WIDTH, HEIGHT) for number in range(500)]
    edges = [(f"t{number}", f"t{number + 1}") for number in range(499)]
    if way == "a net":
        edges = [
            (f"t{number - step}", f"t{number}")
            for number in range(500)
            for step in (1, 7, 23)
            if number >= step
        ]
    else:
        edges += [(f"t{number}", "t499") for number in range(498)]
    begun = time.process_time()
    layout = lay_out(given_nodes, edges)
    assert time.process_time() - begun < 3  # it takes some 0.3 s on a machine of 2024
    check(layout, given_nodes, edges)
