"""The output is that of the original client, byte for byte.

Each file in `reference/` is what python-mistralclient 6.3.0 printed for the same objects; its name is the
command with blanks as `+`, and identifiers and files in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_objects import (
    ACCEPTED,
    ACTION,
    ACTION_EXECUTION,
    AD_HOC,
    CODE_SOURCE,
    COUNTED,
    CREATED,
    CREATED_ACTION,
    CREATED_CRON_TRIGGER,
    CREATED_ENVIRONMENT,
    CREATED_EVENT_TRIGGER,
    CREATED_WORKBOOK,
    CRON_TRIGGER,
    DYNAMIC_ACTION,
    ENVIRONMENT,
    EVENT_TRIGGER,
    EXECUTION,
    FAILED,
    MEMBER,
    REPORT,
    TAGGED,
    TASK,
    WAITING,
    WORKBOOK,
    WORKFLOW,
)
from cli_server import ApiServer, ask

REFERENCE = sorted((Path(__file__).parent / "reference").glob("*.txt"))


def fill(server: ApiServer) -> None:
    """Give `server` something to show."""
    server.answer("GET /workflows", {"workflows": [WORKFLOW, TAGGED]})
    server.answer("GET /workflows/hello_world", WORKFLOW)
    server.answer("GET /workflows/TAGGED", TAGGED)
    server.answer("POST /workflows", {"workflows": [CREATED]}, status=201)
    server.answer("PUT /workflows", {"workflows": [CREATED]})
    server.answer("POST /workflows/validate", {"valid": False, "error": "Invalid DSL: x\n  y"})
    server.answer("GET /executions", {"executions": [FAILED, EXECUTION]})
    server.answer("GET /executions/EXECUTION", EXECUTION)
    server.answer("GET /executions/FAILED", FAILED)
    server.answer("POST /executions", EXECUTION, status=201)
    server.answer("PUT /executions/EXECUTION", FAILED)
    server.refuse("GET /executions/NONE", 404, "WorkflowExecution not found [id=NONE]")
    server.answer("GET /executions/EXECUTION/executions", {"executions": [EXECUTION, FAILED]})
    server.answer("GET /executions/EXECUTION/report", REPORT)
    server.answer("GET /executions/FAILED/report", {"statistics": REPORT["statistics"]})
    server.answer("GET /tasks", {"tasks": [WAITING, TASK]})
    server.answer("GET /executions/EXECUTION/tasks", {"tasks": [TASK]})
    server.answer("GET /tasks/TASK", TASK)
    server.answer("GET /tasks/WAITING", WAITING)
    server.answer("PUT /tasks/TASK", TASK)
    server.answer("GET /tasks/TASK/executions", {"executions": [FAILED]})
    server.answer("GET /action_executions", {"action_executions": [ACTION_EXECUTION]})
    server.answer("GET /tasks/TASK/action_executions", {"action_executions": [ACTION_EXECUTION]})
    server.answer("GET /action_executions/AE", ACTION_EXECUTION)
    server.answer("PUT /action_executions/AE", ACTION_EXECUTION)
    server.answer("DELETE /action_executions/AE", status=204)
    ran = ACTION_EXECUTION | {"id": None, "output": '{"result": "Hello Workflow!"}'}
    server.answer("POST /action_executions", ran, status=201)
    server.answer("GET /actions", {"actions": [ACTION]})
    server.answer("GET /actions/std.echo", ACTION)
    server.answer("GET /actions/greet", AD_HOC)
    server.answer("POST /actions", {"actions": [CREATED_ACTION]}, status=201)
    server.answer("PUT /actions", {"actions": [AD_HOC]})
    server.answer("DELETE /actions/greet", status=204)
    server.answer("POST /actions/validate", {"valid": True})
    server.answer("GET /workbooks", {"workbooks": [WORKBOOK, WORKBOOK | {"name": "other", "tags": None}]})
    server.answer("GET /workbooks/book", WORKBOOK)
    server.answer("POST /workbooks", CREATED_WORKBOOK, status=201)
    server.answer("PUT /workbooks", WORKBOOK | {"updated_at": "2026-11-23 20:10:00"})
    server.answer("DELETE /workbooks/book", status=204)
    server.refuse("DELETE /workbooks/none", 404, "Workbook not found [name=none, namespace=]")
    server.answer("POST /workbooks/validate", {"valid": False, "error": "Invalid DSL: x"})
    server.answer("GET /environments", {"environments": [ENVIRONMENT, ENVIRONMENT | {"description": "d"}]})
    server.answer("GET /environments/staging", ENVIRONMENT)
    server.answer("POST /environments", CREATED_ENVIRONMENT, status=201)
    server.answer("PUT /environments", ENVIRONMENT | {"updated_at": "2026-11-23 20:10:00"})
    server.answer("DELETE /environments/staging", status=204)
    server.answer("GET /cron_triggers", {"cron_triggers": [CRON_TRIGGER, COUNTED]})
    server.answer("GET /cron_triggers/nightly", CRON_TRIGGER)
    server.answer("POST /cron_triggers", CREATED_CRON_TRIGGER, status=201)
    server.answer("DELETE /cron_triggers/nightly", status=204)
    server.refuse("DELETE /cron_triggers/none", 404, "Cron trigger not found [identifier=none]")
    server.answer("GET /event_triggers", {"event_triggers": [EVENT_TRIGGER]})
    server.answer("GET /event_triggers/EVENT", EVENT_TRIGGER)
    server.answer("POST /event_triggers", CREATED_EVENT_TRIGGER, status=201)
    server.answer("DELETE /event_triggers/EVENT", status=204)
    server.answer("GET /workflows/w/members", {"members": [MEMBER, ACCEPTED | {"member_id": "grey"}]})
    server.answer("GET /workflows/w/members/green", MEMBER)
    created = {name: value for name, value in MEMBER.items() if name != "updated_at"}
    server.answer("POST /workflows/w/members", created, status=201)
    server.answer("PUT /workflows/w/members/green", ACCEPTED)
    server.answer("DELETE /workflows/w/members/green", status=204)
    server.answer("GET /code_sources", {"code_sources": [CODE_SOURCE]})
    server.answer("GET /code_sources/m", CODE_SOURCE)
    server.answer("POST /code_sources", {k: v for k, v in CODE_SOURCE.items() if v is not None}, status=201)
    server.answer("PUT /code_sources", CODE_SOURCE | {"version": 2, "updated_at": "2026-11-23 20:10:00"})
    server.answer("DELETE /code_sources/m", status=204)
    server.answer("GET /dynamic_actions", {"dynamic_actions": [DYNAMIC_ACTION]})
    server.answer("GET /dynamic_actions/greet", DYNAMIC_ACTION)
    server.answer("POST /dynamic_actions", DYNAMIC_ACTION, status=201)
    server.answer("PUT /dynamic_actions", DYNAMIC_ACTION | {"updated_at": "2026-11-23 20:10:00"})
    server.answer("DELETE /dynamic_actions/greet", status=204)


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        fill(server)
        yield server


@pytest.mark.parametrize("reference", REFERENCE, ids=lambda path: path.stem)
def test_output_is_that_of_the_original_client(
    api: ApiServer, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("FILE").write_text(WORKFLOW["definition"])
    Path("ENVIRONMENT").write_text('{"name": "staging", "variables": {"host": "größe"}}')
    outcome = ask(api, *reference.stem.split("+"))
    assert outcome.out + outcome.err == reference.read_bytes().decode()
    assert outcome.code == ("ERROR" in outcome.err)


def test_there_are_references_for_every_sort_of_output() -> None:
    formats = {word for path in REFERENCE for word in path.stem.split("+")}
    assert {"table", "json", "yaml", "csv", "value", "shell", "--max-width"} <= formats
