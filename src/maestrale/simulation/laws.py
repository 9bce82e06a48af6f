"""Sentences of the language's definition, held against the rows of one execution.

Each law is checked after every commit of the execution. `calm`: nobody has rerun, skipped or stopped anything
in its tree, so that a law may speak of first runs only.
"""

from __future__ import annotations

from typing import Any

from maestrale.lang.graph import build_graph
from maestrale.lang.parse import load_workflow
from maestrale.lang.spec import TaskSpec, WorkflowSpec
from maestrale.model import states
from maestrale.model.values import Json
from maestrale.simulation.checks import Row, Rows, document, require
from maestrale.simulation.script import WORK

_SECOND = 1_000_000


class Laws:
    """The laws for the workflows of one world."""

    def __init__(self) -> None:
        self._specs: dict[str, WorkflowSpec] = {}
        self._starts: dict[str, int | None] = {}
        """By join: the start at which its context was looked at."""

    def define(self, name: str, text: str) -> None:
        """From now on there is this workflow."""
        self._specs[name] = load_workflow(text, name)

    def check(self, rows: Rows, calm: bool) -> None:
        """Raise `Violation` for the first law that is broken."""
        spec = self._specs[rows.workflow["name"]]
        for task in rows.tasks.values():
            if not task["live"]:
                continue
            task_spec = spec.tasks[task["name"]]
            runs = rows.by_task.get(task["id"], [])
            where = f"task {task['name']} {task['id']} of {rows.workflow['id']} ({task['state']})"
            _publishes_everything(task, task_spec, where)
            _items_see_their_own_variable(task, task_spec, runs, where)
            _gets_defaults_from_the_environment(runs, where)
            _is_repeatable_if_it_says_so(task_spec, runs, where)
            if calm:
                _keeps_its_concurrency(task_spec, runs, where)
                _attempts_are_bounded(task_spec, runs, where)
                _nothing_begins_after_the_time_out(task, task_spec, runs, where)
                _waits_as_long_as_it_says(task, task_spec, runs, where)
                _nothing_begins_after_the_end(rows, task, runs, where)
                _is_not_forgiven(rows, spec, task, where)
            if task_spec.join is not None:
                _join_has_its_triggers(rows, spec, task, task_spec, where, calm)
                if self._starts.get(task["id"]) != task["started_at"]:
                    _join_inherits_what_was_published(rows, task, where)
                self._starts[task["id"]] = task["started_at"]


def _literal(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _publishes_everything(task: Row, spec: TaskSpec, where: str) -> None:
    """A successful task publishes its own variables and those of its clauses, in every scope."""
    if task["state"] != states.SUCCESS:
        return
    clauses = [spec.clauses[key] for key in ("on-success", "on-complete") if key in spec.clauses]
    published = [clause.publish for clause in clauses if clause.publish is not None]
    branch = {*spec.publish, *(name for publish in published for name in publish.branch)}
    everywhere = {name for publish in published for name in (*publish.global_, *publish.atomic)}
    found, found_globals = document(task["published"]) or {}, document(task["published_global"]) or {}
    require(branch == set(found), f"{where} publishes {sorted(found)}, not {sorted(branch)}")
    require(everywhere == set(found_globals), f"{where} publishes {sorted(found_globals)} globally")


def _items_see_their_own_variable(task: Row, spec: TaskSpec, runs: list[Row], where: str) -> None:
    """`$.item` is the item, whatever else is called so; and every run has the item of its index."""
    items = document(task["items"])
    if items is None or not isinstance(spec.input, dict) or spec.input.get("n") != "<% $.item %>":
        return
    for row in runs:
        if row["item_index"] is not None and row["item_index"] < len(items):
            given = document(row["input"]).get("n")
            expected = items[row["item_index"]]["item"]
            require(given == expected, f"{where}: item {row['item_index']} was given {given}, not {expected}")


def _keeps_its_concurrency(spec: TaskSpec, runs: list[Row], where: str) -> None:
    """Never more items at the same time than `concurrency` says."""
    most = _literal(spec.policies.concurrency)
    if most and spec.with_items:
        newest = max((row["attempt"] for row in runs), default=0)
        running = sum(
            row["state"] in (states.RUNNING, states.PAUSED) and row["attempt"] == newest for row in runs
        )
        require(running <= most, f"{where} runs {running} items at once, {most} are allowed")


def _gets_defaults_from_the_environment(runs: list[Row], where: str) -> None:
    """`env.__actions` fills in what is not given, in sub-workflows too."""
    for row in runs:
        if row["name"] == WORK and "task_id" in row:
            mark = document(row["input"]).get("mark")
            require(mark == "by env", f"{where}: {row['id']} has the mark {mark!r}")


def _is_repeatable_if_it_says_so(spec: TaskSpec, runs: list[Row], where: str) -> None:
    """`safe-rerun` is a condition, not a word that is true by being there."""
    wanted = spec.policies.safe_rerun in (True, "<% true %>")
    for row in runs:
        if row["name"] == WORK and "task_id" in row:
            require(bool(row["repeatable"]) is wanted, f"{where}: {row['id']} is repeatable: {not wanted}")


def _is_not_forgiven(rows: Rows, spec: WorkflowSpec, task: Row, where: str) -> None:
    """An error that no entry of `on-error` answers fails the workflow, unless that is told to `succeed`."""
    if rows.workflow["state"] != states.SUCCESS or task["state"] != states.ERROR:
        return
    steps = [
        step for other in spec.tasks.values() for clause in other.clauses.values() for step in clause.next
    ]
    if any(step.is_command and step.target == "succeed" for step in steps):
        return
    clause = spec.tasks[task["name"]].clauses.get("on-error")
    answers = [] if clause is None else [step for step in clause.next if step.guard != "<% false %>"]
    require(answers, f"{where} has failed, and the workflow is a success")


def _attempts_are_bounded(spec: TaskSpec, runs: list[Row], where: str) -> None:
    """At most `retry.count` further attempts."""
    retry = spec.policies.retry
    count = 0 if retry is None else _literal(retry.count)
    if count is not None:
        attempts = len({row["attempt"] for row in runs})
        require(attempts <= count + 1, f"{where} had {attempts} attempts, {count + 1} are allowed")


def _nothing_begins_after_the_time_out(task: Row, spec: TaskSpec, runs: list[Row], where: str) -> None:
    """`timeout` spans all attempts and is final."""
    seconds = _literal(spec.policies.timeout)
    if seconds and task["started_at"] is not None and not spec.policies.pause_before:
        end = task["started_at"] + seconds * _SECOND
        late = [row["id"] for row in runs if row["created_at"] > end]
        require(not late, f"{where} began {late} after its time-out of {seconds} s")


def _waits_as_long_as_it_says(task: Row, spec: TaskSpec, runs: list[Row], where: str) -> None:
    """`wait-before` and `retry.delay` are at least as long as they say."""
    wait, retry = _literal(spec.policies.wait_before), spec.policies.retry
    if wait and not spec.policies.pause_before and task["started_at"] is not None:
        early = [row["id"] for row in runs if row["created_at"] < task["started_at"] + wait * _SECOND]
        require(not early, f"{where} began {early} before {wait} s were over")
    if retry is None or (delay := _literal(retry.delay)) is None:
        return
    ends: dict[int, int] = {}
    for row in runs:
        # What still runs in a sub-workflow that has ended may yet publish globally: only actions rest then.
        end = row["finished_at"] if "parent_task_id" in row else row["updated_at"]
        if row["state"] in states.COMPLETED and end is not None:
            ends[row["attempt"]] = max(ends.get(row["attempt"], 0), end)
    for row in runs:
        before = ends.get(row["attempt"] - 1)
        if before is not None:
            waited = row["created_at"] - before
            require(waited >= delay * _SECOND, f"{where} repeated after {waited} us, not {delay} s")


def _nothing_begins_after_the_end(rows: Rows, task: Row, runs: list[Row], where: str) -> None:
    """When a workflow is over only those tasks still begin that stood before `fail` or `succeed`."""
    end = rows.workflow["finished_at"]
    if end is None or document(task["runtime"]).get("outlives") == end:
        return
    require(task["created_at"] <= end, f"{where} was created after the end of its workflow")
    if task["started_at"] is not None and task["started_at"] <= end:
        late = [row["id"] for row in runs if row["created_at"] > end]
        require(not late, f"{where} began {late} after the end of its workflow")


def _join_has_its_triggers(
    rows: Rows, spec: WorkflowSpec, task: Row, task_spec: TaskSpec, where: str, calm: bool
) -> None:
    """A join starts when enough of its inbound tasks have chosen it."""
    if not calm or task["started_at"] is None:
        return
    triggers = [t for t in document(task["triggered_by"]) if t["task_id"] is not None]
    names = {rows.tasks[t["task_id"]]["name"] for t in triggers}
    inbound = build_graph(spec).inbound[task["name"]]
    needed = len(inbound) if task_spec.join == "all" else int(task_spec.join or 0)
    require(len(names) >= needed, f"{where} started with {sorted(names)} of {sorted(inbound)}")
    for trigger in triggers:
        chosen = document(rows.tasks[trigger["task_id"]]["next_tasks"]) or []
        require(
            any(target == task["name"] for target, _ in chosen),
            f"{where} was triggered by {trigger}, which chose {chosen}",
        )


def _join_inherits_what_was_published(rows: Rows, task: Row, where: str) -> None:
    """What any of the branches has published is there, that of skipped tasks too.

    To be asked of a join that has just started: a task may be skipped in the same instant, but later, and in
    the same commit if that holds several decisions. What chose the join and was then skipped or run again
    before the join started has to choose it once more.
    """
    if task["started_at"] is None or task["checkpoint"] is None:
        return
    latest = task["started_at"] - (not rows.is_one_decision)
    known: dict[str, Any] = document(task["checkpoint"])["values"]
    for trigger in document(task["triggered_by"]):
        source = rows.tasks.get(trigger["task_id"])
        if source is None or trigger.get("void") or (source["finished_at"] or latest + 1) > latest:
            continue
        published: dict[str, Json] = document(source["published"]) or {}
        lost = [name for name in published if name not in known]
        require(not lost, f"{where} does not know {lost} of {source['name']} ({source['state']})")
