"""Random workflows that use every feature of the language."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from maestrale.lang.graph import build_graph
from maestrale.lang.parse import load_workflow
from maestrale.lang.spec import WorkflowSpec
from maestrale.simulation.script import OUTSIDE, SAFE, WORK

Body = dict[str, Any]


class Definition(NamedTuple):
    """A workflow and those it calls: texts by name, the first one is the one to start.

    `is_determinate`: its end does not depend on the order in which things happen. `params` to start it with.
    """

    texts: dict[str, str]
    is_determinate: bool
    params: dict[str, Any]

    @property
    def name(self) -> str:
        """The workflow to start."""
        return next(iter(self.texts))


def random_definition(chance: random.Random, name: str) -> Definition:
    """A workflow that calls up to two others."""
    maker = _Maker(chance, is_free=chance.random() < 0.5)
    children = [f"{name}_{letter}" for letter in "ab"[: chance.choice([0, 0, 1, 2])]]
    is_reverse = chance.random() < 0.1
    bodies = {name: maker.reverse(children) if is_reverse else maker.direct(children)}
    for place, child in enumerate(children):
        bodies[child] = maker.direct(children[place + 1 :], is_child=True)
    params: dict[str, Any] = {"env": {"e": 1, "__actions": {WORK: {"mark": "by env"}}}}
    if is_reverse:
        params["task_name"] = chance.choice(list(bodies[name]["tasks"]))
    texts = {key: json.dumps({"version": "2.0", key: body}) for key, body in bodies.items()}
    races = any(joins_may_miss_something(load_workflow(text, key)) for key, text in texts.items())
    return Definition(texts, not maker.is_free and not races, params)


def joins_may_miss_something(spec: WorkflowSpec) -> bool:
    """Whether a join has a branch with several executions: it starts when the first of them has come, and
    what those publish that come after its end is seen nowhere below it.

    `spec`: a workflow of this module, in which tasks stand behind those that lead to them.
    """
    inbound = build_graph(spec).inbound
    repeated: set[str] = set()
    for name, task in spec.tasks.items():
        if not task.join and (len(inbound[name]) > 1 or not repeated.isdisjoint(inbound[name])):
            repeated.add(name)
    return any(task.join and not repeated.isdisjoint(inbound[name]) for name, task in spec.tasks.items())


class _Maker:
    def __init__(self, chance: random.Random, is_free: bool) -> None:
        self.is_free = is_free
        self._chance = chance

    def _maybe(self, probability: float) -> bool:
        return self._chance.random() < probability

    def direct(self, children: list[str], is_child: bool = False) -> Body:
        """Tasks t0, t1 ...: transitions lead to later ones, and perhaps around in a loop."""
        chance = self._chance
        count = chance.randint(1, 4 if is_child else 7)
        tasks = {f"t{number}": self._task(f"t{number}", children) for number in range(count)}
        for number in range(1, count):
            self._lead_to(tasks, number)
        if self._maybe(0.2):
            self._add_loop(tasks)
        if self._maybe(0.3):
            self._add_command(tasks)
        body: Body = {"tasks": tasks}
        if is_child:
            body["input"] = [{"n": None}]
        if self._maybe(0.5):
            body["output"] = {f"o{n}": f"<% $.get(v_t{n}) %>" for n in range(count)}
        if self._maybe(0.3):
            body["output-on-error"] = {"late": "<% $.get(v_t0) %>"}
            for task in tasks.values():  # a clause that answers no error must not count as an answer
                task.setdefault("on-error", [{"noop": "<% false %>"}])
        if self._maybe(0.15):
            body["task-defaults"] = {"retry": {"count": 1, "delay": 1}}
        return body

    def reverse(self, children: list[str]) -> Body:
        """Tasks that require earlier ones."""
        chance = self._chance
        names = [f"t{number}" for number in range(chance.randint(1, 5))]
        tasks = {name: self._task(name, children) for name in names}
        for number, name in enumerate(names[1:], 1):
            tasks[name]["requires"] = chance.sample(names[:number], chance.randint(1, min(2, number)))
        return {"type": "reverse", "tasks": tasks}

    def _task(self, name: str, children: list[str]) -> Body:
        chance = self._chance
        task: Body = {}
        items = self._maybe(0.2)
        if children and self._maybe(0.3):
            task["workflow"] = chance.choice(children)
        else:
            task["action"] = chance.choice([WORK, WORK, WORK, SAFE, SAFE, OUTSIDE, "std.noop", "std.echo"])
        value = "<% $.item %>" if items else chance.choice([1, "<% $.get(v_t0) %>", "<% env().e %>"])
        if task.get("action") == "std.echo":
            task["input"] = {"output": value}
        elif task.get("action") != "std.noop":
            task["input"] = {"n": value}
        if items:
            task["with-items"] = f"item in <% range({chance.choice([0, 1, 3, 4, 5])}) %>"
            if self._maybe(0.5):
                task["concurrency"] = chance.randint(1, 3)
        task["publish"] = {f"v_{name}": "<% task().result %>"}
        if self._maybe(0.3):
            task["publish-on-error"] = {f"v_{name}": "failed"}
        if self._maybe(0.4):
            task["publish-on-skip"] = {f"v_{name}": "skipped"}
        if name == "t0" and self._maybe(0.3):
            task["publish"]["item"] = "not an item"
        self._add_policies(task)
        return task

    def _add_policies(self, task: Body) -> None:
        chance = self._chance
        if self._maybe(0.25):
            task["retry"] = {"count": chance.randint(1, 3), "delay": chance.randint(0, 2)}
            if self._maybe(0.2):
                task["retry"]["break-on"] = "<% task().result = 0 %>"
        for policy, probability in (("wait-before", 0.1), ("wait-after", 0.1)):
            if self._maybe(probability):
                task[policy] = chance.randint(1, 4)
        if self._maybe(0.05):
            task["pause-before"] = True
        if self._maybe(0.1):
            task["fail-on"] = chance.choice([False, "<% task().result = [] %>"])
        if self._maybe(0.1):
            task["keep-result"] = False
        if task.get("action") == WORK and self._maybe(0.4):
            task["safe-rerun"] = chance.choice([True, True, "<% true %>", "<% false %>"])
        if self.is_free and self._maybe(0.15):
            task["timeout"] = chance.randint(1, 6)
        if self.is_free and self._maybe(0.05):
            task["publish"] = {"bad": "<% $.nope %>"}

    def _lead_to(self, tasks: dict[str, Body], number: int) -> None:
        """Let earlier tasks lead to this one; none: it is a start task."""
        chance = self._chance
        name = f"t{number}"
        sources = chance.sample(range(number), min(number, chance.choice([0, 1, 1, 1, 2, 2, 3])))
        for source in sources:
            clause = chance.choice(["on-success"] * 4 + ["on-complete", "on-complete", "on-error"])
            target: Any = name
            if clause == "on-error" and self._maybe(0.3):
                target = {name: "<% false %>"}
            elif self._maybe(0.15):
                target = {name: chance.choice(["<% true %>", "<% false %>", "<% $.get(v_t0) != null %>"])}
            self._add_transition(tasks[f"t{source}"], clause, target)
        if len(sources) > 1 and self._maybe(0.9):
            tasks[name]["join"] = "all"
            if self.is_free and self._maybe(0.4):
                tasks[name]["join"] = chance.choice(["one", *range(1, len(sources) + 1)])
        elif len(sources) == 1 and self._maybe(0.1):
            tasks[name]["join"] = "all"
        if "join" in tasks[name]:
            for source in sources:
                self._bring_what_is_skipped(tasks[f"t{source}"], f"t{source}", name)

    def _bring_what_is_skipped(self, task: Body, source: str, join: str) -> None:
        """Let a task lead to a join, with something of its own, also when it is skipped."""
        if self._maybe(0.7):
            task["publish-on-skip"] = {f"v_{source}": "skipped"}
        if self._maybe(0.3):
            self._add_transition(task, "on-skip", join)

    def _add_transition(self, task: Body, clause: str, target: Any) -> None:
        known = task.get(clause, [])
        if isinstance(known, dict):
            known["next"].append(target)
        elif not known and self._maybe(0.2):
            number = self._chance.randrange(1000)
            scope = self._chance.choice(["global", "global", "atomic"])
            task[clause] = {"publish": {scope: {f"g{number}": number}}, "next": [target]}
        else:
            task[clause] = [*known, target]

    def _add_loop(self, tasks: dict[str, Body]) -> None:
        """A task that runs three times, behind the first one."""
        tasks["loop"] = {
            "action": SAFE,
            "publish": {"turns": "<% $.get(turns, 0) + 1 %>"},
            "publish-on-error": {"turns": "<% $.get(turns, 0) + 1 %>"},
            "on-complete": [{"loop": "<% $.turns < 3 %>"}],
        }
        self._add_transition(tasks["t0"], "on-complete", "loop")

    def _add_command(self, tasks: dict[str, Body]) -> None:
        commands = ["pause", "noop"]
        if self.is_free:
            commands += ["fail", "succeed", 'fail msg="given up"']
        task = tasks[self._chance.choice([name for name in tasks if name != "loop"])]
        self._add_transition(
            task, self._chance.choice(["on-success", "on-error"]), self._chance.choice(commands)
        )
