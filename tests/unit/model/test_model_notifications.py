"""Publishers of notifications as they are given: what passes, and what is said of the rest."""

from __future__ import annotations

import pytest

from maestrale.model.errors import BadRequest
from maestrale.model.notifications import checked_publishers
from maestrale.model.values import Json


@pytest.mark.parametrize(
    "value",
    [
        [],
        [{"type": "log"}],
        [{"type": "noop", "event_types": []}, {"type": "log", "event_types": ["TASK_FAILED"]}],
        [{"type": "webhook", "url": "https://example.org/x", "headers": {"X-Key": "k"}, "more": 1}],
    ],
)
def test_what_has_the_right_shape_is_given_back(value: list[Json]) -> None:
    assert checked_publishers(value, "here") == value


def test_nothing_is_an_empty_list() -> None:
    assert checked_publishers(None, "here") == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "log"}, "here must be a list of publishers, not dict"),
        ("log", "here must be a list of publishers, not str"),
        ([{"type": "log"}, "log"], "here[1] must be a map, not str"),
        ([{}], "here[0].type: there is no publisher None (known are: log, noop, webhook)"),
        ([{"type": "webhok"}], "here[0].type: there is no publisher 'webhok' (did you mean 'webhook'?)"),
        ([{"type": ["log"]}], "here[0].type: there is no publisher ['log']"),
        ([{"type": "log", "event_types": "TASK_FAILED"}], "here[0].event_types must be a list of events"),
        ([{"type": "log", "event_types": ["TASK_FAILD"]}], "no event 'TASK_FAILD' (did you mean 'TASK_"),
        ([{"type": "log", "event_types": [7]}], "here[0].event_types: there is no event 7"),
        ([{"type": "webhook"}], "here[0].url: a webhook needs an http or https URL, not None"),
        ([{"type": "webhook", "url": "ftp://x"}], "a webhook needs an http or https URL, not 'ftp://x'"),
        ([{"type": "webhook", "url": "http://x", "headers": []}], "here[0].headers must be a map, not list"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_place(value: Json, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked_publishers(value, "here")
    assert words in str(refused.value)
