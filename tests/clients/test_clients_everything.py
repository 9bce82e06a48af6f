"""python-mistralclient: no method and no command goes unasked; lists, texts, files and addresses."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest
from client_service import Plain, refused
from original import Original, PythonApi
from programs import claimed

from processes.server import Server

pytest_plugins = ["client_fixtures"]
pytestmark = pytest.mark.slow

NOT_FOR_CALLERS = "get_contents_if_file"
"""A helper that every manager has: `test_texts_files_and_addresses` shows what it does."""


def test_every_method_is_asked(clients: Original) -> None:
    """A method that a new release of the client brings needs a test."""
    methods = {
        f"{manager}.{method}"
        for manager, names in clients.ask(do="managers").items()
        for method in names
        if method != NOT_FOR_CALLERS
    }
    assert len(methods) >= 74
    assert sorted(methods - claimed()) == []


LISTS = {
    "workbooks": ("name", "updated_at"),
    "workflows": ("name", "input"),
    "actions": ("name", "description"),
    "executions": ("description", "state"),
    "tasks": ("name", "state"),
    "action_executions": ("name", "state"),
    "cron_triggers": ("name", "pattern"),
    "event_triggers": ("name", "event"),
    "environments": ("name", "variables"),
    "code_sources": ("name", "content"),
    "dynamic_actions": ("class_name", "name"),
}
"""What each list is sorted and filtered by in these tests, and another field."""
NAMES = ("page_a", "page_b", "page_c", "page_d", "page_e")


@pytest.fixture(scope="module")
def pages(plain: Plain) -> None:
    """Five objects of every kind."""
    classes = "".join(f"class {name}:\n    pass\n" for name in NAMES)
    plain.post("/code_sources", params={"name": "classes"}, content=classes)
    for name in NAMES:
        plain.post("/workbooks", content=f"version: '2.0'\nname: {name}\n")
        workflow = f"version: '2.0'\n{name}: {{tasks: {{{name}: {{action: {name}}}}}}}\n"
        made = plain.post("/workflows", content=workflow)["workflows"][0]
        plain.post("/actions", content=f"version: '2.0'\n{name}: {{base: std.noop}}\n")
        plain.run(name, description=name)
        plain.post("/cron_triggers", json={"name": name, "workflow_name": name, "pattern": "0 0 1 1 *"})
        event = {"exchange": "x", "topic": "t", "event": name, "workflow_id": made["id"], "name": name}
        plain.post("/event_triggers", json=event)
        plain.post("/environments", json={"name": name, "variables": {"v": name}})
        plain.post("/code_sources", params={"name": name}, content="class A:\n    pass\n")
        action = {"name": f"of_{name[5:]}", "class_name": name, "code_source_name": "classes"}
        plain.post("/dynamic_actions", json=action)


@pytest.mark.usefixtures("pages")
@pytest.mark.parametrize("collection", LISTS)
def test_lists(api: PythonApi, plain: Plain, collection: str) -> None:
    """Every list knows pages, order, fields and filters, and shows what the service has."""
    by, other = LISTS[collection]
    query = {"sort_keys": by, "sort_dirs": "desc", by: "has:page_"}
    everything = [one.data for one in api(f"{collection}.list", **query)]
    assert everything == plain.list(collection, **query)
    assert [row[by] for row in everything] == list(reversed(NAMES))

    first = [one.data for one in api(f"{collection}.list", limit=2, **query)]
    assert first == everything[:2]
    rest = [one.data for one in api(f"{collection}.list", marker=first[-1]["id"], limit=2, **query)]
    assert rest == everything[2:4]
    assert api(f"{collection}.list", limit=-1, **query) == api(f"{collection}.list", **query)

    narrow = api(f"{collection}.list", fields=[by, other], **query)
    assert [{by: one.data[by], other: one.data[other]} for one in narrow] == [
        {by: row[by], other: row[other]} for row in everything
    ]
    exact = {"sort_keys": by, by: f"in:{everything[0][by]},{everything[3][by]}"}
    assert [one.data for one in api(f"{collection}.list", **exact)] == [everything[3], everything[0]]
    created = api(f"{collection}.list", created_at=f"lt:{everything[-1]['created_at']}", limit=1000)
    assert not {one.data["id"] for one in created} & {row["id"] for row in everything}

    assert refused(api, f"{collection}.list", nonsense="1") == (
        400,
        refused(api, f"{collection}.list", nonsense="1")[1],
    )
    for wrong in ({"sort_keys": "nonsense"}, {"sort_dirs": "up"}, {"marker": "no marker"}):
        assert refused(api, f"{collection}.list", **wrong)[0] in (400, 404)
    if collection not in ("workbooks", "actions"):  # the client does not send them, and actions show all
        assert refused(api, f"{collection}.list", fields=["nonsense"])[0] == 400


class _Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        text = TEXT.replace("NAME", "by_address").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


TEXT = "version: '2.0'\nNAME: {tasks: {t: {action: std.noop}}}\n"


@pytest.fixture
def address() -> Iterator[str]:
    """Where a definition can be fetched from."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Files) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{files.server_address[1]}/text.yaml"
        files.shutdown()


def test_texts_files_and_addresses(
    api: PythonApi, clients: Original, server: Server, plain: Plain, address: str
) -> None:
    """A definition is given as text, as the name of a file, or as an address, unless only text is allowed."""
    file = clients.folder / "text.yaml"
    file.write_text(TEXT.replace("NAME", "by_file"))
    api("workflows.create", TEXT.replace("NAME", "by_text"))
    for given in (str(file), "text.yaml"):
        assert api("workflows.validate", given) == {"valid": True}
    api("workflows.create", str(file))
    api("workflows.create", address)
    for name in ("by_text", "by_file", "by_address"):
        assert plain.get(f"/workflows/{name}")["definition"] == TEXT.replace("NAME", name)

    environment = clients.folder / "environment.yaml"
    environment.write_text("name: from_file\nvariables: {a: [1]}\n")
    assert api("environments.create", file=str(environment)).attributes["variables"] == {"a": [1]}
    environment.write_text('{"name": "from_file", "variables": {"b": 2}}')
    api("environments.update", file=environment.as_uri())
    assert plain.get("/environments/from_file")["variables"] == '{"b": 2}'

    raw = PythonApi(clients, mistral_url=f"{server.url}/v2", enforce_raw_definitions=True)
    assert raw("workflows.validate", str(file))["valid"] is False
    for manager in clients.ask(do="managers"):
        assert api(f"{manager}.{NOT_FOR_CALLERS}", str(file)) == TEXT.replace("NAME", "by_file")
        assert raw(f"{manager}.{NOT_FOR_CALLERS}", str(file)) == str(file)


def test_addresses_of_the_service(clients: Original, server: Server, plain: Plain) -> None:
    """Slashes, tokens and headers that the client may send do no harm where nobody is asked who they are."""
    plain.post("/environments", json={"name": "zona grün", "variables": {}})
    given = {
        "auth_token": "anything", "project_id": "p", "user_id": "u", "region_name": "r",
    }  # fmt: skip
    api = PythonApi(clients, mistral_url=f"{server.url}/v2", **given)
    assert api("actions.get", "std.noop").data["name"] == "std.noop"
    assert api("environments.get", "zona grün").data["name"] == "zona grün"
