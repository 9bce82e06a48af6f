"""The OpenAPI document tells all of the API, and the page shows all of the document."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from api_service import Api, serving
from callers import callers
from every_request import TABLE
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.requests import Request
from starlette.responses import Response

from maestrale.api.answers import nothing
from maestrale.api.listing import ListQuery
from maestrale.api.objects import Shown
from maestrale.api.openapi import described, make_document
from maestrale.api.operation import operation
from maestrale.api.routing import route
from maestrale.services import (
    actions,
    code_sources,
    definitions,
    dynamic_actions,
    environments,
    executions,
    triggers,
    workbooks,
)
from maestrale.services import tasks as task_services
from maestrale.services.action_executions import ActionExecutions

pytest_plugins = ["api_fixtures"]

ON_POSTGRESQL = 0
"""What the API says of itself has nothing to do with its database."""

MISTAKES = re.compile(r"(PUT|DELETE) /v2/\w+(/{id}/members)?$")
"""Changes of whole collections: they are refused with the reason."""


@pytest.fixture(scope="module")
def document(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json")
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation_)
        for path, methods in document["paths"].items()
        for method, operation_ in methods.items()
    ]


def test_the_document_has_the_official_form(document: dict[str, Any]) -> None:
    text = (files("openapi_spec_validator") / "resources/schemas/v3.1/schema.json").read_text()
    errors = jsonschema_rs.validator_for(json.loads(text)).iter_errors(document)
    assert [f"{error.instance_path}: {error.message}" for error in errors] == []


@pytest.mark.slow
def test_the_document_is_valid_in_all(document: dict[str, Any]) -> None:
    """Types, defaults and references as well."""
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    told = {(method, path) for method, path, _ in operations(document)}
    there = {(row.method, re.sub(r":\w+}", "}", row.path)) for row in TABLE}
    assert told <= there
    missing = {f"{method} {path}" for method, path in there - told}
    assert all(MISTAKES.match(name) for name in missing), missing
    assert len(missing) == 17


def test_a_route_that_is_not_described_is_found() -> None:
    async def endpoint(_request: Request) -> Response:
        return nothing()

    with pytest.raises(LookupError, match="GET /v2/new is not described"):
        list(described([route("/v2/new", GET=endpoint)]))


def test_a_declaration_is_all_that_an_endpoint_needs() -> None:
    class Greeting(Shown):
        """A greeting."""

        id: str
        text: str

    @operation(answers=Greeting, fails=())
    async def greet(_request: Request) -> Response:
        """Greet.

        With more words.
        """
        return nothing()

    made = make_document([route("/v2/tasks/{id}/greeting", GET=greet)], is_open=True)
    told = made["paths"]["/v2/tasks/{id}/greeting"]["get"]
    assert (told["operationId"], told["summary"]) == ("get_tasks_by_id_greeting", "Greet")
    assert told["description"] == "With more words."
    assert set(told["responses"]) == {"200", "400", "401", "403", "500", "503"}
    assert made["components"]["schemas"]["Greeting"]["required"] == ["id"]


def test_every_operation_has_its_errors(document: dict[str, Any]) -> None:
    names = [operation_["operationId"] for _, _, operation_ in operations(document)]
    assert len(names) == len(set(names))
    for method, path, operation_ in operations(document):
        statuses = set(operation_["responses"])
        assert {"403", "500"} <= statuses, path
        assert ("423" in statuses) is (method != "GET" and path != "/maintenance"), path
        assert ({"413", "415"} <= statuses) is ("requestBody" in operation_), path
        assert operation_["summary"], path


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("Workflow", definitions.Definitions),
        ("Workbook", workbooks.Workbooks),
        ("Action", actions.Actions),
        ("Environment", environments.Environments),
        ("Execution", executions.Executions),
        ("Task", task_services.Tasks),
        ("ActionExecution", ActionExecutions),
        ("CronTrigger", triggers.CronTriggers),
        ("EventTrigger", triggers.EventTriggers),
        ("CodeSource", code_sources.CodeSources),
        ("DynamicAction", dynamic_actions.DynamicActions),
    ],
)
def test_objects_have_the_fields_that_can_be_asked_for(
    document: dict[str, Any], name: str, service: Any
) -> None:
    shape = ListQuery(service.shape).shape
    properties = document["components"]["schemas"][name]["properties"]
    assert set(properties) == set(shape.fields)
    nullable = {field for field, schema in properties.items() if {"type": "null"} in schema.get("anyOf", ())}
    assert shape.nullable <= nullable | {"updated_at"}


@pytest.mark.parametrize("kind", ["workflows", "workbooks", "actions"])
def test_examples_of_texts_are_valid(api: Api, document: dict[str, Any], kind: str) -> None:
    body = document["paths"][f"/v2/{kind}"]["post"]["requestBody"]
    text = body["content"]["text/plain"]["example"]
    answer = api("POST", f"/v2/{kind}/validate", content=text)
    assert answer.json() == {"valid": True}


def test_the_server_is_the_one_that_was_asked(api: Api) -> None:
    for path in ("/openapi.json", "/v2/openapi.json"):
        answer = api("GET", path, host="127.0.0.1:8989")
        assert answer.json()["servers"] == [{"url": "http://127.0.0.1:8989"}]


def test_it_says_whether_callers_must_be_known(document: dict[str, Any], tmp_path: Path) -> None:
    assert document["security"] == []
    with callers(f"sqlite:///{tmp_path}/maestrale.db", tmp_path) as people:
        told = people.stranger.get("/openapi.json")
        page = people.stranger("GET", "/docs").text
    assert told["security"] == [{"token": []}, {"bearer": []}]
    assert told["paths"]["/ready"]["get"]["security"] == []
    assert "security" not in told["paths"]["/v2/tasks"]["get"]
    assert "X-Auth-Token" in page


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def values(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


def test_the_page_shows_everything_and_loads_nothing(api: Api, document: dict[str, Any]) -> None:
    answer = api("GET", "/docs")
    page = Page(answer.text)
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {f"operation-{one['operationId']}" for *_, one in operations(document)} <= set(anchors)
    assert {f"type-{name}" for name in document["components"]["schemas"]} <= set(anchors)
    links = page.values("href")
    assert {link[1:] for link in links if link.startswith("#")} <= set(anchors)
    assert {link for link in links if not link.startswith("#")} == {
        "http://localhost:8989/",
        "http://localhost:8989/openapi.json",
    }
    assert not page.values("src")
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe"}
    assert not any(name.startswith("on") or name == "style" for _, given in page.tags for name in given)
    assert [given["lang"] for tag, given in page.tags if tag == "html"] == ["en"]
    assert all(given.get("scope") == "col" for tag, given in page.tags if tag == "th")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_may_run_nothing(api: Api, path: str) -> None:
    headers = api("GET", path, headers={"Accept": "text/html"}).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert 'href="http://localhost:8989/docs"' in api("GET", "/", headers={"Accept": "text/html"}).text


def test_the_document_is_made_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []

    def make(*given: Any, **named: Any) -> dict[str, Any]:
        made.append(True)
        return make_document(*given, **named)

    monkeypatch.setattr("maestrale.api.openapi.make_document", make)
    with serving(f"sqlite:///{tmp_path}/maestrale.db") as api:
        api.get("/v2/workflows")
        assert not made
        for path in ("/openapi.json", "/docs", "/v2/openapi.json"):
            api("GET", path)
        assert len(made) == 1
