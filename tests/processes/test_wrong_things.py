"""Wrong things get one clear message and the right exit code, never a traceback."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from processes.command import maestrale
from processes.server import Server, free_port

HELLO = """version: '2.0'
hello:
  input: [name]
  output: {greeting: <% $.greeting %>}
  tasks:
    greet:
      action: std.echo output="Hello <% $.name %>"
      publish: {greeting: <% task().result %>}
"""
FAILING = """version: '2.0'
failing:
  tasks:
    good:
      on-success: bad
    bad:
      action: std.http url="http://127.0.0.1:1/"
"""


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A good workflow file."""
    path = tmp_path / "hello.yaml"
    path.write_text(HELLO)
    return path


def test_run_prints_the_output_and_keeps_the_execution(tmp_path: Path, hello: Path) -> None:
    """Only the output goes to standard output; progress goes beside it."""
    ran = maestrale(tmp_path, "run", str(hello), "-i", "name=World")
    assert ran.code == 0
    assert ran.out == '{\n    "greeting": "Hello World"\n}\n'
    assert "SUCCESS" in ran.err
    assert "greet" in ran.err
    again = maestrale(tmp_path, "run", str(hello), "-q", "-i", '{"name": "you"}')
    assert (again.code, again.out) == (0, '{\n    "greeting": "Hello you"\n}\n')


def test_run_names_task_action_error_and_line(tmp_path: Path) -> None:
    """A failed run shows in one look what went wrong and where in the file."""
    path = tmp_path / "failing.yaml"
    path.write_text(FAILING)
    ran = maestrale(tmp_path, "run", str(path))
    assert ran.code == 1
    for part in ("task 'bad'", "failing.yaml, line 7", "action std.http", "blocked address", "denied_cidrs"):
        assert part in ran.err, part


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: [", ["line 2", "flow node"]),
        (HELLO.replace("publish:", "publsh:"), ["line 8", "publsh", "did you mean 'publish'"]),
        (HELLO + "      on-success: greeet\n", ["line 9", "Task 'greeet' not found", "greet"]),
        (HELLO.replace("$.name", "$.name +"), ["line 7", "$.name +"]),
    ],
)
def test_bad_definition(tmp_path: Path, text: str, parts: list[str]) -> None:
    """Every problem has its line; nothing runs."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    for command in ("run", "validate"):
        ran = maestrale(tmp_path, command, str(path))
        assert ran.code == 1
        for part in parts:
            assert part.replace("`", "'") in (ran.out + ran.err).replace("`", "'"), (command, part, ran)


BOOK = """version: '2.0'
name: book
workflows:
  inner: {input: [n], output: {n: <% $.n %>}, tasks: {t: {action: std.noop}}}
  outer:
    output: {n: <% $.n %>}
    tasks:
      t: {workflow: inner n=7, publish: {n: <% task().result.n %>}}
  broken:
    tasks:
      t:
        action: std.fail
"""
ACTIONS = "version: '2.0'\ngreet:\n  base: std.echo output=1\n"


def test_a_workflow_of_a_workbook_runs(tmp_path: Path) -> None:
    """By its short or full name; a failure has its line in the file."""
    path = tmp_path / "book.yaml"
    path.write_text(BOOK)
    ran = maestrale(tmp_path, "run", str(path), "outer")
    assert (ran.code, json.loads(ran.out)) == (0, {"n": 7})
    ran = maestrale(tmp_path, "run", "-q", str(path), "book.outer")
    assert (ran.code, json.loads(ran.out), ran.err) == (0, {"n": 7}, "")
    ran = maestrale(tmp_path, "run", str(path), "broken")
    assert ran.code == 1
    assert "book.yaml, line 12" in ran.err
    ran = maestrale(tmp_path, "run", str(path))
    assert (ran.code, "name one of: book.inner, book.outer, book.broken" in ran.err) == (1, True)
    ran = maestrale(tmp_path, "run", str(path), "nobody")
    assert (ran.code, "has no workflow 'nobody'" in ran.err) == (1, True)
    path.write_text(BOOK.replace("n=7", "n=8"))
    ran = maestrale(tmp_path, "run", str(path), "outer")
    assert json.loads(ran.out) == {"n": 8}
    assert "the stored workbook 'book' was replaced" in ran.err


def test_ad_hoc_actions_alone_do_not_run(tmp_path: Path) -> None:
    """The message says what can be done with them."""
    (tmp_path / "a.yaml").write_text(ACTIONS)
    ran = maestrale(tmp_path, "run", "a.yaml")
    assert ran.code == 1
    assert "mistral action-create a.yaml" in ran.err


def test_every_kind_of_text_is_validated(tmp_path: Path, hello: Path) -> None:
    """What a file holds is found out."""
    (tmp_path / "book.yaml").write_text(BOOK)
    (tmp_path / "actions.yaml").write_text(ACTIONS)
    ran = maestrale(tmp_path, "validate", hello.name, "book.yaml", "actions.yaml")
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            f"{hello.name}: valid (hello)",
            "book.yaml: valid workbook (book, book.inner, book.outer, book.broken)",
            "actions.yaml: valid ad-hoc actions (greet)",
        ],
    )
    (tmp_path / "book.yaml").write_text(BOOK.replace("name: book\n", "").replace("std.fail", "std.fail x"))
    (tmp_path / "actions.yaml").write_text(
        ACTIONS.replace("base:", "input: [x]\n  bases:") + "more: {base: 1}\n"
    )
    ran = maestrale(tmp_path, "validate", "book.yaml", "actions.yaml")
    assert ran.code == 1
    assert "'name' is a required property" in ran.out
    assert "'base' is a required property" in ran.out


def test_a_key_without_effect(tmp_path: Path) -> None:
    """It is pointed out, and the workflow runs."""
    path = tmp_path / "targeted.yaml"
    path.write_text(HELLO + "      target: elsewhere\n")
    for command in (("validate", str(path)), ("run", str(path), "-i", "name=x")):
        ran = maestrale(tmp_path, *command)
        assert ran.code == 0, ran
        assert "line 9" in ran.out + ran.err
        assert "'target' has no effect: there is one executor" in ran.out + ran.err


def test_input_problems(tmp_path: Path, hello: Path) -> None:
    """Missing and unknown inputs are named."""
    ran = maestrale(tmp_path, "run", str(hello))
    assert ran.code == 1
    assert "missing=['name']" in ran.err
    ran = maestrale(tmp_path, "run", str(hello), "-i", "name=x", "-i", "nam=y")
    assert ran.code == 1
    assert "unexpected=['nam']" in ran.err
    ran = maestrale(tmp_path, "run", str(hello), "-i", "name")
    assert ran.code == 1
    assert "key=value" in ran.err


def test_unknown_file_and_workflow(tmp_path: Path, hello: Path) -> None:
    """A file that is not there is a usage error; a workflow that is not in it names those that are."""
    assert maestrale(tmp_path, "run", "nowhere.yaml").code == 2
    ran = maestrale(tmp_path, "run", str(hello), "helo")
    assert ran.code == 1
    assert "hello" in ran.err


def test_no_server(tmp_path: Path) -> None:
    """Whoever asks a server that is not there learns how to start one."""
    url = f"http://127.0.0.1:{free_port()}/v2"
    ran = maestrale(tmp_path, "--os-mistral-url", url, "workflow-list")
    assert ran.code == 1
    assert "mistral server" in ran.err
    assert url.removesuffix("/v2") in ran.err


def test_left_over_variables(tmp_path: Path) -> None:
    """An address from a forgotten variable is named with its variable."""
    ran = maestrale(tmp_path, "workflow-list", settings={"OS_MISTRAL_URL": "http://127.0.0.1:1/v2"})
    assert ran.code == 1
    assert "OS_MISTRAL_URL" in ran.err


def test_port_in_use(tmp_path: Path) -> None:
    """The port is named, and how to choose another one."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ran = maestrale(tmp_path, "server", "--port", str(holder.getsockname()[1]))
    assert ran.code == 1
    assert "--port" in ran.err


def test_data_folder_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is none is named, and how to name another place."""
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path}/file/below/x.db"
    for command in (["server", "--port", "0"], ["run", "-"]):
        ran = maestrale(tmp_path, *command, "--database", url, stdin=HELLO.replace("[name]", "[{name: x}]"))
        assert ran.code == 1
        assert "cannot be written" in ran.err
        assert "--database" in ran.err


def test_database_url(tmp_path: Path) -> None:
    """URLs that are none of ours are refused with an example."""
    for url in ("nonsense", "mysql://x/y", "sqlite://"):
        ran = maestrale(tmp_path, "server", "--database", url)
        assert ran.code == 1
        assert "sqlite:///" in ran.err


@pytest.mark.parametrize(
    ("roles", "code", "words"),
    [
        ("engine", 1, "A SQLite file belongs to one process"),
        ("api", 1, "postgresql://"),
        ("api,engnie", 2, "'engnie' is not one of 'api', 'engine'"),
        ("", 2, "'' is not one of"),
    ],
)
def test_roles(tmp_path: Path, roles: str, code: int, words: str) -> None:
    """A part of the service needs others, and so a database that can be shared."""
    ran = maestrale(tmp_path, "server", "--port", "0", "--role", roles)
    assert ran.code == code
    assert words in ran.err


def test_unknown_setting(tmp_path: Path) -> None:
    """Unknown settings are errors with a hint, in the environment and in the file."""
    ran = maestrale(tmp_path, "config", settings={"MAESTRALE_SERVER_PROT": "1"})
    assert ran.code == 1
    assert "MAESTRALE_SERVER_PORT" in ran.err
    file = tmp_path / "settings.toml"
    file.write_text("[server]\nprot = 1\n")
    ran = maestrale(tmp_path, "config", "--config", str(file))
    assert ran.code == 1
    assert "port" in ran.err
    file.write_text('[server]\nport = "many"\n')
    ran = maestrale(tmp_path, "config", "--config", str(file))
    assert ran.code == 1
    assert "server.port" in ran.err


def test_config_says_where_values_come_from(tmp_path: Path) -> None:
    """File, environment and default are told apart."""
    file = tmp_path / "settings.toml"
    file.write_text("[server]\nport = 1234\n")
    settings = {"MAESTRALE_STD_HTTP_DENIED_CIDRS": ""}
    ran = maestrale(tmp_path, "config", "--config", str(file), settings=settings)
    assert ran.code == 0
    lines = {line.split()[0]: line.split() for line in ran.out.splitlines() if "." in line}
    assert lines["server.port"][1:] == ["1234", str(file)]
    assert lines["std_http.denied_cidrs"][1:] == ["[]", "MAESTRALE_STD_HTTP_DENIED_CIDRS"]
    assert lines["server.host"][-1] == "default"


def test_second_server_and_run_beside_a_server(tmp_path: Path, hello: Path) -> None:
    """A second server on the file is refused with the address of the first; `run` hands its work to it."""
    with Server(tmp_path) as server:
        database = f"sqlite:///{server.database}"
        second = maestrale(tmp_path, "server", "--port", "0", "--database", database)
        assert second.code == 1
        assert server.url in second.err
        ran = maestrale(tmp_path, "run", str(hello), "-i", "name=World", "--database", database)
        assert (ran.code, ran.out) == (0, '{\n    "greeting": "Hello World"\n}\n')
        url = f"{server.url}/v2"
        listed = maestrale(tmp_path, "--os-mistral-url", url, "execution-list", "-f", "value", "-c", "State")
        assert listed.out == "SUCCESS\n"
        blog = Path(__file__).parents[2] / "examples" / "hello_world_blog.yaml"
        warned = maestrale(tmp_path, "--os-mistral-url", url, "workflow-create", str(blog))
        assert warned.code == 0
        assert "line 6, column 53" in warned.err
        assert "typographic quote" in warned.err
        exists = maestrale(tmp_path, "--os-mistral-url", url, "workflow-create", str(hello))
        assert exists.code == 1
        assert "workflow-update" in exists.err
        unknown = maestrale(tmp_path, "--os-mistral-url", url, "execution-create", "helo")
        assert unknown.code == 1
        assert "Workflow not found" in unknown.err
        missing = maestrale(tmp_path, "--os-mistral-url", url, "execution-create", "hello")
        assert missing.code == 1
        assert "missing=['name']" in missing.err
        bad_id = maestrale(tmp_path, "--os-mistral-url", url, "execution-get", "nonsense")
        assert bad_id.code == 1
        assert "WorkflowExecution not found [id=nonsense]" in bad_id.err
        bad_json = maestrale(tmp_path, "--os-mistral-url", url, "run-action", "std.echo", "{nonsense")
        assert bad_json.code == 1
