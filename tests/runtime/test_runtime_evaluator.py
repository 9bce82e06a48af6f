"""Expressions that are evaluated in the helper process: what comes back, and how they end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from service import PATIENCE, World
from test_runtime_adhoc import add_actions

from maestrale.engine.identity import Identity
from maestrale.engine.lookups import Outside
from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import Scope
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret, reveal
from maestrale.runtime.evaluator import HelperProcess
from maestrale.runtime.machine import pid_started
from maestrale.runtime.outside import work_out

ON_POSTGRESQL = 2

LONG = "('a' * 30 + b) =~ '(a+)+b$'"
"""True, after no time at all; but nobody can see that from outside."""


class Places(Outside):
    """Surroundings in which there is something to find, and which count the questions."""

    def __init__(self) -> None:
        super().__init__(Identity("seed", 0, 0), 1_800_014_400_000_000)
        self.asked: list[Any] = []

    def task(self, name: str | None) -> Any:
        self.asked.append(name)
        return {"name": name, "result": Secret("hush")}


@pytest.fixture(scope="module")
def helper() -> Iterator[HelperProcess]:
    before = template._languages
    template.configure(Options(time_limit=1.0, memory_limit=256 * 1024 * 1024))
    template.register_functions({"ours": lambda _context, value: value})
    process = HelperProcess()
    yield process
    process.stop()
    template._languages = before


def value_of(helper: HelperProcess, text: str, surroundings: Any = None, **data: Any) -> Any:
    def work(elsewhere: Any) -> Any:
        return template.evaluate(text, Scope([data], surroundings, elsewhere=elsewhere))

    return work_out(helper, work).result(PATIENCE)


def failure_of(helper: HelperProcess, text: str, surroundings: Any = None, **data: Any) -> str:
    with pytest.raises(EvaluationError) as caught:
        value_of(helper, text, surroundings, **data)
    return caught.value.message


def test_values_come_back_as_they_are(helper: HelperProcess) -> None:
    data = {"number": 1.5, "none": None, "list": [1, {"é": True}], "text": "\u0000\u2028"}
    assert value_of(helper, f"<% [{LONG}, $.data] %>", data=data) == [True, data]
    assert value_of(helper, f"a <% {LONG} %> b") == "a True b"


def test_secrets_stay_secret(helper: HelperProcess) -> None:
    secret = value_of(helper, "<% [$.key =~ '(a+)+b$', $.key] %>", key=Secret("a" * 30 + "b"))
    assert isinstance(secret, Secret)
    assert reveal(secret) == [True, "a" * 30 + "b"]


def test_only_variables_that_are_named_are_sent_unless_all_are_wanted(helper: HelperProcess) -> None:
    assert value_of(helper, f"<% [{LONG}, $.keys().len(), $.get(concat(na, me))] %>", name=1, x=2) == [
        True,
        2,
        1,
    ]


def test_functions_are_answered_here(helper: HelperProcess) -> None:
    places = Places()
    result = value_of(helper, f"<% [{LONG}, task(one).name, task(two).result, now().year] %>", places)
    assert reveal(result) == [True, "one", "hush", 2027]
    assert set(places.asked) == {"one", "two"}
    assert "asks for more than 8 things" in failure_of(
        helper,
        f"<% [{LONG}, range(20).select(task(str($)).name).toList()] %>",
        places,
    )


def test_errors_are_told_as_ever(helper: HelperProcess) -> None:
    assert "no variable 'nope'" in failure_of(helper, f"<% [{LONG}, $.nope] %>", x=1)


def test_what_draws_is_not_repeated(helper: HelperProcess) -> None:
    assert "before it draws a random number" in failure_of(helper, f"<% [{LONG}, uuid()] %>", Places())
    assert "regex_steps" in failure_of(helper, f"<% [uuid(), {LONG}] %>", Places())
    assert "calls a function of the installation" in failure_of(helper, f"<% [{LONG}, ours(1)] %>", Places())
    assert value_of(helper, "<% range(1000).select(ours($)).len() %>", Places()) == 1000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<% ('a' * 40 + b) =~ '(a+)+$' %>", "it takes longer than 1 s ([expressions] time_limit)"),
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "it takes longer than 1 s ([expressions] time_limit)",
        ),
        (
            "<% range(100000).select('a' * 1000000).select($ + b).toList() %>",
            "it takes more than 268435456 bytes of memory ([expressions] memory_limit)",
        ),
    ],
)
def test_it_is_ended(helper: HelperProcess, text: str, reason: str) -> None:
    message = failure_of(helper, text)
    shown = text if text.startswith("{%") else text[2:-2].strip()
    assert f"[expression={shown}, error={reason}]" in message
    assert value_of(helper, f"<% {LONG} %>") is True


def test_an_ad_hoc_action_outside_of_workflows(database_url: str) -> None:
    with World(database_url) as world:
        add_actions(
            world,
            f"""
version: '2.0'
slow:
  input: [text]
  base: std.echo
  base-input: {{output: "<% $.text =~ '(a+)+b$' %>"}}
  output: "<% [$, {LONG}] %>"
""",
        )
        ran = world.run_action("slow", {"text": "a" * 30 + "b"}, save=True)
        (row,) = world.until(lambda: [row for row in world.actions() if row["state"] == "SUCCESS"])
        assert ran.action_id == row["id"]
        assert row["output"] == [True, True]


def test_a_process_that_does_not_work_is_an_error_and_no_end() -> None:
    helper = HelperProcess((sys.executable, "-c", "print('no message')"))
    for _ in range(2):
        assert "the helper process for that does not work" in failure_of(helper, f"<% {LONG} %>")
    helper.stop()
    helper = HelperProcess(("/nonexistent",))
    assert "the helper process for that does not work" in failure_of(helper, f"<% {LONG} %>")
    helper.stop()


def test_a_stopped_one_leaves_nobody_behind() -> None:
    helper = HelperProcess()
    endless = work_out(
        helper,
        lambda elsewhere: template.evaluate(
            "<% ('a' * 40 + b) =~ '(a+)+$' %>", Scope((), elsewhere=elsewhere)
        ),
    )
    while helper.process_id is None:
        time.sleep(0.01)
    number = helper.process_id
    helper.stop()
    assert pid_started(number) is None
    assert not endless.done()
