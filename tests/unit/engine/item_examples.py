"""A workflow with items that tests complete, and what to look at."""

from __future__ import annotations

from typing import Any

from harness import Run, run

REMOTE = """
    w:
      input: [{list: [a, b, c, d]}]
      output: {r: <% $.get(r) %>}
      tasks:
        t:
          with-items: i in <% $.list %>
          action: remote item=<% $.i %>
          publish: {r: <% task().result %>}
          publish-on-error: {r: <% task().result %>}
          POLICY
          on-error: noop
"""


def remote(policy: str = "description: x", **start: Any) -> Run:
    return run(REMOTE.replace("POLICY", policy), **start)


def given(found: Run) -> list[object]:
    """The items of all actions ever made, in order."""
    return [action.input["item"] for action in found.actions("t")]


def open_items(found: Run) -> list[int | None]:
    return [action.item_index for action in found.open_actions("t")]
