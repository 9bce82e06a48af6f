from __future__ import annotations

import asyncio
import time

import pytest

from maestrale.actions.base import ActionContext
from maestrale.actions.std import basic
from maestrale.model.actions import ActionFailure
from maestrale.model.errors import InvalidInput
from maestrale.model.values import Json, Secret


def test_noop_has_no_result() -> None:
    assert basic.noop.facts.pure is not None
    assert basic.noop.facts.pure() is None
    assert basic.noop.input_text == ""


def test_async_noop_waits_for_somebody() -> None:
    assert basic.async_noop.facts.waits_outside
    assert basic.async_noop.facts.is_pure({})
    assert basic.async_noop.run(ActionContext(), {}) is None


@pytest.mark.parametrize("value", [None, 0, "x", {"a": [1, None, True]}, Secret("s")])
def test_echo_without_delay_is_decided_at_once(value: Json) -> None:
    facts = basic.echo.facts
    assert facts.is_pure({"output": value})
    assert facts.pure is not None
    assert facts.pure(output=value) is value


@pytest.mark.parametrize("delay", [0, None, "soon", -3, "nan", "inf", [1], 10**400])
def test_bad_delays_count_as_none(delay: Json) -> None:
    given = {"output": "x", "delay": delay}
    assert basic.echo.facts.is_pure(given)
    assert basic.echo.facts.pure is not None
    assert basic.echo.facts.pure(**given) == "x"
    assert asyncio.run(basic.echo.run(ActionContext(), given)) == "x"


@pytest.mark.parametrize("delay", [0.1, "0.1"])
def test_echo_with_a_delay_needs_an_executor_and_takes_that_long(delay: Json) -> None:
    given = {"output": "x", "delay": delay}
    assert not basic.echo.facts.is_pure(given)
    started = time.monotonic()
    assert asyncio.run(basic.echo.run(ActionContext(), given)) == "x"
    assert time.monotonic() - started >= 0.1


def test_echo_needs_its_output() -> None:
    assert basic.echo.input_text == "output, delay=0"
    with pytest.raises(InvalidInput, match=r"missing=\['output'\]"):
        basic.echo.facts.check_input({})


@pytest.mark.parametrize("data", ["text", {"code": 7, "list": [1]}, [0]])
def test_fail_fails_with_the_data(data: Json) -> None:
    assert basic.fail.facts.pure is not None
    with pytest.raises(ActionFailure) as caught:
        basic.fail.facts.pure(error_data=data)
    assert caught.value.result == data


@pytest.mark.parametrize("data", [None, "", {}, 0])
def test_fail_without_data_says_so(data: Json) -> None:
    with pytest.raises(RuntimeError, match=r"^Fail action expected exception\.$"):
        basic.fail(data)


def test_sleep_takes_that_long() -> None:
    assert basic.sleep.input_text == "seconds=1"
    assert basic.sleep.facts.repeatable
    started = time.monotonic()
    asyncio.run(basic.sleep.run(ActionContext(), {}))
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize("seconds", [0, -1, "x", None, 0.9, float("inf"), float("nan"), "0"])
def test_sleep_takes_bad_seconds_as_none(seconds: Json) -> None:
    started = time.monotonic()
    asyncio.run(basic.sleep.run(ActionContext(), {"seconds": seconds}))
    assert time.monotonic() - started < 0.5


def test_test_dict_makes_a_map_of_that_size() -> None:
    make = basic.make_dict
    assert make.input_text == 'size=0, key_prefix="", val=""'
    assert make.run(ActionContext(), {"size": 3, "key_prefix": "k", "val": "v"}) == {
        "k0": "v",
        "k1": "v",
        "k2": "v",
    }
    assert make() == {}
    assert make.run(ActionContext(), {"size": "2"}) == {"0": "", "1": ""}


@pytest.mark.parametrize(("size", "pure"), [(3, True), (1000, True), (1001, False), ("3", False)])
def test_only_small_maps_are_made_inside_a_decision(size: Json, pure: bool) -> None:
    assert basic.make_dict.facts.is_pure({"size": size}) is pure
    assert basic.make_dict.facts.is_pure({})
