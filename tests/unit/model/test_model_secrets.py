"""What counts as secret of what people give."""

from __future__ import annotations

import pytest

from maestrale.model.secrets import ONLY_MARKED, SecretKeys, is_well_known, kept, marked_headers
from maestrale.model.values import Secret, marked_again, masked


@pytest.mark.parametrize(
    "key",
    ["password", "DB_PASSWORD", "adminPassword", "dbpasswd", "token", "X-Auth-Token", "api-key", "apiKey",
     "Authorization", "Cookie", "Set-Cookie", "private_key", "credentials", "client_secret"],
)  # fmt: skip
def test_keys_that_say_that_their_value_is_secret(key: str) -> None:
    assert is_well_known(key)


@pytest.mark.parametrize("key", ["author", "authority", "tokens", "max_tokens", "key", "pass", "monkey"])
def test_keys_that_say_nothing(key: str) -> None:
    assert not is_well_known(key)


def test_marks_and_keys() -> None:
    given = {
        "user": "me",
        "pin": 4711,
        "password": "<% env().x %>",
        "token": "",
        "secret": True,
        "list": [{"$secret": [1]}, {"api_key": "k"}],
    }
    found = SecretKeys(["^PIN$"]).marked_map(given)

    assert found == {
        **given,
        "pin": Secret(4711),
        "list": [Secret([1]), {"api_key": Secret("k")}],
    }
    assert ONLY_MARKED.marked_map(given)["list"] == [Secret([1]), {"api_key": "k"}]
    assert ONLY_MARKED.marked_map({"two": {"$secret": 1, "b": 2}}) == {"two": {"$secret": 1, "b": 2}}
    assert SecretKeys().marked_map({"$secret": {"$secret": 1}}) == {"$secret": {"$secret": 1}}


def test_headers() -> None:
    given = {"Authorization": "Basic x", "Accept": "text/plain", "Cookie": None}

    assert marked_headers(given) == {**given, "Authorization": Secret("Basic x")}
    assert marked_headers("text") == "text"


def test_what_is_written_back_masked_stays() -> None:
    before = {"a": Secret("x"), "in": {"b": [Secret("y"), 1]}, "plain": "z"}

    assert kept(masked(before), before) == before
    assert kept({"a": "new", "plain": "***"}, before) == {"a": "new", "plain": "***"}


def test_a_result_with_a_secret_in_it_is_secret() -> None:
    given = {"auth": Secret("me:hush-hush"), "deep": Secret({"a": ["tell-tale"]}), "short": Secret("ab")}
    result = {"one": "it was me:hush-hush", "two": ["ab", "a tell-tale heart", 5]}

    assert marked_again(result, given) == {
        "one": Secret("it was me:hush-hush"),
        "two": ["ab", Secret("a tell-tale heart"), 5],
    }
