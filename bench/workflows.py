"""The workflows that are measured, made to size."""

from __future__ import annotations

import json
from collections.abc import Mapping

HELLO = """
version: '2.0'
{name}:
  input: [to]
  output: {{greeting: <% $.greeting %>}}
  tasks:
    greet:
      action: std.echo output="hello <% $.to %>"
      publish: {{greeting: <% task().result %>}}
"""

ITEMS = """
version: '2.0'
{name}:
  input: [count]
  output: {{squares: <% $.squares %>}}
  tasks:
    each:
      with-items: i in <% range($.count) %>
      action: std.echo output=<% $.i * $.i %>{limit}
      publish: {{squares: <% task().result %>}}
"""

NESTED = """
version: '2.0'
{name}:
  input: [count]
  output: {{doubled: <% $.doubled %>}}
  tasks:
    each:
      with-items: i in <% range($.count) %>
      workflow: {name}_child number=<% $.i %>
      publish: {{doubled: <% task().result.select($.double) %>}}
{name}_child:
  input: [number]
  output: {{double: <% $.double %>}}
  tasks:
    count:
      action: std.echo output=<% $.number * 2 %>
      publish: {{double: <% task().result %>}}
"""


def hello(name: str) -> str:
    """One task that greets."""
    return HELLO.format(name=name)


def chain(name: str, length: int) -> str:
    """Tasks in a row that count up."""
    tasks = {}
    for number in range(length):
        tasks[f"step_{number}"] = {
            "action": "std.noop",
            "publish": {"count": "<% $.count + 1 %>"},
            **({"on-success": f"step_{number + 1}"} if number + 1 < length else {}),
        }
    body = {"input": [{"count": 0}], "output": {"count": "<% $.count %>"}, "tasks": tasks}
    return _text(name, body)


def fan_out(name: str, width: int) -> str:
    """Parallel tasks that one task joins."""
    tasks: dict[str, object] = {
        f"branch_{number}": {"action": "std.noop", "on-success": "gather"} for number in range(width)
    }
    tasks["gather"] = {"join": "all", "action": "std.noop", "publish": {"done": True}}
    return _text(name, {"output": {"done": "<% $.done %>"}, "tasks": tasks})


def items(name: str, at_once: int | None) -> str:
    """One action for every number, `at_once` of them at a time."""
    return ITEMS.format(name=name, limit=f"\n      concurrency: {at_once}" if at_once else "")


def nested(name: str) -> str:
    """One sub-workflow for every number."""
    return NESTED.format(name=name)


def document(name: str, length: int) -> str:
    """Tasks in a row that hand on a document."""
    tasks = {
        f"step_{number}": {
            "action": "std.echo output=<% $.document %>",
            "publish": {"document": "<% task().result %>"},
            **({"on-success": f"step_{number + 1}"} if number + 1 < length else {}),
        }
        for number in range(length)
    }
    output = {"rows": "<% $.document.rows.len() %>", "last": "<% $.document.rows.last().id %>"}
    return _text(name, {"input": ["document"], "output": output, "tasks": tasks})


def _text(name: str, body: Mapping[str, object]) -> str:
    return json.dumps({"version": "2.0", name: body}, indent=1)
