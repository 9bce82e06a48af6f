"""Which rule lets whom pass: the rules of Mistral's policy files with their defaults, and changes to them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from maestrale.services.policy_checks import Check, Verdict, judge, parse, references

REMEMBERED: Final = 10_000
"""Decisions about callers and rules."""

Who = Literal["anybody", "administrators"]


def _rules(kind: str, *operations: str, publish: bool = False, who: Who = "anybody") -> dict[str, Who]:
    found: dict[str, Who] = {f"{kind}:{operation}": who for operation in operations}
    return found | ({f"{kind}:publicize": "administrators"} if publish else {})


_CHANGED: Final = ("create", "delete", "get", "list", "update")

RULES: Final[dict[str, Who]] = {
    **_rules("action_executions", *_CHANGED),
    **_rules("actions", *_CHANGED, publish=True),
    **_rules("code_sources", *_CHANGED, publish=True, who="administrators"),
    **_rules("cron_triggers", "create", "delete", "get", "list", publish=True),
    **_rules("dynamic_actions", *_CHANGED, publish=True, who="administrators"),
    **_rules("environments", *_CHANGED, publish=True),
    **_rules("event_triggers", *_CHANGED, publish=True),
    **_rules("executions", *_CHANGED),
    **_rules("members", *_CHANGED),
    **_rules("services", "list"),
    **_rules("tasks", "get", "list", "update"),
    **_rules("workbooks", *_CHANGED, publish=True),
    **_rules("workflows", *_CHANGED, publish=True),
    "cron_triggers:list:all_projects": "administrators",
    "event_triggers:list:all_projects": "administrators",
    "executions:list:all_projects": "administrators",
    "workflows:list:all_projects": "administrators",
    "maintenance:update": "administrators",
}
"""Every rule, by its name in Mistral's policy files, and whom it lets pass by default.

Only the last one is not Mistral's. `anybody` is every known caller: whose an object is, the queries see to.
"""

_MEANING: Final[Mapping[Who, str]] = {"anybody": "rule:admin_or_owner", "administrators": "rule:admin_only"}

BASE: Final[Mapping[str, str]] = {
    "admin_only": "is_admin:True",
    "admin_or_owner": "is_admin:True or project_id:%(project_id)s",
}
"""Rules that others refer to."""


class Attributes(NamedTuple):
    """What checks may ask about a caller."""

    project_id: str
    user_id: str | None
    user_name: str | None
    roles: tuple[str, ...]
    is_admin: bool


class Policy:
    """A check for every rule. `changed` are those that a file changes or adds.

    What they refer to must be there, and without a circle; `problem` says whether that is so.
    """

    def __init__(self, changed: Mapping[str, Check] | None = None) -> None:
        self.changed = MappingProxyType(dict(changed or {}))
        self.checks: Mapping[str, Check] = MappingProxyType({**_DEFAULTS, **self.changed})
        self._remembered = lru_cache(REMEMBERED)(self._passes)

    def allows(self, rule: str, caller: Attributes) -> bool:
        """Whether a caller passes a rule of `RULES`. Cheap: it is asked with each request."""
        return self._remembered(rule, caller)

    def _passes(self, rule: str, caller: Attributes) -> bool:
        return self.judge(rule, caller).passes

    def judge(self, rule: str, caller: Attributes) -> Verdict:
        """The same with the reason.

        The target is always the caller's own project and user: whose an object is, the queries see to.
        """
        target = {"project_id": caller.project_id, "user_id": caller.user_id}
        return judge(self.checks[rule], caller._asdict(), target, self.checks.get)

    def problem(self, name: str) -> str | None:
        """What is wrong with what the rule `name` refers to, if anything is."""
        for reference in references(self.checks[name]):
            if reference not in self.checks:
                return f"it refers to a rule '{reference}', which does not exist"
        if self._reaches(name, name, set()):
            return "it refers to itself in a circle"
        return None

    def _reaches(self, name: str, wanted: str, seen: set[str]) -> bool:
        for reference in references(self.checks[name]):
            if reference == wanted:
                return True
            if reference in self.checks and reference not in seen:
                seen.add(reference)
                if self._reaches(reference, wanted, seen):
                    return True
        return False


_DEFAULTS: Final[Mapping[str, Check]] = {
    name: parse(text)
    for name, text in {**BASE, **{rule: _MEANING[who] for rule, who in RULES.items()}}.items()
}

BY_DEFAULT: Final = Policy()
"""What holds without a policy file."""
