"""A task with policies, and when its actions were made."""

from __future__ import annotations

from harness import SECOND, START, Run, run


def one(policies: str, action: str = "remote") -> Run:
    """A workflow of one remote task with these policies (lines of YAML); `h` runs if it fails."""
    lines = "\n".join(f"      {line}" for line in policies.strip("\n").splitlines())
    text = f"""\
w:
  tasks:
    t:
      action: {action}
      publish: {{got: <% task().result %>}}
      publish-on-error: {{lost: <% task().result %>}}
{lines}
      on-success: after
      on-error: h
    after: {{action: std.noop}}
    h: {{action: std.noop}}
"""
    return run(text)


def seconds(found: Run, name: str = "t") -> list[float]:
    """When the actions of a task were made, in seconds from the start."""
    return [(action.created_at - START) / SECOND for action in found.actions(name)]
