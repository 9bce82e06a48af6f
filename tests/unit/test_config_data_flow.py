"""The settings of the data flow, from the environment."""

from __future__ import annotations

import pytest

from maestrale.config import ConfigError, load


def test_maps_replace_each_other_and_versions_count_unless_the_operator_wants_otherwise() -> None:
    settings = load(environment={}).settings
    assert (settings.engine.merge_strategy, settings.context_versioning.enabled) == ("replace", True)
    environment = {
        "MAESTRALE_ENGINE_MERGE_STRATEGY": "merge",
        "MAESTRALE_CONTEXT_VERSIONING_ENABLED": "false",
    }
    settings = load(environment=environment).settings
    assert (settings.engine.merge_strategy, settings.context_versioning.enabled) == ("merge", False)


def test_another_strategy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"engine\.merge_strategy"):
        load(environment={"MAESTRALE_ENGINE_MERGE_STRATEGY": "mix"})
