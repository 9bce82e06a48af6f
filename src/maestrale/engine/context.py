"""Branch variables: shared between tasks, rebuilt from lineage, merged where branches meet.

A context is a few layers of what was published, newest first. Layers of like size are melted together,
so that publishing costs O(log n) amortised and a look-up visits O(log n) layers (the idea of
log-structured merging). Every leaf path carries a version, the number of times it was published along
the branch; where branches meet, the higher version wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from maestrale.model.values import Json

Versions = dict[str, int]


class Context(Mapping[str, Json]):
    """The variables that one branch has published so far. Immutable."""

    __slots__ = ("_layers", "_versions", "steps")

    def __init__(
        self,
        layers: tuple[dict[str, Json], ...] = (),
        versions: tuple[Versions, ...] = (),
        steps: int = 0,
    ) -> None:
        self._layers = layers
        self._versions = versions
        self.steps = steps
        """How many publications it is away from the last checkpoint (or from empty)."""

    def __getitem__(self, key: str) -> Json:
        for layer in self._layers:
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self._layers)

    def __iter__(self) -> Iterator[str]:
        if len(self._layers) == 1:
            return iter(self._layers[0])
        return iter(self.flat())

    def __len__(self) -> int:
        if len(self._layers) == 1:
            return len(self._layers[0])
        return len(self.flat())

    def flat(self) -> dict[str, Json]:
        """All variables in one new dictionary (values are shared)."""
        return _flatten(self._layers)

    def flat_versions(self) -> Versions:
        """The version of every leaf path ever published along the branch."""
        return _flatten(self._versions)

    def version(self, path: str) -> int:
        """How often `path` (keys joined by dots) was published along the branch."""
        for layer in self._versions:
            if path in layer:
                return layer[path]
        return 0

    def publish(self, published: dict[str, Json] | None, *, deep: bool = False) -> Context:
        """The context after a task that published these variables.

        Top-level names are replaced, or (`deep`) maps are merged with what was there.
        """
        if not published:
            return self
        bumps: Versions = {}
        for path in leaf_paths(published):
            bumps[path] = self.version(path) + 1
        if deep:
            published = merge_maps({name: self[name] for name in published if name in self}, published)
        return Context(_push(published, self._layers), _push(bumps, self._versions), self.steps + 1)

    def checkpoint(self) -> Context:
        """The same context, counted as freshly stored."""
        return Context(self._layers, self._versions, 0)


EMPTY = Context()


def _push(new: dict[str, Any], layers: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    rest = list(layers)
    while rest and len(rest[0]) <= 2 * len(new):
        new = {**rest.pop(0), **new}
    return (new, *rest)


def _flatten(layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged.update(layer)
    return merged


def leaf_paths(published: dict[str, Json], prefix: str = "") -> Iterator[str]:
    """Dotted paths of everything in nested maps that is not itself a (non-empty) map."""
    for key, value in published.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from leaf_paths(value, f"{path}.")
        else:
            yield path


def merge(contexts: Sequence[Context], *, versioned: bool = True) -> Context:
    """One context out of several branches; on equal versions the later in the sequence wins.

    The caller orders the branches by the time at which they ended, then by definition order. Without
    versions the later branch always wins.
    """
    distinct: list[Context] = []
    for context in contexts:
        if not distinct or context is not distinct[-1]:
            distinct.append(context)
    if len(distinct) <= 1:
        return distinct[0] if distinct else EMPTY
    values = distinct[0].flat()
    versions = distinct[0].flat_versions()
    for other in distinct[1:]:
        other_versions = other.flat_versions()
        if versioned:
            _merge_into(values, other.flat(), versions, other_versions, "")
        else:
            values = merge_maps(values, other.flat())
        for path, version in other_versions.items():
            if version > versions.get(path, 0):
                versions[path] = version
    return Context((values,), (versions,), max(context.steps for context in distinct) + 1)


def _merge_into(
    left: dict[str, Json],
    right: dict[str, Json],
    left_versions: Versions,
    right_versions: Versions,
    prefix: str,
) -> None:
    for key, value in right.items():
        if key not in left:
            left[key] = value
            continue
        mine = left[key]
        if mine is value:
            continue
        path = f"{prefix}{key}"
        if isinstance(mine, dict) and isinstance(value, dict):
            copied = dict(mine)
            _merge_into(copied, value, left_versions, right_versions, f"{path}.")
            left[key] = copied
        elif right_versions.get(path, 0) >= left_versions.get(path, 0):
            left[key] = value


def merge_maps(left: Mapping[str, Json], right: Mapping[str, Json]) -> dict[str, Json]:
    """`right` laid over `left`, maps recursively, everything else replaced. Neither is changed."""
    merged = dict(left)
    for key, value in right.items():
        mine = merged.get(key)
        merged[key] = merge_maps(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return merged
