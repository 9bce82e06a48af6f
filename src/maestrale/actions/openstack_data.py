"""What clients of OpenStack's services answer, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from maestrale.model.values import Json

DEEPEST: Final = 32
"""So many maps, lists and objects inside each other are followed; what is further inside becomes null."""


def plain(value: Any, depth: int = DEEPEST) -> Json:
    """The value with maps for objects, and lists for all that can be gone through.

    Of an object only those fields count that are data, or it is a text if it has none: the others lead back
    to the client, and so to the caller's token.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth == 0:
        return None
    # Asked for a field that it has not, an object of a client fetches all of its fields: so a server that was
    # just created comes with its state, as in Mistral.
    if hasattr(value, "items"):
        return {str(key): plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Iterable):
        return [plain(item, depth - 1) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, Exception):
        fields = {name: item for name, item in vars(value).items() if _is_data(item)}
        return {name: plain(item, depth - 1) for name, item in fields.items()} or str(value)
    return _primitive(value)


def _is_data(value: Any) -> bool:
    return isinstance(value, (bytes, Mapping, list, tuple, set)) or not hasattr(value, "__dict__")


def _primitive(value: Any) -> Json:
    from oslo_serialization import jsonutils

    made: Json = jsonutils.to_primitive(value, fallback=str)
    return made
