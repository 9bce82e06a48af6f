"""`maestrale policy`: the rules, and why somebody passes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_server import run


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text("author: role:author\nworkflows:create: rule:author or rule:admin_only\n")
    return str(path)


def test_all_rules(file: str) -> None:
    lines = run("policy", "list", "--policy-file", file).out.splitlines()
    assert len(lines) == 74
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert found["workflows:create"] == ["file", "rule:author or rule:admin_only"]
    assert found["workflows:get"] == ["default", "rule:admin_or_owner"]
    assert found["author"] == ["file", "role:author"]


def test_why_somebody_passes(file: str) -> None:
    asked = ("policy", "check", "workflows:create", "--policy-file", file, "--as")
    passed = run(*asked, "project=web,user=ada,roles=member,author")
    assert passed.code == 0
    assert passed.out == (
        "workflows:create: allowed\n"
        "  yes rule:author or rule:admin_only\n"
        "      yes rule:author\n"
        "          yes role:author (the caller's roles: member, author)\n"
    )
    refused = run(*asked, "project=web")
    assert refused.code == 1
    assert "workflows:create: forbidden\n" in refused.out
    assert "no  is_admin:True (is_admin is False, not True)" in refused.out
    assert run(*asked, "roles=admin").code == 0


def test_what_cannot_be_asked(file: str) -> None:
    assert "did you mean 'workflows:create'?" in run("policy", "check", "workflows:crate").err
    for caller, words in (("team=web", "'team' is none of"), ("ada", "'ada' has no name"),
                          ("roles=a,project=b,c", "'c' has no name")):  # fmt: skip
        outcome = run("policy", "check", "workflows:create", "--as", caller)
        assert outcome.code != 0
        assert words in outcome.err
    assert "cannot be read" in run("policy", "list", "--policy-file", f"{file}x").err
