"""The rules of the data flow that the operator chooses, from the settings down to an output."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from api_service import Api

from maestrale.config import ContextVersioningSettings, DatabaseSettings, EngineSettings, Settings
from maestrale.wiring import Service

NESTED = """
version: '2.0'
w:
  output: {m: <% $.m %>}
  tasks:
    a: {publish: {m: {a: 1, deep: {p: 1}}}, on-success: b}
    b: {publish: {m: {deep: {q: 2}}}}
"""
MEETING = """
version: '2.0'
w:
  output: {v: <% $.v %>}
  tasks:
    top: {publish: {v: old}, on-success: [changes, keeps]}
    changes: {publish: {v: new}, on-success: changed}
    changed: {on-success: j}
    keeps: {wait-before: 1, on-success: j}
    j: {join: all}
"""


def output(database_url: str, text: str, **chosen: Any) -> Any:
    """What the workflow of a text puts out at a service with these settings."""
    service = Service(Settings(database=DatabaseSettings(database_url), **chosen))
    service.start()
    try:
        api = Api(service)
        api.define(text)
        return json.loads(api.run("w")["output"])
    finally:
        service.stop(0)


@pytest.mark.parametrize(
    ("strategy", "wanted"),
    [("replace", {"deep": {"q": 2}}), ("merge", {"a": 1, "deep": {"p": 1, "q": 2}})],
)
@pytest.mark.covers("eng.context.merge_strategy")
def test_the_strategy_for_maps(database_url: str, strategy: Literal["replace", "merge"], wanted: Any) -> None:
    assert output(database_url, NESTED, engine=EngineSettings(merge_strategy=strategy)) == {"m": wanted}


@pytest.mark.parametrize(("enabled", "wanted"), [(True, "new"), (False, "old")])
def test_the_versions_of_variables(database_url: str, enabled: bool, wanted: str) -> None:
    chosen = ContextVersioningSettings(enabled)
    assert output(database_url, MEETING, context_versioning=chosen) == {"v": wanted}
