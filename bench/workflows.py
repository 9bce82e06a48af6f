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

COUNTED = """
version: '2.0'
{name}:
  input: [count]
  output: {{count: <% $.count %>, last: <% $.last %>}}
  tasks:
    each:
      with-items: i in <% range($.count) %>
      action: {action}
      publish: {{count: <% task().result.len() %>, last: <% task().result.last() %>}}
"""

LOOP = """
version: '2.0'
{name}:
  input: [turns, {{count: 0}}]
  output: {{count: <% $.count %>}}
  tasks:
    begin:
      on-success: turn
    turn:
      action: std.noop
      publish: {{count: <% $.count + 1 %>}}
      on-success:
        - turn: <% $.count < $.turns %>
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


def executed_chain(name: str, length: int) -> str:
    """Tasks in a row whose actions an executor runs, each of which may be repeated after a crash."""
    tasks = {
        f"step_{number}": {
            "action": "std.sleep seconds=0",
            "safe-rerun": True,
            **({"on-success": f"step_{number + 1}"} if number + 1 < length else {}),
        }
        for number in range(length)
    }
    return _text(name, {"output": {"done": True}, "tasks": tasks})


def waiting(name: str) -> str:
    """A task that waits for somebody outside."""
    return _text(name, {"tasks": {"wait": {"action": "std.async_noop"}}})


def fan_out(name: str, width: int) -> str:
    """Parallel tasks that one task joins."""
    tasks: dict[str, object] = {
        f"branch_{number}": {"action": "std.noop", "on-success": "gather"} for number in range(width)
    }
    tasks["gather"] = {"join": "all", "action": "std.noop", "publish": {"done": True}}
    return _text(name, {"output": {"done": "<% $.done %>"}, "tasks": tasks})


def fork_join(name: str, width: int, action: str) -> str:
    """A task that forks into parallel ones, which one task joins."""
    tasks: dict[str, object] = {
        f"branch_{number}": {"action": action, "on-success": "gather"} for number in range(width)
    }
    fork = {"action": "std.noop", "on-success": list(tasks)}
    gather = {"join": "all", "action": "std.noop", "publish": {"done": True}}
    return _text(
        name, {"output": {"done": "<% $.done %>"}, "tasks": {"fork": fork, **tasks, "gather": gather}}
    )


def items(name: str, at_once: int | None) -> str:
    """One action for every number, `at_once` of them at a time."""
    return ITEMS.format(name=name, limit=f"\n      concurrency: {at_once}" if at_once else "")


def counted_items(name: str, action: str) -> str:
    """One action for every number; of the results, only how many there are and the last one are kept."""
    return COUNTED.format(name=name, action=action)


def loop(name: str) -> str:
    """One task that chooses itself again until it has counted far enough."""
    return LOOP.format(name=name)


def nested(name: str) -> str:
    """One sub-workflow for every number."""
    return NESTED.format(name=name)


def document(name: str, length: int) -> str:
    """Tasks in a row that hand on a document."""
    output = {"rows": "<% $.document.rows.len() %>", "last": "<% $.document.rows.last().id %>"}
    return _relay(name, "document", length, output)


def big_text(name: str, length: int) -> str:
    """Tasks in a row that hand on a text."""
    return _relay(name, "text", length, {"length": "<% $.text.len() %>"})


def _relay(name: str, variable: str, length: int, output: Mapping[str, object]) -> str:
    tasks = {
        f"step_{number}": {
            "action": f"std.echo output=<% $.{variable} %>",
            "publish": {variable: "<% task().result %>"},
            **({"on-success": f"step_{number + 1}"} if number + 1 < length else {}),
        }
        for number in range(length)
    }
    return _text(name, {"input": [variable], "output": output, "tasks": tasks})


def _text(name: str, body: Mapping[str, object]) -> str:
    return json.dumps({"version": "2.0", name: body}, indent=1)
