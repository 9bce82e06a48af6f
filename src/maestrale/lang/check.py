"""What the shape of a workflow cannot show: what would go wrong when it runs."""

from __future__ import annotations

import re
from typing import Final

from maestrale.lang.graph import Graph, build_graph, reachable, strong_components
from maestrale.lang.problems import Report, show
from maestrale.lang.spec import COMMANDS, Path, TaskSpec, WorkflowSpec
from maestrale.model.values import Json

LONGEST_NAME: Final = 255
LONGEST_JOIN_NAME: Final = 208
_UUID: Final = re.compile(r"\{*(?:urn:)?(?:uuid:)?\{*[0-9a-f]{32}\}*", re.IGNORECASE)


def check_object_name(report: Report, path: Path, name: str, book: str = "") -> None:
    """The rules for names of workflows, actions and workbooks; members of a workbook carry its name too."""
    if not name:
        report.error(path, "a name must not be empty", hint="give it a name", at_key=True)
    elif " " in name:
        report.error(
            path,
            f"Name {name!r} must not contain spaces",
            text=name,
            hint=f"write {show(name.strip().replace(' ', '_'))!r}",
            at_key=True,
        )
    full = f"{book}.{name}" if book else name
    if len(full) > LONGEST_NAME:
        _note_long_name(report, path, full, LONGEST_NAME)


def check_workflow_name(report: Report, path: Path, name: str, book: str = "") -> None:
    """A workflow's name must also not be mistaken for an id."""
    check_object_name(report, path, name, book)
    if _UUID.fullmatch(name.replace("-", "")):
        report.error(
            path,
            f"Workflow name cannot be in the format of UUID: {name}",
            text=name,
            hint="choose a name that cannot be taken for an id",
            at_key=True,
        )


def check_workflow(report: Report, spec: WorkflowSpec) -> None:
    """Semantic errors and warnings of one workflow; paths in the report start at its body."""
    for name, task in spec.tasks.items():
        _check_task(report, name, task)
    if not spec.tasks:
        return
    graph = build_graph(spec)
    if spec.type == "direct":
        _check_starts(report, spec, graph)
        _check_targets(report, spec)
        _check_joins(report, spec, graph)
    else:
        _check_requirements(report, spec, graph)


def _note_long_name(report: Report, path: Path, name: str, longest: int) -> None:
    report.error(
        path,
        f"the name {show(name, 40)!r} is {len(name)} characters long; at most {longest} are allowed",
        text=name,
        hint="choose a shorter name",
        at_key=True,
    )


def _check_task(report: Report, name: str, task: TaskSpec) -> None:
    path = ("tasks", name)
    if not name:
        report.error(path, "the name of a task must not be empty", hint="give it a name", at_key=True)
    elif name == "version":
        report.error(
            path, "a task cannot be named 'version'", text=name, hint="choose another name", at_key=True
        )
    longest = LONGEST_NAME if task.join is None else LONGEST_JOIN_NAME
    if len(name) > longest:
        _note_long_name(report, path, name, longest)
    if name in COMMANDS:
        report.warning(
            path,
            f"the task is named like the engine command {name!r}; in this workflow the name means the task",
            text=name,
            hint="choose another name if the command is meant",
            at_key=True,
        )
    if "concurrency" in task.raw and not task.with_items:
        report.warning(
            (*path, "concurrency"),
            "'concurrency' has no effect without 'with-items'",
            text="concurrency",
            hint="remove it",
            at_key=True,
        )


def _check_starts(report: Report, spec: WorkflowSpec, graph: Graph) -> None:
    if not graph.start_tasks:
        report.error(
            ("tasks",),
            "Failed to find start tasks in direct workflow",
            text="tasks",
            hint="every task is the target of another one; the first must not be",
            at_key=True,
        )
        return
    reached = reachable(graph.start_tasks, graph.outbound.__getitem__)
    for name in spec.tasks:
        if name not in reached:
            report.warning(
                ("tasks", name),
                "no start task leads here, only a loop does: the task will never run",
                text=name,
                hint="lead to it from a task that runs, or remove it",
                at_key=True,
            )


def _check_targets(report: Report, spec: WorkflowSpec) -> None:
    noted: set[Path] = set()
    for task in spec.tasks.values():
        for clause in task.clauses.values():
            for step in clause.next:
                if step.is_command or step.target in spec.tasks or step.path in noted:
                    continue
                noted.add(step.path)
                report.error(
                    step.path,
                    f"Task {step.target!r} not found.",
                    text=step.target,
                    hint=report.suggestion(step.target, [*spec.tasks, *COMMANDS])
                    or f"add it below `tasks`, or give another target; commands: {', '.join(COMMANDS)}",
                    at_key=step.guard is not None,
                )


def _check_joins(report: Report, spec: WorkflowSpec, graph: Graph) -> None:
    for name, task in spec.tasks.items():
        if task.join is None:
            continue
        path = ("tasks", name, "join")
        count = len(graph.inbound[name])
        if task.join == "all" and count == 0:
            report.error(
                path, "'join: all' on a task that no task leads to", text="all", hint="remove the join"
            )
        elif task.join != "all" and count < task.join:
            sources = show(", ".join(graph.inbound[name]), 200) or "none"
            report.error(
                path,
                f"'join: {task.join}' needs as many tasks that lead here, and there are {count}: {sources}",
                text=str(task.join),
                hint=f"lower it to {count}" if count else "remove the join",
            )


def _check_requirements(report: Report, spec: WorkflowSpec, graph: Graph) -> None:
    for name, task in spec.tasks.items():
        places = _requirement_places(name, task.raw.get("requires"))
        for required in task.requires:
            if required not in spec.tasks:
                report.error(
                    places.get(required, ("task-defaults", "requires")),
                    f"Task {required!r} not found.",
                    text=required,
                    hint=report.suggestion(required, spec.tasks)
                    or "add it below `tasks`, or give the name of another task",
                )
    for component in strong_components(spec.tasks, graph.requires.__getitem__):
        if len(component) > 1:
            cycle = _cycle(graph, component)
            report.warning(
                ("tasks", cycle[0]),
                f"the tasks {show(' -> '.join(cycle), 200)} require each other: none of them can ever run",
                hint="take one `requires` out",
                at_key=True,
            )


def _requirement_places(name: str, own: Json) -> dict[str, Path]:
    path: Path = ("tasks", name, "requires")
    if isinstance(own, list):
        return {item: (*path, index) for index, item in enumerate(own) if isinstance(item, str)}
    return {own: path} if isinstance(own, str) else {}


def _cycle(graph: Graph, component: list[str]) -> list[str]:
    """One cycle within tasks that can all reach each other, from its first task back to it."""
    members = set(component)
    first = min(component, key=graph.order.__getitem__)
    walked = [first]
    seen = {first: 0}
    while True:
        following = next(other for other in graph.requires[walked[-1]] if other in members)
        if following in seen:
            return [*walked[seen[following] :], following]
        seen[following] = len(walked)
        walked.append(following)
