"""What an ad-hoc action runs, in its column and back."""

from __future__ import annotations

import pytest

from maestrale.engine.execution import AdHocRun, Transformation
from maestrale.model.values import Json, Secret
from maestrale.store.documents import LARGE, Values
from maestrale.store.rows import decode_adhoc, encode_adhoc


@pytest.mark.parametrize(
    "value",
    [
        1,
        None,
        {"x": [Secret("hush")]},
        "x" * (LARGE + 1),
        {"$value": "no reference"},
        {"$secret": "no secret"},
    ],
    ids=["number", "null", "secret", "large", "reference", "mark"],
)
def test_there_and_back(value: Json) -> None:
    run = AdHocRun(
        "std.echo",
        {"output": value},
        (Transformation("inner", {"a": value}, {"output.a": (3, 4)}), Transformation("outer", "<% $ %>")),
    )
    values = Values()
    text = encode_adhoc(run, values)
    assert text is not None
    assert "hush" not in text
    assert len(text) < LARGE
    assert decode_adhoc(text, values.__getitem__) == run


def test_other_actions_have_none() -> None:
    values = Values()
    assert encode_adhoc(None, values) is None
    assert decode_adhoc(None, values.__getitem__) is None
