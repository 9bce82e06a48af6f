"""Which values that people give are secret: those that they mark, and those under keys that say so."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from maestrale.model.values import MASK, Json, Secret

MARK: Final = "$secret"
"""`{"$secret": value}` in what people give stands for a secret value."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WELL_KNOWN: Final = re.compile(
    r"passwd|password|passphrase|secret|api[-_]?key|private[-_]?key"
    r"|(?<![a-z])(?:token|auth|authorization|credentials?|cookies?)(?![a-z])"
)
_EXPRESSIONS: Final = ("<%", "{{", "{%")


class SecretKeys:
    """Keys whose values are secret: the well-known ones, and those that match the operator's patterns."""

    def __init__(self, patterns: Iterable[str] = (), *, well_known: bool = True) -> None:
        """`patterns`: regular expressions, found anywhere in a key in any case. Raises `re.error`."""
        self._patterns = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
        self._well_known = well_known

    def __contains__(self, key: str) -> bool:
        if self._well_known and is_well_known(key):
            return True
        return any(pattern.search(key) for pattern in self._patterns)

    def marked(self, value: Json) -> Json:
        """The same data with its secrets as `Secret`. An expression is none: what it gives may be one."""
        if isinstance(value, dict):
            if len(value) == 1 and MARK in value:
                return Secret(value[MARK])
            return {
                key: Secret(item) if _is_worth_it(item) and key in self else self.marked(item)
                for key, item in value.items()
            }
        return [self.marked(item) for item in value] if isinstance(value, list) else value

    def marked_map(self, given: dict[str, Json]) -> dict[str, Json]:
        """The same for a map of variables, which is no mark itself."""
        return {key: self.marked({key: item})[key] if key != MARK else item for key, item in given.items()}


EVERY_WELL_KNOWN: Final = SecretKeys()
ONLY_MARKED: Final = SecretKeys(well_known=False)


class SecretRules:
    """What is secret in environments, and what in the inputs of workflows."""

    def __init__(self, environment: SecretKeys = EVERY_WELL_KNOWN, given: SecretKeys = ONLY_MARKED) -> None:
        self.environment = environment
        self.input = given

    def marked_params(self, params: dict[str, Json]) -> dict[str, Json]:
        """The params of an execution with the secrets of its environment and of its publishers marked."""
        marked = dict(params)
        if isinstance(env := params.get("env"), dict):
            marked["env"] = self.environment.marked_map(env)
        if isinstance(told := params.get("notify"), list):
            marked["notify"] = marked_publishers(told)
        return marked


WELL_KNOWN: Final = SecretRules()
"""Well-known keys count in environments; in inputs only what is marked."""


def is_well_known(key: str) -> bool:
    """Whether a key, or the name of a header, says that its value is secret."""
    return _WELL_KNOWN.search(_HUMP.sub("_", key).lower()) is not None


def marked_headers(headers: Json) -> Json:
    """HTTP headers with those values marked as secret whose names say so."""
    if not isinstance(headers, dict):
        return headers
    return {
        name: Secret(value) if value and isinstance(name, str) and is_well_known(name) else value
        for name, value in headers.items()
    }


def marked_publishers(publishers: list[Json]) -> list[Json]:
    """Publishers of notifications with their secret headers marked."""
    return [
        {**publisher, "headers": marked_headers(publisher["headers"])}
        if isinstance(publisher, dict) and "headers" in publisher
        else publisher
        for publisher in publishers
    ]


def kept(given: Json, before: Json) -> Json:
    """What is given, where `***` stands for the secret that was there before."""
    if isinstance(before, Secret) and given in (MASK, Secret(MASK)):
        return before
    if isinstance(given, dict) and isinstance(before, dict):
        return {key: kept(item, before.get(key)) for key, item in given.items()}
    if isinstance(given, list) and isinstance(before, list) and len(given) == len(before):
        return [kept(item, one) for item, one in zip(given, before, strict=True)]
    return given


def _is_worth_it(value: Json) -> bool:
    if not value or isinstance(value, bool | Secret) or (isinstance(value, dict) and MARK in value):
        return False
    return not (isinstance(value, str) and any(mark in value for mark in _EXPRESSIONS))
