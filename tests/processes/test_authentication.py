"""A server that knows its callers, asked by the program itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from processes.command import Ran, maestrale
from processes.server import Server

ALICE, BOB = "token-of-alice-0001", "token-of-bob-000002"
TOKENS = f"""
{ALICE}: {{project_id: blue, user_id: alice}}
{BOB}: {{project_id: green, user_id: bob}}
"""
TEXT = "version: '2.0'\nshared:\n  tasks: {t: {action: std.noop}}\n"


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.yaml"
    path.write_text(TOKENS)
    path.chmod(0o600)
    return path


def test_a_workflow_is_shared_and_run(tmp_path: Path, tokens: Path) -> None:
    file = tmp_path / "shared.yaml"
    file.write_text(TEXT)
    with Server(tmp_path / "server", MAESTRALE_SERVER_AUTH=f"tokens:{tokens}") as server:

        def ask(token: str, *words: str) -> Ran:
            variables = {"OS_MISTRAL_URL": f"{server.url}/v2"} | ({"OS_AUTH_TOKEN": token} if token else {})
            return maestrale(tmp_path, *words, settings=variables)

        refused = ask("", "workflow-list")
        assert refused.code == 1
        assert "Authentication required" in refused.err
        assert "OS_AUTH_TOKEN" in refused.err
        assert "Auth token is invalid" in ask("wrong", "workflow-list").err

        # `run` finds the database with its owner, and hands its work on under the same name.
        database = ("--database", server.database_url)
        assert "Authentication required" in ask("", "run", *database, str(file)).err
        assert ask(ALICE, "run", *database, str(file)).code == 0
        (made,) = json.loads(ask(ALICE, "workflow-list", "-f", "json").out)
        assert made["Project ID"] == "blue"

        assert "Workflow not found" in ask(BOB, "execution-create", "shared").err
        assert ask(ALICE, "member-create", made["ID"], "workflow", "green").code == 0
        assert '"accepted"' in ask(BOB, "member-update", made["ID"], "workflow", "-f", "json").out
        assert ask(BOB, "execution-create", "shared").code == 0
        assert len(json.loads(ask(BOB, "execution-list", "-f", "json").out)) == 1
        log = server.log.read_text()
    assert "Warning" not in log
    assert ALICE not in log


def test_a_server_does_not_start_with_a_token_file_it_cannot_use(tmp_path: Path, tokens: Path) -> None:
    tokens.write_text(f"{ALICE}:\n  project_id: blue\n  user: alice\n")
    words = ("server", "--port", "0", "--auth", f"tokens:{tokens}")
    ran = maestrale(tmp_path, *words, "--database", f"sqlite:///{tmp_path}/maestrale.db")
    assert ran.code == 1
    assert ran.err == (
        f"ERROR (app) The token file {tokens} cannot be used:\n"
        "line 1: the user_id of this entry is missing\n"
        "line 3: unknown name in this entry (did you mean 'user_id'?)\n"
    )
