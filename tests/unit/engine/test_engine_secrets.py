"""Secrets stay closed on their way through a workflow, and in what is said of failures."""

from __future__ import annotations

import pytest
from harness import run

from maestrale.model.values import Secret, reveal

WORD = "s3cret-word"


def test_items_of_a_secret_list_are_secrets() -> None:
    found = run(
        """
        w:
          input: [keys]
          tasks:
            t:
              with-items: key in <% $.keys %>
              action: remote key=<% $.key %> text="<% $.key %>!"
              publish: {seen: <% task().result %>}
        """,
        input={"keys": Secret([WORD, {"a": WORD}])},
    )
    first, second = found.open_actions("t")
    assert first.input == {"key": Secret(WORD), "text": Secret(f"{WORD}!")}
    assert second.input["key"] == Secret({"a": WORD})
    found.finish("t", Secret(1), item=0)
    found.finish("t", Secret(2), item=1)
    seen = found.published("t")["seen"]
    assert type(seen) is Secret
    assert reveal(seen) == [1, 2]


def test_a_secret_map_may_be_the_input() -> None:
    found = run(
        "w: {input: [m], tasks: {t: {action: remote, input: <% $.m %>}}}", input={"m": Secret({"a": WORD})}
    )
    assert found.open_actions("t")[0].input == {"a": Secret(WORD)}


@pytest.mark.parametrize(
    "body",
    [
        "{action: std.echo output=<% int($.word) %>}",
        "{action: <% $.word %>}",
        "{action: std.noop, input: <% $.word %>}",
        "{action: std.noop, with-items: i in <% $.word %>}",
        "{action: std.noop, with-items: 'i in <% [1, 2] %>', concurrency: <% $.word %>}",
        "{action: std.noop, timeout: <% $.word %>}",
        "{action: std.noop, wait-before: <% $.word %>}",
        "{action: std.noop, pause-before: <% $.word %>}",
        "{action: std.noop, retry: {count: <% $.word %>, delay: 1}}",
        "{action: std.noop, publish: {x: <% $.word.nope() %>}}",
        "{action: std.noop, on-success: 'fail msg=<% $.word %>'}",
        "{action: std.fail error_data=<% $.word %>}",
        "{action: std.noop, fail-on: <% $.word %>}",
        "{workflow: <% $.word %>}",
        "{action: std.noop, target: <% $.word.x %>}",
    ],
)
def test_no_failure_tells_a_secret(body: str) -> None:
    found = run(f"w: {{input: [word], tasks: {{t: {body}}}}}", input={"word": Secret(WORD)})
    assert found.state == "ERROR"
    assert WORD not in found.info
    assert WORD not in (found.task("t").state_info or "")
    assert WORD not in str(found.output)
