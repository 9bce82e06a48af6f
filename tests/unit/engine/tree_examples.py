"""Workflows with sub-workflows that several tests look at."""

from __future__ import annotations

from harness import Run, run

PAIR = """
    w:
      output: {r: <% $.get(r) %>}
      tasks:
        t:
          workflow: sub
          publish: {r: <% task().result %>}
          publish-on-error: {r: <% task().result %>}
          MORE
          on-success: after
        after: {action: std.noop}
    sub:
      output: {v: <% $.v %>}
      tasks:
        s: {action: remote, publish: {v: <% task().result %>}}
"""


def pair(more: str = "description: x") -> Run:
    return run(PAIR.replace("MORE", more))


def tree(leaf: str = "action: remote", more: str = "description: x") -> tuple[Run, Run, Run]:
    """An execution, its child and its grandchild; the leaf task is `c`, beside it runs `d`."""
    top = run(f"""
        top:
          tasks:
            a: {{workflow: middle}}
            beside: {{action: remote}}
        middle:
          output: {{v: <% $.get(v) %>}}
          tasks:
            b: {{workflow: bottom, publish: {{v: <% task().result.v %>}}}}
        bottom:
          output: {{v: <% $.get(v) %>}}
          tasks:
            c:
              {leaf}
              {more}
              publish: {{v: <% task().result %>}}
            d: {{action: remote}}
    """)
    middle = top.child("a")
    return top, middle, middle.child("b")
