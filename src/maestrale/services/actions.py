"""Use cases of actions: what tasks can call."""

from __future__ import annotations

from typing import Any, Final

from maestrale.actions.registry import AnyAction, Registry
from maestrale.model.errors import NotFound
from maestrale.model.listing import Filter, Listing, Row, Shape, SortKey
from maestrale.services.access import Caller, authorise

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
COMPARED: Final = frozenset({"name", "input", "description", "namespace", "scope", "definition"})


class Actions:
    """What can be done with actions: for now reading the built-in ones."""

    shape = Shape(
        collection="actions",
        fields=FIELDS,
        filters=frozenset(
            {*COMPARED, "tags", "created_at", "updated_at", "is_system"},
        ),
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
    """Whether a built-in action passes a filter. It has no tags and no times, so those fit nothing."""
    if filter_.name == "is_system":
        return filter_.value.lower() not in ("false", "0", "f", "n", "no", "off", "")
    if filter_.name not in COMPARED:
        return filter_.operator in ("neq", "nin")
    operator, wanted = filter_.operator, filter_.value
    value = row[filter_.name]
    if value is None:
        return operator in ("neq", "nin")
    if operator == "has":
        return wanted.lower() in value.lower()
    if operator in ("in", "nin"):
        return (value in wanted.split(",")) == (operator == "in")
    comparisons = {
        "eq": value == wanted,
        "neq": value != wanted,
        "lt": value < wanted,
        "lte": value <= wanted,
        "gt": value > wanted,
        "gte": value >= wanted,
    }
    fits: bool = comparisons[operator]
    return fits


def _after_marker(rows: list[Row], marker: str | None) -> list[Row]:
    if marker is None:
        return rows
    for index, row in enumerate(rows):
        if row["id"] == marker:
            return rows[index + 1 :]
    raise NotFound(f"Action not found [id={marker}]", "the marker is not there")
