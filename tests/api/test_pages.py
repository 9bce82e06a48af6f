"""The pages for people: what they show of executions, and what they do with what strangers write."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import yaml
from api_service import NOBODY, Api
from page_reading import HTML, Page, page_of

from maestrale.store import overview
from maestrale.ui import executions_page

pytest_plugins = ["api_fixtures"]

ON_POSTGRESQL = 4

TEXT: Final = """version: '2.0'
shown:
  input: [number: 17]
  output: {parcel: <% $.parcel %>}
  tasks:
    check: {action: std.noop, publish: {parcel: JD0146}, on-success: [ask, each]}
    ask: {action: std.async_noop, on-success: last}
    each: {with-items: "i in <% [1, 2] %>", action: std.echo output=<% $.i %>, on-success: last}
    last: {join: all, action: std.noop, on-error: fail}
calling:
  tasks:
    call: {workflow: shown}
failing:
  tasks:
    t: {action: std.fail error_data="out of cheese"}
retrying:
  tasks:
    t: {action: std.fail, retry: {count: 2, delay: 0}}
secretive:
  input: [password]
  tasks:
    t: {action: std.async_noop}
"""


@pytest.fixture(scope="module", autouse=True)
def _defined(api: Api) -> None:
    api.define(TEXT)


def show(api: Api, path: str, status: int = 200, /, **query: str) -> Page:
    return page_of(api("GET", path, params=query or None, headers=HTML), status)


def test_a_running_execution(api: Api) -> None:
    """States in words, planned tasks, what it waits for, and where its events are."""
    execution_id = api.start("shown")["id"]
    api.task(execution_id, "ask", "RUNNING")
    api.task(execution_id, "each", "SUCCESS")
    page = show(api, f"/executions/{execution_id}")
    assert page.one("h1").text == "shown RUNNING"
    boxes = {
        box.attributes["aria-label"]
        for box in page.by_id("picture").below
        if "box" in box.attributes.get("class", "")
    }
    assert boxes == {"check: SUCCESS", "ask: RUNNING", "each: SUCCESS, 2/2", "last: WAITING"}
    items = [item.text for item in page.by_id("tasks").below if item.tag == "li"]
    assert items == ["check SUCCESS", "ask RUNNING", "each SUCCESS items 2/2", "last WAITING"]
    assert "waits for an outside party" in page.by_id("why").text
    stream = page.one("main").attributes["data-events"]
    assert stream.startswith(f"/v2/executions/{execution_id}/events?after=")
    assert int(stream.rpartition("=")[2]) >= 1
    assert page.one("p", role="status", id="said").attributes["aria-live"] == "polite"
    reload = [link for link in page.by_id("live").below if link.tag == "a"]
    assert [link.attributes["href"] for link in reload] == [f"/executions/{execution_id}"]
    labels = {text.text for text in page.all("text") if "label" in text.attributes.get("class", "")}
    assert {"on-success on-success", "on-error on-error"} <= labels


def test_the_events_go_on_where_the_page_ends(api: Api) -> None:
    """Nothing that happens between the page and its first event is lost."""
    execution_id = api.start("shown")["id"]
    task = api.task(execution_id, "ask", "RUNNING")
    stream = show(api, f"/executions/{execution_id}").one("main").attributes["data-events"]
    (action,) = api.get(f"/v2/tasks/{task['id']}/action_executions")["action_executions"]
    api.put(f"/v2/action_executions/{action['id']}", state="SUCCESS")
    api.reach(execution_id, "SUCCESS")
    events = api("GET", stream).text
    assert '"name":"ask","from":"RUNNING","to":"SUCCESS"' in events
    assert '"event":"started"' not in events


def test_a_finished_execution_is_not_followed(api: Api) -> None:
    execution_id = api.run("failing")["id"]
    page = show(api, f"/executions/{execution_id}")
    assert "data-events" not in page.one("main").attributes
    assert page.by_id("live").text == "It is over."
    assert page.one("h1").text == "failing ERROR"
    assert "out of cheese" in page.by_id("top").text
    assert "out of cheese" in page.by_id("why").text


def test_a_task_in_full(api: Api) -> None:
    execution_id = api.start("shown")["id"]
    each = api.task(execution_id, "each", "SUCCESS")["id"]
    check = api.tasks(execution_id)["check"]["id"]
    panel = show(api, f"/executions/{execution_id}", task=each).by_id("task")
    assert panel.text.startswith("Close Task each SUCCESS")
    assert "Triggered by check on-success" in panel.text
    assert f"?task={check}#task" in {link.attributes.get("href") for link in panel.below}
    values = [value.text for value in panel.below if value.tag == "pre"]
    assert "[ 1, 2 ]" in values
    assert '{ "output": 1 }' in values or '{"output": 1}' in "".join(values).replace("{ ", "{").replace(
        " }", "}"
    )
    assert "std.echo , item 1" in panel.text or "std.echo, item 1" in panel.text
    published = show(api, f"/executions/{execution_id}", task=check).by_id("task-published")
    assert "JD0146" in published.text


def test_a_task_that_is_not_over_says_why(api: Api) -> None:
    execution_id = api.start("shown")["id"]
    last = api.task(execution_id, "last", "WAITING")["id"]
    text = show(api, f"/executions/{execution_id}", task=last).by_id("task").text
    assert "What it waits for" in text
    assert "Triggered by nothing yet" in text


def test_every_attempt_of_a_task(api: Api) -> None:
    execution_id = api.run("retrying")["id"]
    task = api.tasks(execution_id)["t"]["id"]
    page = show(api, f"/executions/{execution_id}", task=task)
    assert len(page.all("section", class_="action")) == 3
    row = page.by_id(f"row-{task}")
    assert "retry 2" in row.text
    bars = [bar.attributes["class"] for bar in row.below if bar.tag == "rect"]
    assert bars == ["bar-rect s-error", *["bar-rect part s-error"] * 3]


def test_of_very_many_the_newest_are_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said how many are not."""
    execution_id = api.start("shown")["id"]
    api.task(execution_id, "each", "SUCCESS")
    for name in ("MOST_TASKS", "MOST_CHILDREN"):
        monkeypatch.setattr(overview, name, 2)
    page = show(api, f"/executions/{execution_id}")
    assert "2 older task executions are not shown" in page.by_id("tasks").text
    assert "2 older ones are not shown" in page.by_id("time").text
    rows = [
        row.attributes["id"] for row in page.by_id("time").below if row.tag == "tr" and "id" in row.attributes
    ]
    tasks = api.tasks(execution_id)
    assert rows == [f"row-{tasks[name]['id']}" for name in ("each", "last")]
    assert "what is gone on-success" in page.by_id("time").text


def test_up_and_down_between_executions(api: Api) -> None:
    execution_id = api.start("calling")["id"]
    call = api.task(execution_id, "call", "RUNNING")["id"]

    def child() -> str:
        rows = api.get(f"/v2/tasks/{call}/workflow_executions")["executions"]
        return str(rows[0]["id"]) if rows else ""

    child_id = api.until(child, "the child")
    links = {link.attributes.get("href") for link in show(api, f"/executions/{execution_id}").all("a")}
    assert f"/executions/{child_id}" in links
    links = {link.attributes.get("href") for link in show(api, f"/executions/{child_id}").all("a")}
    assert f"/executions/{execution_id}?task={call}#task" in links


def test_secrets_are_masked(api: Api) -> None:
    """As the API masks them: what an action was given as a password."""
    action = api("POST", "/v2/action_executions", json={"name": "std.noop"})
    assert action.status_code == 201
    text = """version: '2.0'
mailing:
  tasks:
    t:
      action: std.email
      input: {from_addr: a@b.c, to_addrs: [d@e.f], smtp_server: "127.0.0.1:1", smtp_password: hunter2000,
              subject: s, body: b}
"""
    api.define(text)
    execution_id = api.run("mailing")["id"]
    task = api.tasks(execution_id)["t"]["id"]
    answer = api("GET", f"/executions/{execution_id}", params={"task": task}, headers=HTML)
    assert "***" in page_of(answer).by_id("task").text
    assert "hunter2000" not in answer.text


@pytest.mark.parametrize(
    "path", [f"/executions/{NOBODY}", f"/executions/{NOBODY}?task=x", "/executions/a/b", "/static/x"]
)
def test_what_is_not_there(api: Api, path: str) -> None:
    page = show(api, path, 404)
    assert page.one("h1").text == "Not found"


def test_a_task_of_another_execution_is_not_there(api: Api) -> None:
    one, other = api.run("failing")["id"], api.run("failing")["id"]
    show(api, f"/executions/{one}", 404, task=api.tasks(other)["t"]["id"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/executions", f"/executions/{NOBODY}", "/static/page.css"])
def test_pages_change_nothing(api: Api, method: str, path: str) -> None:
    answer = api(method, path, headers=HTML)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_the_list(api: Api) -> None:
    """The newest first, as many as fit on a page, and the way to the older ones."""
    started = [api.run("failing", description=f"number {number}")["id"] for number in range(3)]
    page = show(api, "/executions", workflow="failing")
    found = [code.text for code in page.all("code") if code.text in started]
    assert found == started[::-1]
    assert "number 2" in page.one("table").text
    assert "out of cheese" in page.one("table").text
    assert page.one("input", name="workflow").attributes["value"] == "failing"


def test_filters_of_the_list(api: Api) -> None:
    failed, running = api.run("failing")["id"], api.start("shown")["id"]

    def ids(**query: str) -> list[str]:
        return [code.text for code in show(api, "/executions", **query).all("code")]

    assert ids(id=failed[3:]) == [failed]
    assert running in ids(state="RUNNING")
    assert failed not in ids(state="RUNNING")
    assert ids(state="ERROR", id=running) == []
    assert ids(workflow="how", id=running[1:-1]) == [running]
    page = show(api, "/executions", state="ERROR")
    assert [option.text for option in page.all("option") if "selected" in option.attributes] == ["ERROR"]
    assert "No execution fits" in show(api, "/executions", id="none of these").one("main").text


def test_pages_of_the_list(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions_page, "PAGE", 2)
    started = [api.start("secretive", input={"password": "x"})["id"] for _ in range(5)]
    found, path = [], "/executions?workflow=secretive"
    while path:
        page = show(api, path)
        found += [code.text for code in page.all("code")]
        older = page.all("a", rel="next")
        path = older[0].attributes["href"] if older else ""
    assert found == started[::-1]


@pytest.mark.parametrize("query", [{"state": "LOST"}, {"states": "x"}])
def test_a_wrong_question_to_the_list(api: Api, query: dict[str, str]) -> None:
    assert show(api, "/executions", 400, **query).one("h1").text == "Bad Request"


def test_files_last_as_long_as_their_content(api: Api) -> None:
    page = show(api, "/executions")
    for path in [page.one("link", rel=rel).attributes["href"] for rel in ("icon", "stylesheet")]:
        answer = api("GET", path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_first_page_leads_here(api: Api) -> None:
    welcome = Page(api("GET", "/", headers=HTML).text)
    assert "http://localhost:8989/executions" in {link.attributes["href"] for link in welcome.all("a")}


def test_behind_a_prefix(api: Api) -> None:
    """A proxy may reach the server under a path of its own."""
    execution_id = api.start("shown")["id"]
    app: Any = api.service.app()

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, root_path="/flows")
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(f"/executions/{execution_id}", headers=HTML)

    page = page_of(asyncio.run(ask()))
    paths = [e.attributes[n] for e in page.elements for n in ("href", "src", "action") if n in e.attributes]
    assert all(path.startswith(("/flows/", "?", "#")) for path in paths)
    assert page.one("main").attributes["data-events"].startswith("/flows/v2/")


HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus=alert(1) autofocus='",
    "</title></svg></style><iframe src=javascript:alert(1)>",
    "{{ 7 * 191 }}{% raw %}",
    "javascript:alert(1)",
    "]]>&lt;b&gt;&amp;",
    "\u202e\u0007 bell",
)


def hostile_definition(workflow: str, task: str, text: str) -> str:
    """A workflow that fails, with this text wherever a text may stand."""
    first = {"action": "std.noop", "publish": {text: text}, "on-success": [{"failing": "<% true %>"}]}
    failing = {"action": "std.fail", "input": {"error_data": text}}
    body = {
        "input": [{"given": text}],
        "output-on-error": {text: "<% $.given %>"},
        "tasks": {task: first, "failing": failing},
    }
    return str(yaml.safe_dump({"version": "2.0", workflow: body}, allow_unicode=True))


@pytest.mark.parametrize("text", HOSTILE)
def test_what_strangers_write_is_text(api: Api, text: str) -> None:
    """In every place: values, names of tasks and workflows, reasons, ids, and questions."""
    task, workflow = f"t{text}"[:60], f"w{text}"[:60].replace(" ", "_")
    api.define(hostile_definition(workflow, task, text))
    identifier = "".join(sign for sign in text if sign.isprintable() and sign != "/")[:36]
    body = {"id": identifier, "description": text, "input": {"given": text}, "params": {"env": {text: text}}}
    path = quote(api.start(workflow, **body)["id"], safe="")
    api.reach(path, "ERROR")
    page = f"/executions/{path}"
    looks = [(page, {"task": row["id"]}) for row in api.tasks(path).values()]
    looks += [(page, {}), ("/executions", {"workflow": workflow}), ("/executions", {"id": identifier})]
    for where, query in looks:
        found = show(api, where, **query)
        kinds = {element.tag for element in found.elements}
        assert not kinds & {"img", "iframe"}
        assert len(found.all("script")) <= 1
        shown = found.one("main").text
        assert workflow in shown
        assert " ".join(text.split()) in shown
    assert task in show(api, page).by_id("tasks").text
    show(api, f"/executions/{quote(f'x{text}', safe='')}", 404)
    show(api, page, 404, task=text)
    for name, query in (
        ("marker", {"marker": f"x{text}"}),
        ("state", {"state": text}),
        ("name", {text: "x"}),
    ):
        show(api, "/executions", 404 if name == "marker" else 400, **query)
