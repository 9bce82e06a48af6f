"""Who may see pages: tokens in a cookie, honoured where nothing can be changed, and projects apart."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import quote

import httpx
import pytest
from api_service import BASE, NOBODY, Api, assert_fault, serving
from callers import ALICE, BOB, ROOT, Callers, callers
from page_reading import HTML, Page, page_of
from starlette.datastructures import Headers

from maestrale.api.app import PageMakers, create_app
from maestrale.api.settings import ApiSettings
from maestrale.services.access import Caller
from maestrale.ui.app import Pages
from maestrale.ui.session import COOKIE, cookie

TEXT: Final = """version: '2.0'
kept:
  tasks: {t: {action: std.async_noop}}
calls:
  tasks: {call: {workflow: kept}}
"""
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Origin": BASE}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    folder = tmp_path_factory.mktemp("sessions")
    with callers(f"sqlite:///{folder}/sessions.db", folder) as found:
        for person in (found.alice, found.bob):
            person.define(TEXT)
        yield found


def browser(people: Callers, method: str, path: str, token: str, **headers: str) -> httpx.Response:
    """A request of somebody who has signed in."""
    return people.stranger(method, path, headers={**HTML, "Cookie": f"{COOKIE}={token}", **headers})


def sign_in(
    people: Callers, token: str, goal: str = "/executions", path: str = "/session", **headers: str
) -> httpx.Response:
    body = f"token={quote(token, safe='')}&next={quote(goal, safe='')}"
    return people.stranger("POST", path, content=body, headers={**HTML, **FORM, **headers})


def set_cookie(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the only cookie, and its value."""
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return {"value": morsel.value, **{name: str(value) for name, value in morsel.items() if value}}


@pytest.mark.parametrize("path", ["/executions", f"/executions/{NOBODY}", "/executions?state=ERROR"])
def test_nobody_known_may_sign_in(people: Callers, path: str) -> None:
    """And comes back to the page that was asked for."""
    answer = people.stranger("GET", path, headers=HTML)
    page = page_of(answer, 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="maestrale"'
    assert page.one("form").attributes["action"] == "/session"
    assert page.one("input", name="next").attributes["value"] == path
    assert page.one("input", name="token").attributes["type"] == "password"
    assert page.all("label", for_="token")


def test_a_token_is_kept_in_a_cookie(people: Callers) -> None:
    answer = sign_in(people, ALICE, "/executions?state=ERROR")
    assert (answer.status_code, answer.headers["location"]) == (303, "/executions?state=ERROR")
    assert set_cookie(answer) == {"value": ALICE, "path": "/", "httponly": "True", "samesite": "Strict"}
    assert page_of(browser(people, "GET", "/executions", ALICE)).one("h1").text == "Executions"


@pytest.mark.parametrize("token", ["wrong", "", " ", "a\nb", "ä", ALICE[:-1]])
def test_a_wrong_token_is_not_kept(people: Callers, token: str) -> None:
    answer = sign_in(people, token)
    assert "set-cookie" not in answer.headers
    assert page_of(answer, 401).one("p", role="alert").text
    assert ALICE[:-1] not in answer.text


@pytest.mark.parametrize("how", ["by the origin", "by the scheme"])
def test_over_tls_the_cookie_stays_there(people: Callers, how: str) -> None:
    origin = BASE.replace("http:", "https:") if how == "by the origin" else BASE
    path = "/session" if how == "by the origin" else f"{BASE.replace('http:', 'https:')}/session"
    assert set_cookie(sign_in(people, ALICE, path=path, Origin=origin))["secure"] == "True"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example:8989"},
    ],
)
@pytest.mark.parametrize("path", ["/session", "/session/end"])
def test_forms_of_other_sites_do_nothing(people: Callers, path: str, headers: dict[str, str]) -> None:
    answer = sign_in(people, ALICE, path=path, **headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_friends_may_use_the_api_but_not_sign_anybody_in(people: Callers) -> None:
    """Origins that the operator allows are let in by the guard; a session is no affair of theirs."""
    settings = ApiSettings(allowed_origins=frozenset({"https://friend.example"}))
    api = known_as(people, Caller("blue"), settings)
    form = {**HTML, **FORM, "Origin": "https://friend.example"}
    assert api("POST", "/session", content=f"token={ALICE}", headers=form).status_code == 403


def test_a_browser_that_names_no_origin_says_where_a_form_stood(people: Callers) -> None:
    without = {name: value for name, value in FORM.items() if name != "Origin"}
    for site, status in (("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 303)):
        headers = {**HTML, **without, "Sec-Fetch-Site": site}
        assert (
            people.stranger("POST", "/session", content=f"token={ALICE}", headers=headers).status_code
            == status
        )


@pytest.mark.parametrize(
    "goal",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/executions/\\evil",
        "/executionsx",
        "/v2/workflows",
        "/executions/a\r\nSet-Cookie: b=c",
        "",
    ],
)
def test_after_signing_in_one_stays_here(people: Callers, goal: str) -> None:
    answer = sign_in(people, ALICE, goal)
    assert (answer.status_code, answer.headers["location"]) == (303, "/executions")


def test_signing_out(people: Callers) -> None:
    page = page_of(browser(people, "GET", "/executions", ALICE))
    (form,) = [form for form in page.all("form") if form.attributes["method"] == "post"]
    assert form.text == "Sign out"
    answer = browser(people, "POST", form.attributes["action"], ALICE, **FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/session")
    assert set_cookie(answer) == {
        "value": "",
        "path": "/",
        "httponly": "True",
        "samesite": "Strict",
        "max-age": "0",
    }
    page_of(people.stranger("GET", "/session", headers=HTML)).one("input", name="token")


def test_a_token_that_is_not_valid_any_more(people: Callers) -> None:
    page = page_of(browser(people, "GET", "/executions", "was-valid-once"), 401)
    assert "not valid any more" in page.one("p", role="alert").text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/executions"),
        ("GET", "/v2/executions/{id}"),
        ("PUT", "/v2/executions/{id}"),
        ("DELETE", "/v2/executions/{id}"),
        ("POST", "/v2/executions"),
        ("POST", "/v2/executions/{id}/events"),
        ("GET", "/v2/tasks"),
        ("GET", "/v2/executions/{id}/events/more"),
        ("GET", "/maintenance"),
    ],
)
def test_the_api_does_not_know_the_cookie(people: Callers, method: str, path: str) -> None:
    """Whatever makes a browser send it, nothing is changed by it, and nothing read but pages and events."""
    execution_id = people.alice.start("kept")["id"]
    answer = browser(people, method, path.format(id=execution_id), ALICE)
    assert_fault(answer, 401, "Authentication required")
    assert people.alice.get(f"/v2/executions/{execution_id}")["state"] == "RUNNING"


def test_the_events_know_it(people: Callers) -> None:
    execution_id = people.alice.start("kept")["id"]
    people.alice.put(f"/v2/executions/{execution_id}", state="CANCELLED")
    path = f"/v2/executions/{execution_id}/events"
    assert "event: end" in browser(people, "GET", path, ALICE).text
    assert browser(people, "GET", path, BOB).status_code == 404
    assert browser(people, "GET", path, "wrong").status_code == 401


def test_what_a_header_says_counts_more(people: Callers) -> None:
    """A program that sends a token means it, whatever cookie a browser below it has."""
    execution_id = people.alice.start("kept")["id"]
    for headers in ({"X-Auth-Token": BOB}, {"Authorization": f"Bearer {BOB}"}):
        assert browser(people, "GET", f"/executions/{execution_id}", ALICE, **headers).status_code == 404
    assert (
        browser(people, "GET", f"/executions/{execution_id}", BOB, **{"X-Auth-Token": ALICE}).status_code
        == 200
    )
    assert (
        browser(people, "GET", f"/executions/{execution_id}", ALICE, **{"X-Auth-Token": ""}).status_code
        == 401
    )


def without_names(page: str, *names: str) -> str:
    for name in names:
        page = page.replace(name, "<asked>")
    return page


def test_executions_of_others_are_not_there(people: Callers) -> None:
    """What belongs to another project is answered as what nobody has."""
    hers = people.alice.start("calls")["id"]
    call = people.alice.task(hers, "call", "RUNNING")["id"]
    his = people.bob.start("kept")["id"]
    for path, name in (
        (f"/executions/{hers}", hers),
        (f"/executions/{his}?task={call}", call),
        (f"/executions/{call}", call),
    ):
        none = str(uuid.uuid4())
        real = browser(people, "GET", path, BOB)
        unknown = browser(people, "GET", path.replace(name, none), BOB)
        assert (real.status_code, unknown.status_code) == (404, 404)
        assert without_names(real.text, name) == without_names(unknown.text, none)
    shown = browser(people, "GET", "/executions", BOB).text
    assert his in shown
    assert hers not in shown
    assert hers in browser(people, "GET", "/executions", ALICE).text
    assert browser(people, "GET", f"/executions?marker={hers}", BOB).status_code == 404


def test_administrators_see_whose_they_are(people: Callers) -> None:
    people.alice.start("kept")
    people.bob.start("kept")
    headings = [
        cell.text for cell in page_of(browser(people, "GET", "/executions", ROOT)).all("th", scope="col")
    ]
    assert "Project" in headings
    headings = [
        cell.text for cell in page_of(browser(people, "GET", "/executions", BOB)).all("th", scope="col")
    ]
    assert "Project" not in headings


def test_without_authentication_there_is_nothing_to_sign_in_to(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('open')}/open.db") as api:
        page = page_of(api("GET", "/executions", headers=HTML))
        assert not [form for form in page.all("form") if form.attributes["method"] == "post"]


class _Known:
    """Everybody is this caller."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, _headers: Headers, _address: str | None) -> Caller:
        return self._caller


def known_as(people: Callers, caller: Caller, settings: ApiSettings | None = None) -> Api:
    """The same service, where everybody is this caller."""
    service = people.root.service
    services, known = service.services(), _Known(caller)
    pages = partial(Pages, services=services, authentication=known)
    makers = PageMakers(str, lambda _document, base: base)
    return Api(service, app=create_app(services, settings or ApiSettings(), makers, known, pages))


class _Refused(Caller, frozen=True):
    """May do everything but what one rule is about."""

    rule: str = ""

    def may(self, rule: str) -> bool:
        return rule != self.rule


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/executions", "executions:list"),
        ("/executions/{id}", "executions:get"),
        ("/executions/{id}", "tasks:list"),
        ("/executions/{id}", "action_executions:list"),
        ("/executions/{id}?task={task}", "tasks:get"),
    ],
)
def test_pages_are_held_to_the_rules_of_what_they_show(people: Callers, path: str, rule: str) -> None:
    execution_id = people.alice.start("kept")["id"]
    task = people.alice.task(execution_id, "t", "RUNNING")["id"]
    for caller, status in ((_Refused("blue", rule=rule), 403), (_Refused("blue"), 200)):
        page = Page(known_as(people, caller)("GET", path.format(id=execution_id, task=task)).text)
        assert ("Operation forbidden" in page.one("main").text) is (status == 403)
        assert rule in page.one("main").text or status == 200


def test_a_token_that_no_browser_would_keep() -> None:
    assert cookie("x" * 5000, is_secure=False) is None
    assert (
        cookie("a;b=c d\\", is_secure=False)
        == f"{COOKIE}=a%3Bb%3Dc%20d%5C; Path=/; HttpOnly; SameSite=Strict"
    )
