"""Workflows with everything in them, and somebody who does random things to their executions."""

from __future__ import annotations

import random
from contextlib import suppress

from engine_worlds import Run, World

from maestrale.model import states
from maestrale.model.errors import MaestraleError

SCENARIOS = {
    "policies": """
        w:
          tasks:
            a: {action: remote, retry: {count: 2, delay: 3}, wait-before: 2, on-error: c, on-success: b}
            b: {action: remote, timeout: 4, wait-after: 2, retry: {count: 1, delay: 0}, on-complete: d}
            c:
              pause-before: true
              action: std.async_noop
              fail-on: <% task().result = bad %>
              on-complete: d
            d: {wait-after: 1, publish: {d: <% uuid() %>}}
    """,
    "items": """
        w:
          output: {r: <% $.get(r) %>}
          tasks:
            t:
              with-items: i in <% range(5) %>
              concurrency: 2
              action: remote n=<% $.i %>
              publish: {r: <% task().result %>}
              on-success: u
              on-error: v
            u: {with-items: "i in [1, 2, 3]", action: remote, retry: {count: 1, delay: 1}}
            v: {with-items: "i in [1, 2]", action: remote, timeout: 3}
    """,
    "joins": """
        w:
          tasks:
            a: {action: remote, publish: {a: 1}, publish-on-error: {a: 0}, on-success: [j, k], on-error: k}
            b: {action: remote, publish: {b: 1}, on-success: [j, far], on-complete: k}
            far: {action: remote, on-success: near, on-skip: near}
            near: {publish: {near: 1}, on-success: [k, all]}
            j: {join: all, action: remote, publish: {j: 1}, on-complete: all}
            k: {join: 2, action: remote, publish: {k: 1}, on-success: all}
            all: {join: all, wait-before: 1, publish: {done: 1}}
    """,
    "cycle": """
        w:
          output: {n: <% $.n %>}
          tasks:
            init: {publish: {n: 0}, on-success: [a, b]}
            a: {action: remote, on-success: meet, on-error: meet}
            b: {action: remote, on-success: meet, on-error: [pause, meet]}
            meet:
              join: all
              publish: {n: <% $.n + 1 %>}
              on-success: [{a: <% $.n < 3 %>}, {b: <% $.n < 3 %>}]
    """,
    "tree": """
        w:
          tasks:
            t: {workflow: middle, on-error: h, on-success: u}
            u: {action: remote, publish: {u: 1}}
            h: {action: std.noop}
        middle:
          tasks:
            s: {with-items: "i in [0, 1]", workflow: leaf n=<% $.i %>, retry: {count: 1, delay: 1}}
            beside: {action: remote, on-success: [pause, after], on-error: 'fail msg="no"'}
            after: {action: std.noop}
        leaf:
          input: [n]
          output: {v: <% $.get(v) %>}
          tasks:
            x: {action: remote, publish: {v: <% task().result %>}, on-success: y}
            y: {action: std.async_noop, timeout: 6}
    """,
    "commands": """
        w:
          tasks:
            a: {action: remote, on-success: [b, pause, c, succeed], on-error: [d, 'fail msg="x"']}
            b: {action: remote, on-success: e}
            c: {action: remote, on-success: e}
            d: {action: remote}
            e: {join: one, action: remote}
    """,
    "broken": """
        w:
          tasks:
            t:
              with-items: i in [0, 1, 2, 3]
              concurrency: 3
              workflow: leaf
              input: {n: "<% switch($.i = 2 and not env().get(again) => $.nope, true => $.i) %>"}
              on-success: u
            u:
              with-items: i in [0, 1, 2]
              action: remote
              input: {n: "<% switch($.i = 2 and not env().get(again) => $.nope, true => $.i) %>"}
              keep-result: false
            beside:
              action: remote
              publish: {x: <% task().result %>}
              on-success: [{u: <% $.x %>}, {noop: <% 7 > $.x %>}]
        leaf:
          input: [n]
          output: {n: <% $.n + 1 %>}
          tasks: {x: {action: remote, publish-on-error: {e: <% task().result + 1 %>}}}
    """,
    "ends": """
        w:
          tasks:
            a: {action: remote, on-success: [items, child, succeed], on-error: [items, j, fail]}
            b: {action: remote, on-complete: [j, child]}
            items: {with-items: "i in [1, 2, 3, 4, 5]", concurrency: 2, action: remote, on-complete: j}
            child: {workflow: sub, on-complete: quick}
            quick: {retry: {count: 2, delay: 0}, fail-on: true, on-error: j}
            j: {join: 2, action: remote, retry: {count: 1, delay: 0}}
        sub:
          tasks: {s: {action: remote, on-success: [{s: <% task().result = bad %>}, fail]}, r: {on-success: s}}
    """,
    "loop": """
        w:
          tasks:
            s: {on-success: [a, k]}
            a: {action: remote, on-success: b, on-error: j}
            b: {action: remote, on-success: [{a: <% task().result = bad %>}, {e: <% task().result = good %>}]}
            e: {action: remote, on-success: [j, z]}
            k: {action: remote, on-complete: [z, j]}
            j: {join: all, on-complete: z}
            z: {join: 2, action: remote}
    """,
    "reverse": """
        w:
          type: reverse
          tasks:
            top: {action: remote, requires: [left, right]}
            left: {action: remote, requires: [base], retry: {count: 1, delay: 1}}
            right: {workflow: sub, requires: [base]}
            base: {action: remote, publish: {b: 1}}
        sub:
          tasks: {s: {action: remote}}
    """,
}


class Mischief:
    """Does one random thing after the other to the executions of a world."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance

    def runs(self) -> list[Run]:
        return [Run(self.world, key) for key, e in self.world.executions.items() if e.workflow is not None]

    def deliver(self) -> None:
        steps = self.world.possible_steps()
        if steps:
            self.world.step(*self.chance.choice(steps))

    def finish(self) -> None:
        open_actions = [
            (found, task.name)
            for found in self.runs()
            for task in found.tasks()
            if found.open_actions(task.name)
        ]
        if not open_actions:
            return
        found, name = self.chance.choice(open_actions)
        item = self.chance.choice([action.item_index for action in found.open_actions(name)])
        ends = ["SUCCESS"] * 6 + ["ERROR"] * 4 + ["CANCELLED"]
        result = self.chance.choice(["good", "bad", 7, None])
        found.finish(name, result, self.chance.choice(ends), item=item, by_user=self.chance.random() < 0.2)

    def pass_time(self) -> None:
        self.world.advance(self.chance.choice([0.5, 1, 3]))

    def ask(self) -> None:
        """A person asks for something, legal or not."""
        found = self.chance.choice(self.runs())
        tasks = [task.name for task in found.tasks()]
        failed = [task.name for task in found.tasks() if found.states[task.name] == states.ERROR]
        waiting = [task.name for task in found.tasks() if found.open_actions(task.name)]
        kind = self.chance.choice(
            ["pause", "resume", "resume", "rerun", "rerun", "restart", "skip", "stop", "update"]
        )
        match kind:
            case "pause":
                found.pause()
            case "resume":
                found.resume({"late": 1} if self.chance.random() < 0.3 else None)
            case "rerun" if failed or tasks:
                environment = {"again": 1} if self.chance.random() < 0.3 else None
                reset = self.chance.random() < 0.5
                found.rerun(self.chance.choice(failed or tasks), reset=reset, environment=environment)
            case "restart" if tasks:
                environment = {"again": 1} if self.chance.random() < 0.3 else None
                found.restart(self.chance.choice(tasks), environment)
            case "skip" if failed:
                found.skip(self.chance.choice(failed))
            case "stop" if self.chance.random() < 0.3:
                found.stop(self.chance.choice(["SUCCESS", "ERROR", "CANCELLED"]), "asked")
            case "update" if waiting:
                found.update(self.chance.choice(waiting), self.chance.choice(["PAUSED", "RUNNING"]))

    def one_thing(self) -> None:
        deeds = [self.deliver] * 6 + [self.finish] * 4 + [self.pass_time, self.ask]
        with suppress(MaestraleError):  # refused, and so without a trace: the harness has looked
            self.chance.choice(deeds)()
