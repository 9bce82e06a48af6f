"""The id of the request that is being answered, for answers and for logs."""

from __future__ import annotations

import logging
import os
import re
from contextvars import ContextVar
from typing import Final, NamedTuple

HEADER: Final = "X-Openstack-Request-Id"

_WELL_FORMED: Final = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class RequestId(NamedTuple):
    """`own`: made by this server, and told in the answer. `given`: what the caller sent with it, under which
    other services speak of the same thing; None if that was nothing well-formed."""

    own: str
    given: str | None


_current: ContextVar[RequestId | None] = ContextVar("request_id", default=None)


def begin(given: str | None) -> RequestId:
    """The id of a request that begins here and now; what is logged in its context tells it.

    Every request is answered in a context of its own, so nothing has to be undone.
    """
    text = os.urandom(16).hex()
    own = f"req-{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"
    found = RequestId(own, given if given and _WELL_FORMED.fullmatch(given) else None)
    _current.set(found)
    return found


class RequestIdFilter(logging.Filter):
    """Gives every record a text `request` for its format: the ids in brackets, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it; nothing is left out."""
        current = _current.get()
        record.request = "" if current is None else f" [{' '.join(filter(None, current))}]"
        return True
