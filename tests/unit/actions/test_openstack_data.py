"""Data out of what clients of OpenStack's services answer."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

import pytest

from maestrale.actions.openstack_data import DEEPEST, plain


class Client:
    def __init__(self) -> None:
        self.token = "secret"


class Server:
    """As clients make them: fields out of an answer, and the way back to the client."""

    def __init__(self, **fields: Any) -> None:
        self.manager = Client()
        self._info = fields
        self.__dict__.update(fields)


def test_fields_of_objects_that_are_data() -> None:
    found = plain(
        [Server(id="7", addresses={"private": [{"addr": b"10.0.0.1"}]}, at=datetime.date(2026, 1, 2))]
    )
    fields = {"id": "7", "addresses": {"private": [{"addr": "10.0.0.1"}]}, "at": "2026-01-02"}
    assert found == [{"_info": fields, **fields}]
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        ((1, 2.5, True), [1, 2.5, True]),
        (iter("ab"), ["a", "b"]),
        ({1: {"x"}}, {"1": ["x"]}),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ({"error": ValueError("no")}, {"error": "ValueError('no')"}),
    ],
)
def test_other_values(value: Any, data: Any) -> None:
    assert plain(value) == data


def test_an_object_without_data_is_a_text() -> None:
    class Bare:
        def __init__(self) -> None:
            self.client = Client()

        def __str__(self) -> str:
            return "bare"

    assert plain({"it": Bare()}) == {"it": "bare"}


def test_a_circle_ends() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert json.dumps(plain(circle)).count("[") == DEEPEST
