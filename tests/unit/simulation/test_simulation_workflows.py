"""Which random workflows come to the same end in whatever order things happen."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from maestrale.lang.parse import load_workflow
from maestrale.simulation.workflows import joins_may_miss_something, random_definition


@pytest.mark.parametrize(
    ("tasks", "is_race"),
    [
        pytest.param({"a": ["b", "j"], "b": ["j"], "j": []}, False, id="every branch runs once"),
        pytest.param({"a": ["b", "c"], "b": ["c", "j"], "c": ["j"], "j": []}, True, id="a branch runs twice"),
        pytest.param(
            {"a": ["b", "c"], "b": ["c", "j"], "c": ["d"], "d": ["j"], "j": []},
            True,
            id="a branch comes from a task that runs twice",
        ),
        pytest.param({"a": ["b", "c"], "b": ["c"], "c": []}, False, id="nothing is joined"),
        pytest.param(
            {"a": ["b", "j"], "b": ["j"], "j": ["k"], "c": ["k"], "k": []},
            False,
            id="a join before a join runs once",
        ),
    ],
)
def test_a_join_races_with_the_executions_of_a_branch_that_has_several(
    tasks: dict[str, list[str]], is_race: bool
) -> None:
    bodies: dict[str, Any] = {
        name: {"on-success": targets} if targets else {"action": "std.noop"}
        for name, targets in tasks.items()
    }
    for name in {"j", "k"} & bodies.keys():
        bodies[name]["join"] = "all"
    text = json.dumps({"version": "2.0", "w": {"tasks": bodies}})
    assert joins_may_miss_something(load_workflow(text, "w")) is is_race


def test_a_workflow_with_such_a_race_has_no_determinate_end() -> None:
    races = 0
    for seed in range(100):
        definition = random_definition(random.Random(seed), "w")
        if any(
            joins_may_miss_something(load_workflow(text, name)) for name, text in definition.texts.items()
        ):
            races += 1
            assert not definition.is_determinate
    assert races
