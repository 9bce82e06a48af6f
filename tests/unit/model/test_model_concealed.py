from __future__ import annotations

import pytest

from maestrale.model.values import Json, Secret, concealed


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": Secret("hush")}, "say *** and ***, not open"),
        ({"a": [{"b": Secret({"c": ["hush"]})}], "d": Secret("open")}, "say *** and ***, not ***"),
        ({"a": Secret("say")}, "say hush and hush, not open"),  # too short to tell
        ({"a": Secret(None), "b": Secret(7), "c": "hush", "d": Secret("")}, "say hush and hush, not open"),
        (None, "say hush and hush, not open"),
    ],
)
def test_secrets_in_a_text_are_masked(given: Json, text: str) -> None:
    assert concealed("say hush and hush, not open", given) == text
