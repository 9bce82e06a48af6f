"""The program as a whole: help, names of commands, exit codes, start-up, interruption."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_objects import EXECUTION, WORKFLOW
from cli_server import ApiServer, ask, run

from maestrale import __version__
from maestrale.cli import catalogue
from maestrale.cli.main import HELP, LOCAL
from maestrale.lang.schema import schema

ROWS = catalogue.rows()
PROGRAM = [sys.executable, "-m", "maestrale.cli.main"]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_help_shows_all_commands_in_groups(words: list[str]) -> None:
    outcome = run(*words)
    assert outcome.code == 0
    for section in catalogue.sections():
        assert f"{section.title}:\n" in outcome.out
    for name in (*ROWS, *LOCAL):
        assert f"\n  {name} " in outcome.out
    assert "--os-username" not in outcome.out


@pytest.mark.parametrize("name", ROWS)
def test_every_command_has_help(name: str) -> None:
    outcome = run("help", name)
    assert outcome.code == 0
    assert outcome.out == run(name, "--help").out == run(name, "-h").out
    assert outcome.out.startswith(f"Usage: mistral {name}")


def test_help_takes_the_words_of_the_openstack_client() -> None:
    assert run("help", "workflow", "execution", "show").out == run("help", "execution-get").out


def test_names_are_unique() -> None:
    assert len(ROWS) == sum(len(section.rows) for section in catalogue.sections())
    words = [row.words for row in ROWS.values() if row.words]
    assert len(words) == len(set(words))


def test_every_command_is_where_its_first_word_leads() -> None:
    """And no name in the words of the other client begins with the name of a command."""
    assert [name for name, row in ROWS.items() if catalogue.find(name) is not row] == []
    assert not {row.words.split()[0] for row in ROWS.values() if row.words} & {*ROWS, *LOCAL, *HELP}


def test_the_help_knows_what_runs_on_this_machine() -> None:
    from maestrale.cli import local

    assert set(LOCAL) == set(local.COMMANDS)
    for name, command in local.COMMANDS.items():
        assert command.name == name
        assert run(name, "--help").out.startswith(f"Usage: mistral {name} ")


@pytest.mark.parametrize("kind", ["workflow", "workbook", "action"])
def test_the_schema_for_editors(kind: str) -> None:
    outcome = run("schema", "--kind", kind)
    assert outcome.code == 0
    printed = json.loads(outcome.out)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert printed == schema(kind)  # type: ignore[arg-type]
    assert (run("schema").out == outcome.out) is (kind == "workflow")


def test_commands_have_two_spellings(api: ApiServer) -> None:
    api.answer("GET /executions/e", EXECUTION)
    output = ask(api, "execution-get", "e").out
    assert output == ask(api, "workflow", "execution", "show", "e").out
    api.answer("GET /workflows/list", WORKFLOW)
    assert "hello_world" in ask(api, "workflow", "show", "list").out


@pytest.mark.parametrize("words", [["workflow-lst"], ["help", "workflow-lst"]])
def test_an_unknown_command_names_near_ones(words: list[str]) -> None:
    outcome = run(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(
        "mistral: 'workflow-lst' is not a mistral command. See 'mistral --help'.\n"
        "Did you mean one of these?\n"
        "  workflow-list\n"
    )
    assert "  task-get\n" in run("task").err


def test_the_version() -> None:
    assert run("--version").out == f"mistral {__version__} (Maestrale)\n"


@pytest.mark.parametrize(
    "words",
    [
        ["workflow-get"],
        ["workflow-list", "more"],
        ["workflow-list", "--no-such-option"],
        ["workflow-list", "-f", "shell"],
        ["execution-get", "e", "-f", "csv"],
        ["execution-update", "e", "-s", "IDLE"],
        ["--no-such-option", "workflow-list"],
    ],
)
def test_usage_errors(words: list[str]) -> None:
    outcome = run(*words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("Usage: mistral")


def test_global_options_stand_before_or_after_the_command(api: ApiServer) -> None:
    api.answer("GET /executions/e", EXECUTION)
    assert run("--os-mistral-url", api.url, "execution-get", "e").code == 0
    assert run("execution-get", "e", "--os-mistral-url", api.url, "--insecure").code == 0
    elsewhere = "http://127.0.0.1:1/v2"
    assert run("--os-mistral-url", elsewhere, "execution-get", "e", "--os-mistral-url", api.url).code == 0
    assert run("--os-mistral-url", api.url, "execution-get", "e", OS_MISTRAL_URL=elsewhere).code == 0


def test_debug_shows_the_origin_of_an_error(api: ApiServer) -> None:
    api.refuse("GET /executions/e", 404, "WorkflowExecution not found [id=e]")
    outcome = ask(api, "execution-get", "e", "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert outcome.err.endswith("ERROR (app) WorkflowExecution not found [id=e]\n")
    assert "Traceback" not in ask(api, "execution-get", "e").err


def start(*words: str, **variables: str) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return subprocess.Popen(
        [*PROGRAM, *words],
        env=environment | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_requests_are_logged_where_they_are_wanted(api: ApiServer, tmp_path: Path) -> None:
    api.answer("GET /executions/e", EXECUTION)
    log = tmp_path / "log"
    address = {"OS_MISTRAL_URL": api.url}
    out, err = start("execution-get", "e", "--log-file", str(log), **address).communicate()
    assert (err, out[:2]) == ("", "+-")
    assert '"state": "SUCCESS"' in log.read_text()
    _, err = start("-v", "execution-get", "e", **address).communicate()
    assert "GET" in err
    assert '"state": "SUCCESS"' not in err
    _, err = start("execution-get", "e", "-vv", **address).communicate()
    assert '"state": "SUCCESS"' in err


def loaded_by(*words: str) -> set[str]:
    """The modules that a run of the program loads."""
    code = f"import sys; from maestrale.cli.main import main; main({words}); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(shown.splitlines()[-1].split())


def test_the_help_loads_nothing_heavy() -> None:
    heavy = {"httpx", "rich", "yaml", "sqlalchemy", "starlette", "aiohttp", "yaql", "jinja2", "msgspec"}
    assert not heavy & loaded_by("--help")
    assert not heavy & loaded_by("help", "execution-create")


def test_a_command_loads_nothing_of_the_service(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": [WORKFLOW]})
    loaded = loaded_by("--os-mistral-url", api.url, "workflow-list")
    assert api.requests
    assert not {"rich", "sqlalchemy", "starlette", "aiohttp", "yaql", "maestrale.wiring"} & loaded
    assert not {name for name in loaded if name.startswith(("maestrale.engine", "maestrale.services"))}


def test_an_interrupt_leaves_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v2"
        process = start("workflow-list", OS_MISTRAL_URL=address)
        connection, _ = silent.accept()
        connection.recv(1)  # it has asked, and waits for the answer
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        connection.close()
    assert (process.returncode, out, err) == (130, "", "\n")


def test_a_reader_who_leaves_is_no_error(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": [WORKFLOW]})
    process = start("workflow-list", OS_MISTRAL_URL=api.url)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(20) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_an_error(api: ApiServer) -> None:
    api.answer("GET /workflows", {"workflows": [WORKFLOW]})
    words = [*PROGRAM, "--os-mistral-url", api.url, "workflow-list"]
    with open("/dev/full", "w") as full:
        outcome = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (outcome.returncode, outcome.stderr) == (1, "ERROR (app) No space left on device\n")


def test_a_terminal_without_the_character_shows_its_number(api: ApiServer) -> None:
    api.answer("GET /workflows/w", WORKFLOW | {"name": "日"})
    process = start("workflow-get", "w", "-f", "value", OS_MISTRAL_URL=api.url, PYTHONIOENCODING="latin-1")
    out, _ = process.communicate()
    assert "\\u65e5" in out


def test_the_shell_can_ask_for_completions() -> None:
    words = {"_MISTRAL_COMPLETE": "bash_complete", "COMP_WORDS": "mistral workflow-g", "COMP_CWORD": "1"}
    out, _ = start(**words).communicate()
    assert out.split() == ["plain,workflow-get", "plain,workflow-get-definition"]
    out, err = start(**words | {"COMP_WORDS": "mistral nonsense --f", "COMP_CWORD": "2"}).communicate()
    assert (out.strip(), err) == ("", "")
