"""What operators decide about expressions: which languages there are, and further functions."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from processes.server import Server

JINJA = "version: '2.0'\nj:\n  tasks: {t: {action: std.noop, publish: {x: '{{ 1 }}'}}}\n"
YAQL = "version: '2.0'\ny:\n  tasks: {t: {action: std.noop, publish: {x: <% 1 %>}}}\n"

FUNCTIONS = """
def twice_(context, value):
    return 2 * value
"""
CALLING = """version: '2.0'
calling:
  output: {yaql: <% twice(21) %>, jinja: '{{ twice(4) }}'}
  tasks: {t: {action: std.noop}}
"""


@pytest.mark.covers("expr.languages_switch")
def test_a_language_that_is_switched_off_is_refused_at_the_door(tmp_path: Path) -> None:
    """The text is refused with the place of the expression."""
    with Server(tmp_path, MAESTRALE_EXPRESSIONS_ALLOWED_LANGUAGES="yaql") as server:
        refused = httpx.post(f"{server.url}/v2/workflows", content=JINJA, trust_env=False)
        assert refused.status_code == 400
        assert "line 3, column 47" in refused.json()["faultstring"]
        assert "Jinja expressions are switched off here; allowed: YAQL" in refused.json()["faultstring"]
        assert httpx.post(f"{server.url}/v2/workflows", content=YAQL, trust_env=False).status_code == 201


@pytest.mark.covers("expr.custom_functions")
def test_functions_of_installed_packages_work_in_both_languages(tmp_path: Path) -> None:
    """A package that offers a function by entry point needs nothing but to be there."""
    packages = tmp_path / "packages"
    metadata = packages / "extra_functions-1.0.dist-info"
    metadata.mkdir(parents=True)
    (packages / "extra_functions.py").write_text(FUNCTIONS)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: extra-functions\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[mistral.expression.functions]\ntwice = extra_functions:twice_\n"
    )
    with Server(tmp_path, PYTHONPATH=str(packages)) as server:
        stored = httpx.post(f"{server.url}/v2/workflows", content=CALLING, trust_env=False)
        assert stored.status_code == 201, stored.text
        started = httpx.post(
            f"{server.url}/v2/executions", json={"workflow_name": "calling"}, trust_env=False
        ).json()
        address = f"{server.url}/v2/executions/{started['id']}"
        found = started
        end = time.monotonic() + 30
        while found["state"] == "RUNNING" and time.monotonic() < end:
            time.sleep(0.02)
            found = httpx.get(address, trust_env=False).json()
        assert (found["state"], found["output"]) == ("SUCCESS", '{"yaql": 42, "jinja": 8}')
