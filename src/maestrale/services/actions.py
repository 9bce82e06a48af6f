"""Use cases of actions: what tasks can call."""

from __future__ import annotations

import operator
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final

from maestrale.actions.registry import AnyAction, Registry
from maestrale.model.errors import NotFound
from maestrale.model.listing import Filter, Listing, Row, Shape, SortKey
from maestrale.services.access import Caller, authorise
from maestrale.store.selection import Kind, check_operator, value_of

FIELDS: Final = (
    "id",
    "name",
    "is_system",
    "input",
    "description",
    "tags",
    "definition",
    "scope",
    "project_id",
    "created_at",
    "updated_at",
    "namespace",
)
KINDS: Final[dict[str, Kind]] = {
    "name": "text",
    "input": "text",
    "description": "text",
    "definition": "text",
    "namespace": "text",
    "scope": "text",
    "tags": "tags",
    "is_system": "flag",
    "created_at": "time",
    "updated_at": "time",
}
"""What actions may be filtered by."""
LIKE_TO_GLOB: Final = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})
ORDERS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


class Actions:
    """What can be done with actions: for now reading the built-in ones."""

    shape = Shape(
        collection="actions",
        fields=FIELDS,
        filters=frozenset(KINDS),
        sortable=frozenset(FIELDS),
        free_ids=True,
    )

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def page(self, caller: Caller, listing: Listing) -> list[Row]:
        """One page of actions; the id and so the marker of a built-in action is its name."""
        authorise(caller, "actions:list")
        rows = [_row(action) for action in self._registry]
        rows = [row for row in rows if all(_fits(row, filter_) for filter_ in listing.filters)]
        for key in reversed(listing.sort):
            rows.sort(key=lambda row: _order(row, key), reverse=key.descending)
        fields = FIELDS if listing.fields is None else listing.fields
        page = _after_marker(rows, listing.marker)[: listing.limit]
        return [{name: row[name] for name in fields} for row in page]

    async def get(self, caller: Caller, identifier: str, namespace: str) -> Row:
        """One action by id or name; built-in ones are found from every namespace."""
        authorise(caller, "actions:get")
        action = self._registry.find(identifier)
        if action is None:
            near = self._registry.suggestions(identifier)
            raise NotFound(
                f"Action not found [name={identifier}, namespace={namespace}]",
                f"did you mean {' or '.join(near)}?" if near else "",
            )
        return _row(action)


def _row(action: AnyAction) -> Row:
    return {
        "id": action.name,
        "name": action.name,
        "is_system": True,
        "input": action.input_text,
        "description": action.description,
        "tags": None,
        "definition": "",
        "scope": None,
        "project_id": None,
        "created_at": "",
        "updated_at": "",
        "namespace": "",
    }


def _order(row: Row, key: SortKey) -> tuple[bool, Any]:
    value = row[key.name]
    return value is not None, value if value is not None else ""


def _fits(row: Row, filter_: Filter) -> bool:
    """Whether a built-in action passes a filter. It has no tags and no times: those are equal to nothing."""
    kind = KINDS[filter_.name]
    check_operator(kind, filter_)
    texts = filter_.value.split(",") if filter_.operator in ("in", "nin") else [filter_.value]
    wanted = [value_of(kind, filter_, text) for text in texts]
    value = None if kind == "time" else row[filter_.name]
    if filter_.operator in ("eq", "in"):
        return value in wanted
    if filter_.operator in ("neq", "nin"):
        return value not in wanted
    if value is None:
        return False
    if filter_.operator == "has":
        return fnmatchcase(value.lower(), f"*{filter_.value.lower().translate(LIKE_TO_GLOB)}*")
    return ORDERS[filter_.operator](value, wanted[0])


def _after_marker(rows: list[Row], marker: str | None) -> list[Row]:
    if marker is None:
        return rows
    for index, row in enumerate(rows):
        if row["id"] == marker:
            return rows[index + 1 :]
    raise NotFound(f"Action not found [id={marker}]", "the marker is not there")
