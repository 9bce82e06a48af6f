"""How long finished executions are kept: what can be set, and what is said about it."""

from __future__ import annotations

import pytest

from maestrale.config import ConfigError, load
from maestrale.model.durations import duration_text, parse_duration
from maestrale.model.retention import Retention

SECOND = 1_000_000
DAY = 86_400 * SECOND


def rule(**given: str) -> Retention:
    """What follows from the environment."""
    environment = {f"MAESTRALE_RETENTION_{name.upper()}": value for name, value in given.items()}
    return load(environment=environment).settings.retention.rule


def test_by_default_everything_is_kept() -> None:
    assert not rule().is_on
    assert not rule(ignored_states="ERROR").is_on
    assert not rule(keep_for="1 day", ignored_states="SUCCESS,ERROR,CANCELLED").is_on


def test_ages_by_state() -> None:
    found = rule(keep_for="30 days", keep_for_error="12w", ignored_states="CANCELLED", keep_at_most="7")
    assert found == Retention({"SUCCESS": 30 * DAY, "ERROR": 84 * DAY}, 7)
    assert rule(keep_for_error="1h").ages == {"SUCCESS": None, "ERROR": 3600 * SECOND, "CANCELLED": None}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Finished executions are kept for ever"),
        ({"keep_for": "30d"}, "Finished executions are removed after 30 days"),
        (
            {"keep_for": "30d", "keep_for_error": "90d", "keep_at_most": "10000"},
            "Finished executions are removed after 30 days, ERROR after 90 days; at most 10,000 are kept",
        ),
        (
            {"keep_for": "1 h", "ignored_states": "ERROR", "keep_at_most": "5"},
            "Finished executions are removed after 1 hour, ERROR never; at most 5 of the others are kept",
        ),
        ({"keep_at_most": "10000"}, "At most 10,000 finished executions are kept"),
        (
            {"keep_at_most": "9", "ignored_states": "ERROR, CANCELLED"},
            "At most 9 finished executions are kept, not counting ERROR and CANCELLED",
        ),
        (
            {"keep_for_success": "90 min"},
            "Finished executions are removed: SUCCESS after 90 minutes, ERROR and CANCELLED never",
        ),
        (
            {"keep_for_success": "1d", "keep_for_error": "2d"},
            "Finished executions are removed: SUCCESS after 1 day, ERROR after 2 days, CANCELLED never",
        ),
    ],
)
def test_what_is_said(given: dict[str, str], said: str) -> None:
    assert str(rule(**given)) == said


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("ignored_states", "RUNNING", "executions do not end in RUNNING, but in SUCCESS, ERROR, CANCELLED"),
        ("ignored_states", "SUCCESS,SKIPPED", "do not end in SKIPPED"),
        ("keep_for", "30", "write a number and its unit"),
        ("keep_for_error", "a while", "write a number and its unit"),
        ("keep_for_cancelled", "0 days", "more than nothing"),
        ("keep_at_most", "-1", "cannot be negative"),
        ("keep_at_most", "many", "Expected `int`"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, value: str, why: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"retention\.{name} \(MAESTRALE_RETENTION_{name.upper()}\).*{why}"
    ):
        rule(**{name: value})


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("90 s", 90, "90 seconds"),
        ("1.5 hours", 5400, "90 minutes"),
        ("2w", 14 * 86_400, "14 days"),
        (" 1 Minute ", 60, "1 minute"),
        ("24h", 86_400, "1 day"),
    ],
)
def test_lengths_of_time(text: str, length: int, shown: str) -> None:
    assert parse_duration(text) == length * SECOND
    assert duration_text(length * SECOND) == shown


@pytest.mark.parametrize("text", ["", "day", "-1 day", "1 month", "5", "40000 days", "1 d d", "0.0000001 s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"write a number|more than nothing"):
        parse_duration(text)
