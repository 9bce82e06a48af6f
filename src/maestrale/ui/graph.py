"""Where the boxes and lines of a graph go: rows from top to bottom, edges downwards but for loops.

Lengths are in CSS pixels; x grows to the right, y downwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from maestrale.ui.layers import Chain, Pair, layers, neighbours

MARGIN: Final = 20.0
ROW_GAP: Final = 58.0
GAP: Final = 28.0
"""Between rows, where labels stand, and between boxes of a row."""

LANE: Final = 14.0
"""Width of the place of a line between boxes."""

PORTS: Final = 16.0
"""Between the ends of two lines at one box, at most."""

INNER: Final = 12.0
COLUMNS: Final = 10
"""Between the boxes of a block, and how many stand side by side in it."""

TWINS: Final = 8
"""From so many boxes on that hang together with the same others, they share a block and its lines."""

ROUNDS: Final = 4

Point = tuple[float, float]


class Node(NamedTuple):
    """What is to be drawn as a box of this size."""

    key: str
    width: float
    height: float


class Box(NamedTuple):
    """Where a box is: its upper left corner, and its size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of the middle."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """The y of the lower edge."""
        return self.y + self.height


class Line(NamedTuple):
    """The line of edges, from the first to the last of its points; it stands upright at each of them.

    `pairs`: the edges that share it. `is_loop`: it leads up, or from a box to itself.
    """

    pairs: tuple[Pair, ...]
    points: tuple[Point, ...]
    is_loop: bool


class Layout(NamedTuple):
    """A drawing. `blocks`: frames around boxes that share their lines."""

    width: float
    height: float
    boxes: dict[str, Box]
    blocks: list[Box]
    lines: list[Line]


class _Groups(NamedTuple):
    """What takes a place as one: the members of each, and of which one each node is."""

    members: dict[str, list[Node]]
    of: dict[str, str]


def lay_out(nodes: Sequence[Node], edges: Sequence[Pair]) -> Layout:
    """A drawing of a graph. Edges are distinct and lead from one of the nodes to one of them."""
    groups = _grouped(nodes, edges)
    shared: dict[Pair, list[Pair]] = {}
    for source, target in edges:
        shared.setdefault((groups.of[source], groups.of[target]), []).append((source, target))
    found = layers(list(groups.members), [pair for pair in shared if pair[0] != pair[1]])
    frames = _placed(found.rows, found.chains, {key: _size(group) for key, group in groups.members.items()})
    boxes: dict[str, Box] = {}
    blocks = []
    for key, members in groups.members.items():
        if len(members) > 1:
            blocks.append(frames[key])
        boxes |= _inside(frames[key], members)
    lines = _lines(found.chains, frames, shared)
    lines += [
        _to_itself(frames[source], pairs) for (source, target), pairs in shared.items() if source == target
    ]
    ends = [(frame.x + frame.width, frame.bottom) for frame in frames.values()]
    ends += [point for line in lines for point in line.points]
    right, bottom = (max((end[axis] for end in ends), default=0.0) for axis in (0, 1))
    return Layout(
        right + MARGIN, bottom + MARGIN, {node.key: boxes[node.key] for node in nodes}, blocks, lines
    )


def _grouped(nodes: Sequence[Node], edges: Sequence[Pair]) -> _Groups:
    """Twins together, everything else by itself."""
    before: dict[str, list[str]] = {node.key: [] for node in nodes}
    behind: dict[str, list[str]] = {node.key: [] for node in nodes}
    for source, target in edges:
        before[target].append(source)
        behind[source].append(target)
    alike: dict[tuple[object, ...], list[Node]] = {}
    for node in nodes:
        key = node.key
        itself = key if key in behind[key] else ""
        others = frozenset(before[key]), frozenset(behind[key])
        alike.setdefault((itself, node.width, node.height, *others), []).append(node)
    members: dict[str, list[Node]] = {}
    for twins in alike.values():
        if len(twins) >= TWINS:
            members[twins[0].key] = twins
        else:
            members |= {node.key: [node] for node in twins}
    order = {node.key: number for number, node in enumerate(nodes)}
    members = dict(sorted(members.items(), key=lambda item: order[item[0]]))
    return _Groups(members, {node.key: key for key, twins in members.items() for node in twins})


def _size(members: Sequence[Node]) -> Point:
    first = members[0]
    if len(members) == 1:
        return first.width, first.height
    columns = min(COLUMNS, len(members))
    rows = -(-len(members) // columns)
    return columns * (first.width + INNER) + INNER, rows * (first.height + INNER) + INNER


def _inside(frame: Box, members: Sequence[Node]) -> dict[str, Box]:
    if len(members) == 1:
        return {members[0].key: frame}
    boxes = {}
    for number, node in enumerate(members):
        row, column = divmod(number, min(COLUMNS, len(members)))
        x = frame.x + INNER + column * (node.width + INNER)
        boxes[node.key] = Box(x, frame.y + INNER + row * (node.height + INNER), node.width, node.height)
    return boxes


def _placed(
    rows: Sequence[Sequence[str]], chains: Sequence[Chain], sizes: Mapping[str, Point]
) -> dict[str, Box]:
    """Frames for all nodes and places."""
    before, behind = neighbours(chains)
    widths = {name: sizes[name][0] if name in sizes else LANE for row in rows for name in row}
    middles = dict.fromkeys(widths, 0.0)
    for row in rows:
        x = 0.0
        for name in row:
            middles[name] = x + widths[name] / 2
            x += widths[name] + GAP
        for name in row:
            middles[name] -= x / 2
    for turn in range(ROUNDS):
        near = behind if turn % 2 else before
        for row in reversed(rows) if turn % 2 else rows:
            wanted = []
            for name in row:
                found = [middles[other] for other in near.get(name, ())]
                wanted.append(sum(found) / len(found) if found else middles[name])
            for name, x in zip(row, _apart(wanted, [widths[name] for name in row]), strict=True):
                middles[name] = x
    left = min((middles[name] - widths[name] / 2 for name in widths), default=0.0)
    frames = {}
    y = MARGIN
    for row in rows:
        height = max(sizes[name][1] for name in row if name in sizes)
        for name in row:
            own = sizes[name][1] if name in sizes else height
            x = round(middles[name] - widths[name] / 2 - left + MARGIN, 1)
            frames[name] = Box(x, y + (height - own) / 2, widths[name], own)
        y += height + ROW_GAP
    return frames


def _apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Middles as near as possible to those wanted (least squares), in the same order and without overlap."""
    offsets = [0.0]
    for left, right in itertools.pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP)
    runs: list[tuple[float, int]] = []  # sum and count of what has to move together
    for goal, offset in zip(wanted, offsets, strict=False):
        total, count = goal - offset, 1
        while runs and runs[-1][0] / runs[-1][1] > total / count:
            total, count = total + runs[-1][0], count + runs[-1][1]
            runs.pop()
        runs.append((total, count))
    starts = [total / count for total, count in runs for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=False)]


def _lines(
    chains: Sequence[Chain], frames: Mapping[str, Box], shared: Mapping[Pair, list[Pair]]
) -> list[Line]:
    leaving: dict[str, list[int]] = {}
    coming: dict[str, list[int]] = {}
    for number, chain in enumerate(chains):
        leaving.setdefault(chain.way[0], []).append(number)
        coming.setdefault(chain.way[-1], []).append(number)
    starts = _ports(leaving, {n: chain.way[1] for n, chain in enumerate(chains)}, frames)
    ends = _ports(coming, {n: chain.way[-2] for n, chain in enumerate(chains)}, frames)
    lines = []
    for number, chain in enumerate(chains):
        first, last = frames[chain.way[0]], frames[chain.way[-1]]
        points: list[Point] = [(starts[number], first.bottom)]
        for place in chain.way[1:-1]:
            frame = frames[place]
            points += [(frame.middle, frame.y), (frame.middle, frame.bottom)]
        points.append((ends[number], last.y))
        if chain.is_turned:
            points.reverse()
        lines.append(Line(tuple(shared[chain.source, chain.target]), tuple(points), chain.is_turned))
    return lines


def _ports(
    at: Mapping[str, list[int]], other: Mapping[int, str], frames: Mapping[str, Box]
) -> dict[int, float]:
    """Where lines touch a box, in the order of what they lead to."""
    found = {}
    for name, numbers in at.items():
        frame = frames[name]
        numbers = sorted(numbers, key=lambda number: frames[other[number]].middle)
        step = min(PORTS, frame.width * 0.8 / len(numbers))
        for place, number in enumerate(numbers):
            found[number] = round(frame.middle + (place - (len(numbers) - 1) / 2) * step, 1)
    return found


def _to_itself(frame: Box, pairs: list[Pair]) -> Line:
    right, out = frame.x + frame.width, frame.x + frame.width + GAP * 0.7
    points = ((right - 10, frame.bottom), (out, frame.y + frame.height / 2), (right - 10, frame.y))
    return Line(tuple(pairs), points, True)
