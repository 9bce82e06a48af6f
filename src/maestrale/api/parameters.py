"""Parameters of paths and queries, as the OpenAPI document describes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from maestrale.api.listing import ListQuery
from maestrale.api.operation import Argument

PARTS: Final = {
    "id": "The id.",
    "identifier": "The id or the name.",
    "name": "The name.",
    "namespace": "The namespace.",
    "action_id": "The id of the action execution.",
    "member_id": "The project with which it is shared.",
}
ALSO: Final = {
    "all_projects": ("Of all projects, not only of one's own.", {"type": "boolean"}),
    "include_output": ("With the outputs.", {"type": "boolean"}),
}
FILTER: Final = "Only with this value, or by `OPERATOR:VALUE`."


def path_parameters(path: str) -> list[dict[str, Any]]:
    """Those of a path as routes write it."""
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PARTS[name] + (" It may have slashes." if is_rest else ""),
            "schema": {"type": "string", "minLength": 1, **({} if is_rest else {"pattern": "^[^/]+$"})},
        }
        for name, is_rest in re.findall(r"{(\w+)(:path)?}", path)
    ]


def query_parameter(argument: Argument, schema: dict[str, Any]) -> dict[str, Any]:
    """An argument of a query; lists of words are written with commas."""
    return {
        "name": argument.name,
        "in": "query",
        "description": argument.description,
        "schema": schema,
        **({"required": True} if argument.required else {}),
        **({"style": "form", "explode": False} if schema.get("type") == "array" else {}),
    }


def list_parameters(query: ListQuery) -> list[dict[str, Any]]:
    """All that a list can be asked for."""
    shape = query.shape
    sort = Argument("sort_keys", f"By what to sort; by default {query.default_sort}, and always id last.")
    found = [
        query_parameter(Argument("limit", "Most objects of a page."), {"type": "integer", "minimum": 1}),
        query_parameter(Argument("marker", "The id of the last object before the page."), {"type": "string"}),
        query_parameter(sort, _words(sorted(shape.sortable))),
        query_parameter(Argument("sort_dirs", "`asc` or `desc` for each of them."), _words(("asc", "desc"))),
        query_parameter(Argument("fields", "What to show; `id` is always there."), _words(shape.fields)),
    ]
    if "nulls" in query.also:
        nulls = Argument("nulls", "Only where these are null.")
        found.append(query_parameter(nulls, _words(sorted(shape.nullable))))
    for name, (text, schema) in ALSO.items():
        if name in query.also:
            found.append(query_parameter(Argument(name, text), schema))
    filters = [name for name in shape.fields if name in query.filters]
    return found + [query_parameter(Argument(name, FILTER), {"type": "string"}) for name in filters]


def _words(names: Iterable[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": list(names)}}
