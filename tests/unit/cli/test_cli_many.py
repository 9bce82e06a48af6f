"""Deleting, cancelling and changing many executions by filter; skip, reasons, other projects."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli_objects import EXECUTION, TASK
from cli_server import ApiServer, Outcome, ask

BY_STATE = ("--filter", "state=ERROR")
FOUND: list[dict[str, Any]] = [
    {"id": name, "workflow_name": "w", "state": state, "created_at": f"2026-11-0{number} 00:00:00"}
    for number, (name, state) in enumerate((("a", "ERROR"), ("b", "ERROR"), ("c", "CANCELLED")), 1)
]


@pytest.fixture
def api() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.answer("GET /executions", {"executions": FOUND[:2], "next": "http://elsewhere"})
        server.answer("GET /executions", {"executions": FOUND[2:]})
        for name in "abc":
            server.answer(f"DELETE /executions/{name}", status=204)
            cancelled = EXECUTION | {"id": name, "state": "CANCELLED"}
            server.answer(f"PUT /executions/{name}", cancelled)
        yield server


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


def changes(api: ApiServer) -> list[str]:
    return [f"{request.method} {request.path}" for request in api.requests if request.method != "GET"]


def at_terminal(monkeypatch: pytest.MonkeyPatch, api: ApiServer, says: str, *words: str) -> Outcome:
    monkeypatch.setattr(sys, "stdin", Terminal(says))
    return ask(api, *words)


@pytest.mark.parametrize("command", ["execution-delete", "execution-cancel", "execution-update"])
@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "by ID, by --filter, or with --all"),
        (["a", "--filter", "state=ERROR"], "either by ID or by --filter"),
        (["a", "--all"], "either by ID or by --filter"),
        (["--all", "--filter", "state=ERROR"], "--all needs no --filter"),
        (["a", "--yes"], "belong to --filter"),
        (["a", "--dry-run"], "belong to --filter"),
        (["--filter", "all_projects=true", "--yes"], "is no filter"),
        (["--filter", "nulls=task_execution_id", "--filter", "limit=3"], "is no filter"),
        (["--filter", "created_at=gt:2026", "--filter", "created_at=lt:2027", "-y"], "one --filter only"),
    ],
)
def test_nothing_is_met_by_accident(api: ApiServer, command: str, words: list[str], text: str) -> None:
    outcome = ask(api, command, *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert text in outcome.err
    assert not api.requests


def test_deleting_by_filter(api: ApiServer) -> None:
    outcome = ask(
        api, "execution-delete", *BY_STATE, "--filter", "created_at=lt:2026-12-01", "--yes", "--force"
    )
    assert outcome == (
        0,
        "".join(f"Request to delete execution {name} has been accepted.\n" for name in "abc"),
        "3 executions match (2 ERROR, 1 CANCELLED), "
        "created from 2026-11-01 00:00:00 to 2026-11-03 00:00:00\n",
    )
    listed = api.requests[0].query
    assert listed == {
        "state": ["ERROR"],
        "created_at": ["lt:2026-12-01"],
        "nulls": ["root_execution_id"],
        "sort_keys": ["created_at"],
        "fields": ["id,workflow_name,state,created_at,project_id"],
    }
    assert api.requests[1].query["marker"] == ["b"]
    assert changes(api) == [f"DELETE /v2/executions/{name}" for name in "abc"]
    assert api.last.query == {"force": ["true"]}


def test_those_that_others_started_are_met_if_asked_for(api: ApiServer) -> None:
    ask(api, "execution-delete", "--filter", "root_execution_id=r", "--yes")
    assert "nulls" not in api.requests[0].query


def test_all_of_them(api: ApiServer) -> None:
    assert ask(api, "execution-delete", "--all", "-y").code == 0
    assert len(changes(api)) == 3


def test_a_dry_run_shows_and_does_nothing(api: ApiServer) -> None:
    outcome = ask(api, "execution-delete", *BY_STATE, "--dry-run")
    assert outcome.code == 0
    assert "| c  | w             | CANCELLED | 2026-11-03 00:00:00 |" in outcome.out
    assert "3 executions match" in outcome.err
    assert not changes(api)


def test_without_a_terminal_somebody_must_have_said_yes(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    outcome = ask(api, "execution-delete", *BY_STATE)
    assert outcome.code == 2
    assert "3 executions match" in outcome.err
    assert "add --yes" in outcome.err
    assert not changes(api)


@pytest.mark.parametrize(("says", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_at_a_terminal_one_is_asked(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, says: str, code: int
) -> None:
    outcome = at_terminal(monkeypatch, api, says, "execution-delete", *BY_STATE)
    assert outcome.code == code
    assert "Delete them with all that is below them? [y/N]" in outcome.err
    assert len(changes(api)) == (0 if code else 3)
    assert ("Nothing was done." in outcome.err) is bool(code)


def test_an_operator_is_told_of_other_projects() -> None:
    """Who may see everything meets everything."""
    with ApiServer() as api:
        rows = [row | {"project_id": project} for row, project in zip(FOUND, "ppq", strict=True)]
        api.answer("GET /executions", {"executions": rows})
        outcome = ask(api, "execution-delete", "--all", "--dry-run")
    assert outcome.err.startswith("3 executions match in 2 projects (2 ERROR, 1 CANCELLED)")


def test_nothing_matches() -> None:
    with ApiServer() as api:
        api.answer("GET /executions", {"executions": []})
        assert ask(api, "execution-delete", *BY_STATE) == (0, "", "No execution matches.\n")


def test_some_cannot_be_deleted(api: ApiServer) -> None:
    """What is gone meanwhile, with the execution that had started it say, is as it should be."""
    with ApiServer() as api:
        api.answer("GET /executions", {"executions": FOUND})
        api.refuse("DELETE /executions/a", 403, "it is not finished")
        api.refuse("DELETE /executions/b", 404, "not found")
        api.answer("DELETE /executions/c", status=204)
        outcome = ask(api, "execution-delete", *BY_STATE, "--yes")
    assert outcome.code == 1
    assert outcome.out == "Request to delete execution c has been accepted.\n"
    assert "a: it is not finished\n" in outcome.err
    assert outcome.err.endswith("ERROR (app) 1 of 3 executions could not be deleted.\n")


def test_cancelling_meets_what_is_not_finished(api: ApiServer) -> None:
    outcome = ask(api, "execution-cancel", "--filter", "workflow_name=w", "--yes", "--reason", "too late")
    assert (outcome.code, outcome.out.splitlines()[0]) == (0, "Execution a is cancelled.")
    assert api.requests[0].query["state"] == ["in:IDLE,RUNNING,PAUSED"]
    assert api.last.body == {"state": "CANCELLED", "state_info": "too late"}
    ask(api, "execution-cancel", "--filter", "state=PAUSED", "--dry-run")
    assert api.last.query["state"] == ["PAUSED"]


def test_cancelling_by_id(api: ApiServer) -> None:
    api.answer("PUT /executions/done", EXECUTION)
    api.refuse("PUT /executions/none", 404, "WorkflowExecution not found [id=none]")
    outcome = ask(api, "execution-cancel", "a", "done", "none", "b")
    assert outcome == (
        1,
        "Execution a is cancelled.\nExecution b is cancelled.\n",
        "done: it is in SUCCESS and cannot be cancelled\n"
        "WorkflowExecution not found [id=none]\n"
        "ERROR (app) 2 of 4 executions could not be cancelled.\n",
    )


def test_changing_many(api: ApiServer) -> None:
    outcome = ask(api, "execution-update", *BY_STATE, "-s", "CANCELLED", "--reason", "why", "--yes")
    assert outcome.code == 0
    assert outcome.out.splitlines() == [f"Execution {name} is in CANCELLED." for name in "abc"]
    assert api.last.body == {"state": "CANCELLED", "state_info": "why"}


def test_stopping_with_a_reason(api: ApiServer) -> None:
    ask(api, "execution-update", "a", "-s", "ERROR", "--reason", "out of cheese")
    assert api.last.body == {"state": "ERROR", "state_info": "out of cheese"}
    assert ask(api, "execution-update", "a", "-d", "x", "--reason", "y").code == 2


def test_skipping_a_task(api: ApiServer) -> None:
    api.answer("PUT /tasks/t", TASK | {"state": "SKIPPED"})
    assert "SKIPPED" in ask(api, "task-skip", "t").out
    assert api.last.body == {"id": "t", "state": "SKIPPED"}


def test_an_id_of_ones_own(api: ApiServer) -> None:
    api.answer("POST /executions", EXECUTION, status=201)
    ask(api, "execution-create", "w", "--id", "mine")
    assert api.last.body["id"] == "mine"


@pytest.mark.parametrize("kind", ["workflow", "execution", "cron_trigger", "event_trigger"])
def test_other_projects(kind: str) -> None:
    with ApiServer() as api:
        api.answer(f"GET /{kind}s", {f"{kind}s": []})
        command = f"{kind.replace('_', '-')}-list"
        assert ask(api, command, "--all-projects").code == 0
        assert api.last.query["all_projects"] == ["true"]
        ask(api, command)
        assert "all_projects" not in api.last.query


def test_the_service_itself(api: ApiServer) -> None:
    api.answer("GET /services", {"services": [{"id": "i", "name": "host:1", "type": "api", "address": None}]})
    assert ask(api, "service-list", "-f", "value").out == "i host:1 api None\n"
    api.answer("GET /info", {"region": "x"}, root="")
    assert ask(api, "service-info").out == '{\n    "region": "x"\n}\n'
