"""Values of an action's input as the types that its signature names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import Parameter
from typing import Any

import msgspec

from maestrale.model.errors import InvalidInput
from maestrale.model.values import Json


class TypedInput:
    """The annotated parameters of one action."""

    def __init__(self, action_name: str, parameters: Iterable[Parameter]) -> None:
        self._action_name = action_name
        typed = [p for p in parameters if p.annotation not in (p.empty, Any) and p.kind is not p.VAR_KEYWORD]
        self._types = {p.name: p.annotation for p in typed}
        self._nullable = {p.name for p in typed if p.default is None}

    def converted(self, given: Mapping[str, Json]) -> dict[str, Any]:
        """The same input with objects where the signature names their types.

        Raises `InvalidInput`, which names parameter, place, wanted and given type, but not the value.
        """
        return {name: self._value(name, value) for name, value in given.items()}

    def _value(self, name: str, value: Json) -> Any:
        if name not in self._types or (value is None and name in self._nullable):
            return value
        try:
            return msgspec.convert(value, self._types[name], dec_hook=_made)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at ")
            where = place.strip("`").removeprefix("$")
            raise InvalidInput(
                f"Wrong type in the input of {self._action_name}: parameter '{name}{where}': {reason}"
            ) from None


def _made(kind: type, value: Any) -> Any:
    """An object of a class that JSON knows nothing of, such as a path or a network address."""
    return kind(value)
