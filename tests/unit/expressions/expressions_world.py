"""A small world for expressions to ask questions of, and short ways to evaluate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import Passthrough, Scope
from maestrale.model.errors import EvaluationError

NOON = 1_800_014_400_000_000
"""2027-01-15 12:00:00 UTC."""


class Need(Passthrough):
    """What an engine raises to be asked again later."""


class World:
    """One execution with two tasks; remembers the questions that were put to it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.tasks_by_name: dict[str, dict[str, Any]] = {
            "t1": {"name": "t1", "state": "SUCCESS", "result": {"ip": ["10.0.0.1"]}},
        }
        self.current: str | None = None

    def task(self, name: str | None) -> Mapping[str, Any] | None:
        if name == "elsewhere":
            raise Need("task elsewhere")
        return self.tasks_by_name.get(name or self.current or "")

    def tasks(
        self, execution_id: str | None, recursive: bool, state: str | None, flat: bool
    ) -> list[dict[str, Any]]:
        self.asked.append(("tasks", execution_id, recursive, state, flat))
        return list(self.tasks_by_name.values())

    def execution(self) -> dict[str, Any] | None:
        return {"id": "e1", "name": "w", "root_execution_id": None, "input": {"a": 1}}

    def executions(
        self,
        execution_id: str | None,
        root_execution_id: str | None,
        state: str | None,
        from_time: str | None,
        to_time: str | None,
    ) -> list[dict[str, Any]]:
        self.asked.append(("executions", execution_id, root_execution_id, state, from_time, to_time))
        return [{"id": "e1", "state": "SUCCESS"}]

    def env(self) -> Mapping[str, Any] | None:
        return {"region": "north"}

    def global_variable(self, name: str) -> Any:
        return {"g": [1, 2]}.get(name)

    def uuid(self) -> str:
        return "11111111-2222-4333-8444-555555555555"

    def random(self) -> float:
        return 0.5

    def now(self) -> int:
        return NOON


def scope(*layers: Mapping[str, Any], world: World | None = None, **variables: Any) -> Scope:
    """Variables, then further layers under them."""
    return Scope([variables, *layers], world)


def value_of(value: Any, *layers: Mapping[str, Any], world: World | None = None, **variables: Any) -> Any:
    return template.evaluate(value, scope(*layers, world=world, **variables))


def failure_of(value: Any, *layers: Mapping[str, Any], world: World | None = None, **variables: Any) -> str:
    """The message of the evaluation error that the value must raise."""
    with pytest.raises(EvaluationError) as caught:
        value_of(value, *layers, world=world, **variables)
    assert "Traceback" not in caught.value.message
    return caught.value.message


@contextmanager
def configured(options: Options) -> Iterator[None]:
    """Other options for a while."""
    before = template._languages
    template.configure(options)
    try:
        yield
    finally:
        template._languages = before
