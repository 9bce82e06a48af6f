"""Pages of long lists, which are given up when they take too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from sqlalchemy import Connection

from maestrale.model.errors import BadRequest, MaestraleError, Unavailable
from maestrale.model.listing import Listing, Row
from maestrale.services.waiting import outcome
from maestrale.store.database import Database
from maestrale.store.dialect import TookTooLong
from maestrale.store.selection import Resource, Viewer
from maestrale.store.stretches import unaided

P = ParamSpec("P")


async def page_of(
    database: Database,
    resource: Resource,
    unit: Callable[Concatenate[Connection, Viewer, Listing, P], list[Row]],
    viewer: Viewer,
    listing: Listing,
    *args: P.args,
    **kwargs: P.kwargs,
) -> list[Row]:
    """What `unit` reads of a page. Where that takes too long, BadRequest names the arguments that make it so,
    and Unavailable says that nothing is wrong with them."""
    try:
        return await outcome(database.read_list(unit, viewer, listing, *args, **kwargs))
    except TookTooLong as error:
        raise _explained(error, resource, listing) from None


def _explained(error: TookTooLong, resource: Resource, listing: Listing) -> MaestraleError:
    slow = unaided(resource, listing)
    if not slow:
        return Unavailable(error.message, "the database is busy: try again in a moment")
    quick = ", ".join(lead.name for lead in resource.leads)
    return BadRequest(
        f"{error.message}: there is no index for {', '.join(slow)}",
        f"filter by {quick} or created_at as well, and sort by created_at; or raise database.list_timeout",
    )
