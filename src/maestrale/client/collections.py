"""What kinds of objects have in common: their lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from maestrale.client.binding import Kind, M, items
from maestrale.client.listing import Pages, listing_query
from maestrale.client.results import Resource

R = TypeVar("R", bound=Resource)

Filters = Mapping[str, str]
"""Arguments of the API: `{"state": "neq:SUCCESS", "created_at": "lt:2026-11-01"}`."""


class Collection(Kind[M], Generic[M, R]):
    """Objects of one kind. `collection` is their path, and the name of the list in answers."""

    kind: ClassVar[type[Any]]
    collection: ClassVar[str]

    @items
    def list(
        self,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
    ) -> Pages[R]:
        """Those that match, `limit` at most, after the one with the id `marker`.

        `sort_keys` are names of fields, `sort_dirs` "asc" or "desc", both with commas. `fields`: only these
        are read.
        """
        query = listing_query(filters, marker, sort_keys, sort_dirs, fields)
        return Pages(self.kind, f"/{self.collection}", self.collection, query, limit)


class SharedCollection(Kind[M], Generic[M, R]):
    """The same for kinds of which those of all projects can be listed, by whoever may."""

    kind: ClassVar[type[Any]]
    collection: ClassVar[str]

    @items
    def list(
        self,
        filters: Filters | None = None,
        *,
        limit: int | None = None,
        marker: str = "",
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Sequence[str] = (),
        all_projects: bool = False,
    ) -> Pages[R]:
        """Those that match, `limit` at most, after the one with the id `marker`.

        `sort_keys` are names of fields, `sort_dirs` "asc" or "desc", both with commas. `fields`: only these
        are read. `all_projects` needs to be allowed.
        """
        query = listing_query(filters, marker, sort_keys, sort_dirs, fields, all_projects=all_projects)
        return Pages(self.kind, f"/{self.collection}", self.collection, query, limit)
