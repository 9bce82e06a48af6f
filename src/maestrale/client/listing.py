"""Lists: pages are fetched as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

import msgspec

from maestrale.client.conversation import Request, Session
from maestrale.client.reading import as_sent, members, read
from maestrale.client.results import Resource
from maestrale.client.steps import Item, ItemSteps

R = TypeVar("R", bound=Resource)


class Pages(msgspec.Struct, Generic[R], frozen=True):
    """The objects of a list, `limit` of them at most (None: all)."""

    kind: type[R]
    path: str
    collection: str
    query: Mapping[str, str]
    limit: int | None = None

    def steps(self, session: Session) -> ItemSteps[R]:
        """Fetch page by page; the result says whether others probably follow."""
        marker = self.query.get("marker", "")
        left = self.limit
        while True:
            query = {**self.query, **({"marker": marker} if marker else {})}
            if left is not None:
                query["limit"] = str(left)
            answer = yield from Request("GET", self.path, as_sent, query).steps(session)
            found = members(answer, self.collection)
            if found and marker and found[0].get("id") == marker:
                del found[0]  # some servers begin with the last one of the page before
            for fields in found[:left]:
                yield Item(read(self.kind, fields))
            has_more = "next" in answer and bool(found)
            if left is not None:
                left -= len(found)
            if not has_more or (left is not None and left <= 0):
                return has_more
            # Behind a proxy the `next` link may lead astray, the marker does not.
            marker = found[-1]["id"]


def listing_query(
    filters: Mapping[str, str] | None,
    marker: str,
    sort_keys: str,
    sort_dirs: str,
    fields: Iterable[str],
    **flags: bool,
) -> dict[str, str]:
    """The query of a list; `flags` are named only where they are set."""
    query = dict(filters or {}) | {name: "true" for name, wanted in flags.items() if wanted}
    named = {"marker": marker, "sort_keys": sort_keys, "sort_dirs": sort_dirs, "fields": ",".join(fields)}
    return query | {name: text for name, text in named.items() if text}
