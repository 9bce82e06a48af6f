from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from maestrale.actions.base import (
    Action,
    ActionContext,
    ActionFailure,
    action,
    result_of_error,
    result_of_timeout,
    result_of_value,
)
from maestrale.actions.signals import Signals
from maestrale.model import states
from maestrale.model.actions import REQUIRED, ActionResult, Parameter
from maestrale.model.errors import InvalidInput, NotFound
from maestrale.model.values import Json, Secret


@action("test.greet", repeatable=True)
async def greet(context: ActionContext, name: str, polite: bool = True, marks: Json = None) -> str:
    """Greet somebody.

    With or without a title.
    """
    return f"{context.task_name}: {'Dear ' if polite else ''}{name}{marks or ''}"


@action("test.double", pure=True)
def double(number: int) -> int:
    return number * 2


@action("test.anything")
def anything(first: int = 1, **rest: Json) -> dict[str, Json]:
    return {"first": first, **rest}


def test_the_signature_makes_the_facts() -> None:
    facts = greet.facts
    assert facts.name == greet.name == "test.greet"
    assert facts.parameters == (
        Parameter("name", REQUIRED),
        Parameter("polite", True),
        Parameter("marks", None),
    )
    assert (facts.takes_any, facts.waits_outside, facts.repeatable, facts.pure) == (False, False, True, None)
    assert facts.class_name.endswith("test_actions_base.greet")
    assert greet.description == "Greet somebody.\n\nWith or without a title."
    assert greet.returns is str
    assert repr(greet).startswith("<Action test.greet: ")


def test_a_pure_action_is_the_function_itself_and_may_be_repeated() -> None:
    assert double.facts.pure is not None
    assert double.facts.pure(number=4) == 8
    assert double.facts.is_pure({"number": 4})
    assert double.facts.repeatable
    assert not greet.facts.is_pure({"name": "x"})
    assert double.description == ""


def test_secrets_are_sealed_where_they_are_given() -> None:
    @action("test.login", secrets=("password",))
    def login(user: str, password: str = "") -> None: ...

    assert login.facts.sealed({"user": "a", "password": "b"}) == {"user": "a", "password": Secret("b")}
    assert login.facts.sealed({"user": "a", "password": ""}) == {"user": "a", "password": ""}
    plain: dict[str, Json] = {"user": "a"}
    assert login.facts.sealed(plain) is plain


def test_secrets_must_be_parameters_of_actions_that_an_executor_runs() -> None:
    with pytest.raises(TypeError, match=r"there is no parameter \['pasword'\] to be kept secret"):
        action("test.login", secrets=("pasword",))(lambda password: password)
    with pytest.raises(TypeError, match="a pure action cannot have secrets"):
        action("test.login", pure=True, secrets=("password",))(lambda password: password)


def test_pure_may_depend_on_the_input() -> None:
    @action("test.half", pure=lambda number: number // 2, pure_when=lambda given: given["number"] < 10)
    async def half(number: int) -> int:
        return number // 2

    assert half.facts.is_pure({"number": 4})
    assert not half.facts.is_pure({"number": 40})
    assert half.facts.pure is not None
    assert half.facts.pure(number=4) == 2


def test_an_action_can_be_called_as_the_function_it_is() -> None:
    result: str = asyncio.run(greet(ActionContext(task_name="t"), "Ann", polite=False))
    assert result == "t: Ann"
    assert double(3) == 6


def test_running_fills_in_the_context() -> None:
    assert greet.is_async
    assert not double.is_async
    assert asyncio.run(greet.run(ActionContext(task_name="t"), {"name": "Ann"})) == "t: Dear Ann"
    assert double.run(ActionContext(), {"number": 3}) == 6


@pytest.mark.parametrize("given", [{}, {"name": "x", "shoe": 1}, {"name": "x", "context": {}}])
def test_running_checks_the_names(given: dict[str, Json]) -> None:
    with pytest.raises(InvalidInput, match=r"Invalid input \[name=test.greet"):
        asyncio.run(greet.run(ActionContext(), given))


def test_any_name_is_taken_where_the_function_does() -> None:
    assert anything.run(ActionContext(), {"x": 5}) == {"first": 1, "x": 5}
    assert anything.facts.takes_any
    assert anything.input_text == "first=1, **kwargs"


def test_the_input_text_shows_defaults_as_json() -> None:
    @action("test.defaults")
    def defaults(
        url: str, method: str = "GET", params: Json = None, flag: bool = False, when: Any = datetime.date.min
    ) -> None: ...

    assert defaults.input_text == 'url, method="GET", params=null, flag=false, when'
    assert defaults.returns is None


def test_a_missing_return_annotation_is_any() -> None:
    def bare(x):  # type: ignore[no-untyped-def]
        return x

    assert action("test.bare")(bare).returns is Any


def positional(x: int, /) -> int:
    return x


def starred(*x: int) -> int:
    return len(x)


async def asynchronous(x: int) -> int:
    return x


def with_context(context: ActionContext) -> int:
    return context.attempt


def unknown_annotation(x: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821
    del x


@pytest.mark.parametrize(
    ("function", "pure", "complaint"),
    [
        (positional, False, "parameter 'x' cannot be given by name"),
        (starred, False, "parameter 'x' cannot be given by name"),
        (asynchronous, True, "a pure action is an ordinary function"),
        (with_context, True, "a pure action is an ordinary function"),
        (unknown_annotation, False, "'NoSuchType' is not defined"),
    ],
)
def test_unusable_functions_are_refused(function: Any, pure: bool, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint) as caught:
        action("test.bad", pure=pure)(function)
    assert "Action 'test.bad'" in str(caught.value)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: tuple[int, ...]


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        ("x", "x"),
        ([1, 2.5, True], [1, 2.5, True]),
        ((1, (2,)), [1, [2]]),
        ({"a": Point(1, (2, 3))}, {"a": {"x": 1, "y": [2, 3]}}),
        ({1: Colour.RED, Colour.RED: {7}}, {"1": "red", "red": [7]}),
        (datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "2024-01-02T00:00:00Z"),
    ],
)
def test_a_returned_value_is_a_success(value: object, stored: Json) -> None:
    assert result_of_value(value, "n", "i") == ActionResult(states.SUCCESS, stored)


def test_a_secret_stays_marked_in_a_result() -> None:
    result = result_of_value({"key": [Secret("x")]}, "n", "i").result
    assert isinstance(result["key"][0], Secret)


def test_a_value_without_json_form_is_an_error() -> None:
    result = result_of_value({"x": object()}, "acme.x", "id-1")
    assert result.state == states.ERROR
    assert "[action=acme.x, action_ex_id=id-1, msg='The returned value is not JSON: " in result.result
    endless: list[Any] = []
    endless.append(endless)
    assert result_of_value(endless, "n", "i").state == states.ERROR


def test_what_is_raised_is_an_error() -> None:
    text = "The action raised an exception [action=a, action_ex_id=i, msg='{}']"
    assert result_of_error(ValueError("bad"), "a", "i") == ActionResult(states.ERROR, text.format("bad"))
    assert result_of_error(KeyboardInterrupt(), "a", "i").result == text.format("KeyboardInterrupt")
    assert result_of_error(NotFound("no x", "try y"), "a", "i").result == text.format("no x (try y)")


def test_a_failure_keeps_its_structured_result() -> None:
    failure = ActionFailure({"code": 7})
    assert result_of_error(failure, "a", "i") == ActionResult(states.ERROR, {"code": 7})


def test_timeouts_name_the_seconds() -> None:
    assert result_of_timeout(5) == ActionResult(states.ERROR, "Timeout after 5 seconds")
    assert result_of_timeout(0.5).result == "Timeout after 0.5 seconds"


def test_decorated_functions_stay_typed(tmp_path: Any) -> None:
    source = tmp_path / "typed_use.py"
    source.write_text(
        "from maestrale.actions.base import action\n"
        "@action('x')\n"
        "async def f(a: int, b: str = '') -> bool: return True\n"
        "async def g() -> None:\n"
        "    good: bool = await f(1, b='x')\n"
        "    wrong: str = await f(1)\n"
        "    await f('1')\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    errors = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert ["typed_use.py:6" in errors[0], "typed_use.py:7" in errors[1], len(errors)] == [True, True, 2]


def test_actions_are_values_of_one_class() -> None:
    assert isinstance(greet, Action)


class Paint(enum.Enum):
    RED = "red"


class Size(msgspec.Struct):
    width: int
    height: float = 1.0


@action("test.typed")
def typed(
    count: int,
    size: Size | None = None,
    colours: list[Paint] = [],  # noqa: B006
    when: datetime.date = None,  # type: ignore[assignment]  # noqa: RUF013
    free: Json = None,
    path: Path = Path(),
    **more: int,
) -> list[object]:
    """Return what arrives."""
    return [count, size, colours, when, free, path, more]


def test_values_become_what_the_signature_says() -> None:
    given: dict[str, Json] = {
        "count": 1,
        "size": {"width": 2},
        "colours": ["red"],
        "when": "2020-02-29",
        "free": {"a": 1},
        "path": "as it is",
        "more": "x",
    }
    assert typed.run(ActionContext(), given) == [
        1, Size(2), [Paint.RED], datetime.date(2020, 2, 29), {"a": 1}, Path("as it is"), {"more": "x"},
    ]  # fmt: skip
    assert typed.run(ActionContext(), {"count": 1, "size": None, "when": None})[1:4] == [None, [], None]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"count": "1"},
            "input of test.typed: parameter 'count': Expected `int`, got `str`",
        ),
        ({"count": 1, "size": {"width": "x"}}, "parameter 'size.width': Expected `int`, got `str`"),
        ({"count": 1, "colours": ["blue"]}, "parameter 'colours[0]': Invalid enum value 'blue'"),
        ({"count": None}, "parameter 'count': Expected `int`, got `null`"),
        ({"count": 1, "when": "today"}, "parameter 'when': Invalid RFC3339 encoded date"),
        ({"count": 1, "path": 7}, "parameter 'path': "),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(given: dict[str, Json], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        typed.run(ActionContext(), given)
    assert words in str(caught.value)


def test_a_class_is_an_action_too() -> None:
    class Adder:
        """Add."""

        def __init__(self, number: int, other: int = 1) -> None:
            self.sum = number + other

        async def run(self, context: ActionContext) -> list[object]:
            return [self.sum, context.attempt]

    class Short:
        def run(self) -> int:
            return 7

    adder: Action[..., Any] = action("test.class", repeatable=True)(Adder)
    short: Action[..., Any] = action("test.short")(Short)
    assert (adder.input_text, adder.description, adder.is_async) == ("number, other=1", "Add.", True)
    assert adder.returns == list[object]
    assert asyncio.run(adder.run(ActionContext(attempt=2), {"number": 3})) == [4, 2]
    assert (short.is_async, short.run(ActionContext(), {}), short.input_text) == (False, 7, "")
    with pytest.raises(InvalidInput, match="parameter 'number'"):
        adder.run(ActionContext(), {"number": "3"})
    with pytest.raises(TypeError, match="the class object has no method 'run'"):
        action("test.object")(object)


def test_progress_has_a_fraction_between_none_and_all() -> None:
    told = []

    class Heard(Signals):
        def progress(self, message: str) -> None:
            told.append(message)

    context = ActionContext(signals=Heard())
    context.progress("begun")
    context.progress("half", 0.5)
    context.heartbeat()
    assert told == ["begun", "50%: half"]
    for fraction in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            context.progress("wrong", fraction)
