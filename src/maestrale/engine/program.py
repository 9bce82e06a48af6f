"""A definition made ready to decide with: its spec, its graph, and its expressions parsed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from maestrale.engine.routes import Routes
from maestrale.expressions.template import Template, compile_value
from maestrale.lang.graph import Graph, build_graph, strong_components
from maestrale.lang.spec import Path, Position, PublishSpec, TaskSpec, WorkflowSpec
from maestrale.model.values import Json

Section = tuple[tuple[str, Template], ...]
"""The entries of one map of the language, each parsed on its own so that an error can name its key."""


def compile_section(values: Mapping[str, Json] | None) -> Section:
    """Parse every value of a map."""
    return tuple((key, compile_value(value)) for key, value in (values or {}).items())


class CompiledPublish:
    """One source of published variables: the sections of its three scopes."""

    __slots__ = ("atomic", "branch", "global_", "path")

    def __init__(self, spec: PublishSpec, path: Path) -> None:
        self.branch = compile_section(spec.branch)
        self.global_ = compile_section(spec.global_)
        self.atomic = compile_section(spec.atomic)
        self.path = path


class TaskProgram:
    """One task, ready to run."""

    __slots__ = (
        "action_name",
        "asks",
        "fail_on",
        "guards",
        "inline",
        "input",
        "items",
        "keep_result",
        "parameters",
        "path",
        "policies",
        "publish",
        "spec",
        "target",
    )

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.path: Path = ("tasks", spec.name)
        name = spec.workflow or spec.action or "std.noop"
        self.action_name = compile_value(name)
        self.input: Section | Template = (
            compile_value(spec.input) if isinstance(spec.input, str) else compile_section(spec.input)
        )
        self.inline = compile_section(spec.inline)
        self.items = tuple((clause.variable, compile_value(clause.values)) for clause in spec.with_items)
        self.target = compile_value(spec.target) if spec.target else None
        self.keep_result = compile_value(spec.keep_result)
        self.publish = self._publish_sources(spec)
        self.guards = {
            clause: tuple(compile_value(t.guard) if t.guard is not None else None for t in clause_spec.next)
            for clause, clause_spec in spec.clauses.items()
        }
        self.parameters = {
            clause: tuple(compile_section(t.parameters) for t in clause_spec.next)
            for clause, clause_spec in spec.clauses.items()
        }
        self.asks = any(guard is not None for guards in self.guards.values() for guard in guards) or any(
            section for sections in self.parameters.values() for section in sections
        )
        """Whether what follows depends on any value."""
        policies = spec.policies
        self.policies: dict[str, Template] = {
            name: compile_value(value)
            for name, value in (
                ("pause-before", policies.pause_before),
                ("wait-before", policies.wait_before),
                ("wait-after", policies.wait_after),
                ("fail-on", policies.fail_on),
                ("timeout", policies.timeout),
                ("concurrency", policies.concurrency),
                ("safe-rerun", policies.safe_rerun),
            )
            if value is not None
        }
        if policies.retry is not None:
            self.policies["retry.count"] = compile_value(policies.retry.count)
            self.policies["retry.delay"] = compile_value(policies.retry.delay)
            if policies.retry.break_on is not None:
                self.policies["retry.break-on"] = compile_value(policies.retry.break_on)
            if policies.retry.continue_on is not None:
                self.policies["retry.continue-on"] = compile_value(policies.retry.continue_on)

    def _publish_sources(self, spec: TaskSpec) -> dict[str, tuple[CompiledPublish, ...]]:
        """Sources by final state, weakest first: on-complete, the state's clause, the task's own."""
        sources: dict[str, tuple[CompiledPublish, ...]] = {}
        for state, own_key, own, clause in (
            ("SUCCESS", "publish", spec.publish, "on-success"),
            ("ERROR", "publish-on-error", spec.publish_on_error, "on-error"),
            ("SKIPPED", "publish-on-skip", spec.publish_on_skip, "on-skip"),
        ):
            found = []
            for name in ("on-complete", clause):
                clause_spec = spec.clauses.get(name)  # type: ignore[call-overload]
                if clause_spec is not None and clause_spec.publish is not None:
                    found.append(CompiledPublish(clause_spec.publish, (*self.path, name, "publish")))
            if own:
                found.append(CompiledPublish(PublishSpec(branch=own), (*self.path, own_key)))
            sources[state] = tuple(found)
        return sources


class TaskPrograms(dict[str, TaskProgram]):
    """The tasks of a workflow, each compiled when it is asked for first."""

    def __init__(self, specs: Mapping[str, TaskSpec]) -> None:
        super().__init__()
        self._specs = specs

    def __missing__(self, name: str) -> TaskProgram:
        found = self[name] = TaskProgram(self._specs[name])
        return found


class Ran(Protocol):
    """An execution of a task, as it is in memory or as its row says."""

    @property
    def name(self) -> str: ...

    @property
    def runtime(self) -> dict[str, Any]: ...


def round_of(join: Ran) -> int:
    """Which round a join is in; the first one is 0."""
    number: int = join.runtime.get("round", 0)
    return number


def fired(task: Ran, join_name: str) -> int:
    """How often the join has fired upstream of this task execution."""
    firings: dict[str, int] = task.runtime.get("firings", {})
    return firings.get(join_name, 0)


class Program:
    """One workflow definition, ready to run; immutable and shared by all its executions."""

    def __init__(self, spec: WorkflowSpec, definition_hash: str) -> None:
        self.spec = spec
        self.definition_hash = definition_hash
        self.graph: Graph = build_graph(spec)
        self.vars = compile_section(spec.vars)
        self.output = None if spec.output is None else compile_section(spec.output)
        self.output_on_error = None if spec.output_on_error is None else compile_section(spec.output_on_error)
        self.joins = tuple(name for name, task in spec.tasks.items() if task.join)
        self.order = {name: index for index, name in enumerate(spec.tasks)}
        self.tasks = TaskPrograms(spec.tasks)
        """By name; KeyError for a name that the definition has not."""
        self._cyclic: frozenset[str] | None = None
        self._cycles: dict[str, frozenset[str]] = {}
        self._routes: Routes | None = None

    @property
    def routes(self) -> Routes:
        """Which tasks may lead to which."""
        if self._routes is None:
            self._routes = Routes(self.graph)
        return self._routes

    @property
    def cyclic(self) -> frozenset[str]:
        """The tasks that can be reached from themselves."""
        if self._cyclic is None:
            outbound = self.graph.outbound
            self._cyclic = frozenset(
                name
                for component in strong_components(self.spec.tasks, outbound.__getitem__)
                for name in component
                if len(component) > 1 or name in outbound[name]
            )
        return self._cyclic

    def is_on_cycle(self, join_name: str, name: str) -> bool:
        """Whether the task `name` can be reached from the join and leads back to it."""
        members = self._cycles.get(join_name)
        if members is None:
            below = _closure(join_name, self.graph.outbound)
            above = _closure(join_name, self.graph.inbound)
            members = self._cycles[join_name] = below & above
        return name in members

    def needed(self, join_name: str) -> int:
        """How many inbound tasks must choose a join."""
        wanted = self.spec.tasks[join_name].join
        return len(self.graph.inbound[join_name]) if wanted == "all" else int(wanted or 0)

    def runs_once(self, name: str) -> bool:
        """Whether a task has one execution that runs once: a join that is on no cycle."""
        return bool(self.spec.tasks[name].join) and name not in self.cyclic

    def is_of_round(self, join: Ran, source: Ran) -> bool:
        """Whether an execution of an inbound task counts for the present round of a join.

        Unless it lies on a cycle through the join it always does; then the join must have fired as often
        before it as in all.
        """
        return not self.is_on_cycle(join.name, source.name) or fired(source, join.name) == round_of(join)

    def position(self, path: Path) -> Position | None:
        """Where a value stands in the file: the value itself or the nearest thing around it."""
        positions: dict[Any, Position] = self.spec.positions
        if path[:1] == ("tasks",) and path not in positions:
            inherited = positions.get(("task-defaults", *path[2:]))
            if inherited is not None:
                return inherited
        while path:
            found = positions.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return None


def _closure(start: str, neighbours: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Everything that can be reached in at least one step."""
    found: set[str] = set()
    stack = [start]
    while stack:
        for following in neighbours[stack.pop()]:
            if following not in found:
                found.add(following)
                stack.append(following)
    return frozenset(found)
