from __future__ import annotations

import sys
import warnings
from typing import Any

import pytest
from mistral_lib import actions as library

from maestrale.actions import legacy
from maestrale.actions.base import ActionContext
from maestrale.model.actions import REQUIRED, ActionResult, Parameter
from maestrale.model.errors import InvalidInput
from maestrale.model.security import SecurityContext

CONTEXT = ActionContext(
    workflow_execution_id="w",
    workflow_name="name",
    task_execution_id="t",
    action_execution_id="a",
    callback_path="/v2/action_executions/a",
    item_index=3,
    security=SecurityContext(
        project_id="p", project_name="pn", user_id="u", user_name="un", auth_token="secret", auth_uri="uri",
        auth_cacert="ca", insecure=True, service_catalog=[{"type": "x"}], region_name="r", trust_id="tr",
        is_trust_scoped=True, expires_at="2030", is_target=True, roles=("member",),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "parameters", "takes_any"),
    [
        ("", (), False),
        ("a", (Parameter("a"),), False),
        ("a, b=null, c=\"x, y\"", (Parameter("a"), Parameter("b", None), Parameter("c", "x, y")), False),
        ('f={"a": [1, 2], "b": "}"}, **kwargs', (Parameter("f", {"a": [1, 2], "b": "}"}),), True),
        ("a=1,b=2", (Parameter("a", 1), Parameter("b", 2)), False),
        ("a=some text", (Parameter("a", "some text"),), False),
        ("*args, a", (Parameter("a"),), False),
        (r'a="say \", x", b', (Parameter("a", 'say ", x'), Parameter("b")), False),
    ],
)  # fmt: skip
def test_lists_of_parameters(text: str, parameters: tuple[Parameter, ...], takes_any: bool) -> None:
    assert legacy.read_parameters(text) == (parameters, takes_any)


class Base:
    """What the base says."""

    def run(self) -> str:
        return "ran"


class Full(Base):
    def __init__(self, a: int, b: object = Base, *, c: str = "x", **rest: object) -> None: ...


def test_parameters_are_those_of_the_constructor() -> None:
    action = legacy.LegacyAction("x.full", Full)
    assert action.input_text == 'a, b, c="x", **kwargs'
    assert action.facts.parameters == (Parameter("a", REQUIRED), Parameter("b", Base), Parameter("c", "x"))
    assert (action.facts.takes_any, action.facts.class_name) == (True, f"{__name__}.Full")
    assert action.description == "What the base says."
    assert not action.is_async


def test_a_class_without_constructor_takes_nothing() -> None:
    action = legacy.LegacyAction("x.base", Base)
    assert action.input_text == ""
    assert action.run(CONTEXT, {}) == "ran"
    with pytest.raises(InvalidInput, match=r"unexpected=\['a'\]"):
        action.run(CONTEXT, {"a": 1})


def test_a_class_must_run() -> None:
    with pytest.raises(TypeError, match="has no method 'run'"):
        legacy.LegacyAction("x.none", object)


class Nothing(library.Action):  # type: ignore[misc]
    def run(self, context: Any) -> Any:
        return context


TOKEN = {
    "methods": ["token"],
    "expires_at": "2030",
    "user": {"id": "u", "name": "un"},
    "project": {"id": "p", "name": "pn"},
    "roles": [{"name": "member"}],
    "catalog": [{"type": "x"}],
}
"""What Keystone says of a token, which Mistral gives as the catalogue."""


@pytest.mark.parametrize("catalog", [None, {"token": {}, "serviceCatalog": []}])
def test_a_catalogue_that_a_request_brings_stays_as_it_is(catalog: Any) -> None:
    assert legacy.library_catalog(SecurityContext(service_catalog=catalog)) is catalog


def test_the_context_has_the_librarys_own_form() -> None:
    context = legacy.LegacyAction("x.nothing", Nothing)._kind().run(legacy.library_context(CONTEXT))
    assert vars(context.security) == {
        "auth_uri": "uri", "auth_cacert": "ca", "insecure": True, "service_catalog": TOKEN,
        "region_name": "r", "is_trust_scoped": True, "redelivered": False, "expires_at": "2030",
        "trust_id": "tr", "is_target": True, "project_id": "p", "project_name": "pn", "user_name": "un",
        "auth_token": "secret",
    }  # fmt: skip
    assert context.execution.workflow_execution_id == "w"
    assert context.execution.with_items_index == 3
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert (context.auth_token, context.execution.task_id) == ("secret", "t")
    assert [warning.category for warning in caught] == [DeprecationWarning] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (library.Result(data=[1]), [1]),
        (library.Result(error={"a": 1}), ActionResult("ERROR", {"a": 1})),
        (library.Result(error=""), ActionResult("ERROR", "")),
        (library.Result(error=None), None),
        (library.Result(data=1, cancel=True), ActionResult("CANCELLED", None)),
        (library.Result(error="why", cancel=True), ActionResult("CANCELLED", "why")),
        ({"set": {1}}, {"set": [1]}),
    ],
)
def test_results(value: object, expected: object) -> None:
    assert legacy.outcome(Nothing(), value) == expected


class Waits(Nothing):
    def is_sync(self) -> bool:
        return False


class MayWait(Nothing):
    def __init__(self, wait: bool) -> None:
        self.wait = wait

    def is_sync(self) -> bool:
        return not self.wait


def test_who_waits_for_outside() -> None:
    assert [legacy.always_waits(kind) for kind in (Base, Nothing, Waits, MayWait, None)] == [
        False, False, True, False, False,
    ]  # fmt: skip
    may_wait = legacy.LegacyAction("x.may", MayWait)
    assert may_wait.run(ActionContext(), {"wait": True}) is legacy.GOES_ON
    assert may_wait.run(ActionContext(), {"wait": False}) != legacy.GOES_ON


@pytest.mark.covers("act.custom.test_method")
def test_the_own_members_of_a_class_are_left_to_it() -> None:
    class Tested(Nothing):
        def test(self, context: object) -> str:
            return f"tested {context}"

    action = legacy.LegacyAction("x.tested", Tested, attributes={"colour": "red"})
    instance = legacy.made(action._kind, {})
    assert (instance.colour, instance.test("it")) == ("red", "tested it")
    assert not hasattr(Tested, "colour")


def test_public_fields_are_no_methods() -> None:
    class Fields:
        shown = 1
        _hidden = 2

        @property
        def computed(self) -> int:
            return 3

        def method(self) -> None: ...

        @staticmethod
        def function() -> None: ...

        @classmethod
        def of_class(cls) -> None: ...

    assert legacy.public_fields(Fields) == {"shown": 1}


def test_plain_classes_do_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mistral_lib")]:
        monkeypatch.delitem(sys.modules, name)

    class Plain:
        def __init__(self, number: int) -> None:
            self.number = number

        def run(self, context: object) -> object:
            return [self.number, context]

    assert legacy.LegacyAction("x.plain", Plain).run(CONTEXT, {"number": 1}) == [1, None]
    assert not any(name.startswith("mistral_lib") for name in sys.modules)
