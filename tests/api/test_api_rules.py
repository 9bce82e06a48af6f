"""Which rule each request is held to, and that every rule is Mistral's, with its default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest
from api_service import NOBODY, Api, assert_fault
from callers import callers
from every_request import TABLE, Asked
from starlette.routing import Route

from maestrale.api.app import PageMakers, all_routes, create_app
from maestrale.api.settings import ApiSettings
from maestrale.services.access import Caller, authorise
from maestrale.services.policy import RULES
from maestrale.wiring import Service

MAKERS: Final = PageMakers(str, lambda _document, base: base)

BY_DEFAULT: Final = {
    "anybody": """
        actions:create actions:delete actions:get actions:list actions:update
        action_executions:create action_executions:delete action_executions:get action_executions:list
        action_executions:update
        cron_triggers:create cron_triggers:delete cron_triggers:get cron_triggers:list
        environments:create environments:delete environments:get environments:list environments:update
        event_triggers:create event_triggers:delete event_triggers:get event_triggers:list
        event_triggers:update
        executions:create executions:delete executions:get executions:list executions:update
        members:create members:delete members:get members:list members:update
        services:list tasks:get tasks:list tasks:update
        workbooks:create workbooks:delete workbooks:get workbooks:list workbooks:update
        workflows:create workflows:delete workflows:get workflows:list workflows:update""",
    "administrators": """
        actions:publicize
        code_sources:create code_sources:delete code_sources:get code_sources:list code_sources:update
        code_sources:publicize
        cron_triggers:publicize cron_triggers:list:all_projects
        dynamic_actions:create dynamic_actions:delete dynamic_actions:get dynamic_actions:list
        dynamic_actions:update dynamic_actions:publicize
        environments:publicize event_triggers:publicize event_triggers:list:all_projects
        executions:list:all_projects workbooks:publicize workflows:publicize workflows:list:all_projects""",
}


class Recorder(Caller, frozen=True):
    """A caller who may do everything but `refused`, and keeps which rules were asked."""

    refused: str = ""
    heard: list[str] = msgspec.field(default_factory=list)

    def may(self, rule: str) -> bool:
        self.heard.append(rule)
        return rule != self.refused


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("rules")
    with callers(f"sqlite:///{folder}/rules.db", folder) as people:
        yield people.root.service


class Everybody:
    """Takes everybody for one caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, _headers: object, _address: str | None) -> Caller:
        return self._caller


def ask(service: Service, caller: Caller, row: Asked) -> Any:
    app = create_app(service.services(), ApiSettings(), MAKERS, Everybody(caller))
    path = re.sub(r"\{[^}]+\}", NOBODY, row.path)
    return Api(service, app=app)(row.method, path, **row.given)


def named(row: Asked) -> str:
    return f"{row.method} {row.path} {','.join(row.rules)}"


@pytest.mark.parametrize("row", TABLE, ids=named)
def test_a_request_is_held_to_its_rules(service: Service, row: Asked) -> None:
    caller = Recorder("blue", is_admin=True)
    answer = ask(service, caller, row)
    assert answer.status_code in (200, 201, 302, 400, 404), answer.text
    assert tuple(caller.heard) == row.rules


@pytest.mark.parametrize(
    ("row", "rule"),
    [pytest.param(row, rule, id=f"{named(row)} {rule}") for row in TABLE for rule in row.rules],
)
def test_who_may_not_is_refused(service: Service, row: Asked, rule: str) -> None:
    caller = Recorder("blue", is_admin=True, refused=rule)
    answer = ask(service, caller, row)
    assert_fault(answer, 403, "Operation forbidden (insufficient permissions)", rule)


def test_the_table_has_every_path_and_method(service: Service) -> None:
    found = set()
    for route in all_routes(service.services(), ApiSettings(), MAKERS):
        assert isinstance(route, Route)
        methods = set(route.methods or ()) - {"HEAD", "OPTIONS"}
        found |= {(method, route.path) for method in methods}
    assert found == {(row.method, row.path) for row in TABLE}


def test_the_rules_are_those_of_mistral() -> None:
    expected = {rule: who for who, names in BY_DEFAULT.items() for rule in names.split()}
    assert len(expected) == 70
    assert expected | {"maintenance:update": "administrators"} == {**RULES}


def test_every_rule_is_asked() -> None:
    used = {rule for row in TABLE for rule in row.rules}
    assert used == {*RULES}


def test_a_rule_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(KeyError):
        authorise(Caller("blue", is_admin=True), "workflows:crate")


@pytest.mark.parametrize("rule", RULES)
def test_who_passes_by_default(rule: str) -> None:
    administrator, other = Caller("blue", is_admin=True), Caller("blue", roles=("member",))
    assert administrator.may(rule)
    assert other.may(rule) is (RULES[rule] == "anybody")
