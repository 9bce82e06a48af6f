"""The grammar of lists: filters, order, pages, fields and `next` links, written once."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request

from maestrale.api.bodies import query_flag, query_number
from maestrale.model.errors import BadRequest
from maestrale.model.listing import OPERATORS, Filter, Listing, Row, Shape, SortKey

PAGING: Final = frozenset({"limit", "marker", "sort_keys", "sort_dirs", "fields"})
READABLE: Final = ":,"
"""What links leave unescaped in values, so that people can read them."""


class ListQuery(msgspec.Struct, frozen=True, dict=True):
    """What the query of a list may ask for.

    `also`: arguments known here besides those of every list (of `all_projects`, `nulls` and
    `include_output`). `without`: filters that make no sense here.
    """

    shape: Shape
    also: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    default_sort: str = "created_at"

    @cached_property
    def filters(self) -> frozenset[str]:
        """The fields that can be filtered by."""
        return self.shape.filters - set(self.without)

    @cached_property
    def known(self) -> frozenset[str]:
        """All names of arguments."""
        return PAGING | self.filters | set(self.also)


def read_listing(request: Request, query: ListQuery, max_limit: int) -> Listing:
    """The list that the query of a request asks for. BadRequest says what is wrong."""
    shape, also, filters = query.shape, query.also, query.filters
    return Listing(
        limit=_limit(request, max_limit),
        sort=_sort(request, shape, query.default_sort),
        filters=tuple(
            _filter(name, value) for name, value in request.query_params.items() if name in filters
        ),
        nulls=_known_names(request, "nulls", shape.nullable) if "nulls" in also else (),
        marker=_marker(request, shape),
        fields=read_fields(request, shape.fields),
        extra=("output",) if "include_output" in also and query_flag(request, "include_output") else (),
        all_projects="all_projects" in also and query_flag(request, "all_projects"),
    )


def read_fields(request: Request, known: Collection[str]) -> tuple[str, ...] | None:
    """The selected fields with the id first, None where all are wanted."""
    names = _words(request, "fields")
    if not names:
        return None
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadRequest(f"Unknown fields: {', '.join(unknown)}. Allowed fields are: {', '.join(known)}")
    return tuple(dict.fromkeys(("id", *names)))


def page_answer(request: Request, path: str, shape: Shape, listing: Listing, rows: list[Row]) -> Row:
    """The envelope of a page; with a link to the next page if this one is full.

    `path` is where the collection lives; `rows` are the finished objects.
    """
    answer: Row = {shape.collection: rows}
    if len(rows) == listing.limit:
        answer["next"] = f"{base_url(request)}{path}?{_next_query(listing, rows[-1]['id'])}"
    return answer


def base_url(request: Request) -> str:
    """Scheme, host and prefix under which this request came in, without a slash at the end."""
    return str(request.base_url).rstrip("/")


def _limit(request: Request, max_limit: int) -> int:
    limit = query_number(request, "limit")
    if limit is None:
        return max_limit
    if limit <= 0:
        raise BadRequest("Limit must be positive.")
    return min(limit, max_limit)


def _sort(request: Request, shape: Shape, default: str) -> tuple[SortKey, ...]:
    keys = _known_names(request, "sort_keys", shape.sortable) or (default,)
    directions = _words(request, "sort_dirs")
    if len(directions) > len(keys):
        raise BadRequest("Length of sort_keys must be equal or greater than sort_dirs.")
    for direction in directions:
        if direction not in ("asc", "desc"):
            raise BadRequest(f"Unknown sort direction '{direction}' in sort_dirs", "use asc or desc")
    directions += ["asc"] * (len(keys) - len(directions))
    sort = {key: SortKey(key, way == "desc") for key, way in zip(keys, directions, strict=True)}
    # Ids grow with time: of what is as old as another, the newest comes first where age counts downwards.
    newest_first = list(sort.values())[-1] == SortKey("created_at", descending=True)
    sort.setdefault("id", SortKey("id", newest_first))
    return tuple(sort.values())


def _filter(name: str, text: str) -> Filter:
    prefix, colon, value = text.partition(":")
    for operator in OPERATORS:
        if colon and operator == prefix:
            return Filter(name, operator, value)
    return Filter(name, "eq", text)


def _marker(request: Request, shape: Shape) -> str | None:
    marker = request.query_params.get("marker")
    if not marker:
        return None
    if not shape.free_ids and not _looks_like_uuid(marker):
        raise BadRequest(f"Invalid value for argument marker: '{marker}' is not a UUID")
    return marker


def _looks_like_uuid(text: str) -> bool:
    digits = text.replace("-", "")
    return len(digits) == 32 and all(digit in "0123456789abcdefABCDEF" for digit in digits)


def _known_names(request: Request, argument: str, known: Collection[str]) -> tuple[str, ...]:
    names = _words(request, argument)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BadRequest(
            f"Unknown names in {argument}: {', '.join(unknown)}", f"possible: {', '.join(sorted(known))}"
        )
    return tuple(dict.fromkeys(names))


def _words(request: Request, argument: str) -> list[str]:
    text = request.query_params.get(argument, "")
    return [word for word in (part.strip().lower() for part in text.split(",")) if word]


def _next_query(listing: Listing, marker: str) -> str:
    arguments = [
        ("sort_keys", ",".join(key.name for key in listing.sort)),
        ("sort_dirs", ",".join("desc" if key.descending else "asc" for key in listing.sort)),
        *((filter_.name, f"{filter_.operator}:{filter_.value}") for filter_ in listing.filters),
        *([("nulls", ",".join(listing.nulls))] if listing.nulls else []),
        *([("include_output", "true")] if listing.extra else []),
        *([("all_projects", "true")] if listing.all_projects else []),
        ("limit", str(listing.limit)),
        ("marker", marker),
        *([("fields", ",".join(listing.fields))] if listing.fields is not None else []),
    ]
    return "&".join(f"{name}={quote(value, safe=READABLE)}" for name, value in arguments)
