"""The parts of a task that have a grammar of their own: on-clauses, `publish`, `with-items`, `retry`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from maestrale.lang import shapes
from maestrale.lang.inline import (
    Command,
    expression_end,
    parse_call,
    parse_command,
    parse_json,
    parse_parameters,
)
from maestrale.lang.problems import Report, show
from maestrale.lang.spec import (
    COMMANDS,
    ClauseSpec,
    ItemsSpec,
    Path,
    PublishSpec,
    RetrySpec,
    TransitionSpec,
)
from maestrale.model.values import Json

_SPACED_TARGET: Final = re.compile(r"\w+ \w+=.*", re.DOTALL)
_CALLED_TARGET: Final = re.compile(r"\w+\(\w+=.*\)\s*", re.DOTALL)
_BLANK: Final = re.compile(r"\s")
_ITEMS: Final = re.compile(r"\s*([\w-]+?)(\s*)in(\s*)(?=\[|<%|\{\{)")
_SCOPES: Final = ("branch", "global", "atomic")
_RETRY_KEYS: Final = ("count", "delay", "break-on", "continue-on")


def clause(report: Report, path: Path, value: Json, task_names: Collection[str]) -> ClauseSpec:
    """One on-clause in any of its shapes."""
    if isinstance(value, dict) and not _is_guarded_target(value, task_names):
        return _advanced_clause(report, path, value, task_names)
    return ClauseSpec(_transitions(report, path, value, task_names))


def _is_guarded_target(value: dict[str, Json], task_names: Collection[str]) -> bool:
    """Whether a map is `{target: guard}` and not the `publish`/`next` form."""
    if len(value) != 1:
        return False
    ((key, guard),) = value.items()
    if key in ("publish", "next"):
        return key in task_names and shapes.is_expression(guard)
    return isinstance(guard, str)


def _advanced_clause(
    report: Report, path: Path, value: dict[str, Json], task_names: Collection[str]
) -> ClauseSpec:
    shapes.mapping(report, path, value)
    if len(value) == 1 and not value.keys() & {"publish", "next"}:
        ((key, guard),) = value.items()
        shapes.expression(report, (*path, key), guard, f"the guard of {key!r}")
        return ClauseSpec()
    elsewhere = {key: "put the targets into a list, or below `next`" for key in value if key in task_names}
    shapes.known_keys(report, path, value, ("publish", "next"), elsewhere)
    steps: tuple[TransitionSpec, ...] = ()
    published = None
    if "next" in value:
        steps = _transitions(report, (*path, "next"), value["next"], task_names)
    if "publish" in value:
        published = _publish(report, (*path, "publish"), value["publish"])
    return ClauseSpec(steps, published)


def _publish(report: Report, path: Path, value: Json) -> PublishSpec:
    if value == {}:
        report.error(
            path,
            "Either 'branch', 'global' or 'atomic' must be specified",
            text="{}",
            hint="put variables below one of them, or remove `publish`",
        )
        return PublishSpec()
    given = shapes.mapping(report, path, value)
    elsewhere = dict.fromkeys(set(given) - set(_SCOPES), "put variables below `branch`, `global` or `atomic`")
    shapes.known_keys(report, path, given, _SCOPES, elsewhere)
    scopes = [
        shapes.variables(report, (*path, scope), given[scope]) if scope in given else {} for scope in _SCOPES
    ]
    return PublishSpec(*scopes)


def _transitions(
    report: Report, path: Path, value: Json, task_names: Collection[str]
) -> tuple[TransitionSpec, ...]:
    if isinstance(value, list):
        entries = [
            ((*path, index), item) for index, item in enumerate(shapes.unique_list(report, path, value))
        ]
    else:
        entries = [(path, value)]
    found = [_transition(report, place, item, task_names) for place, item in entries]
    return tuple(step for step in found if step is not None)


def _transition(
    report: Report, path: Path, value: Json, task_names: Collection[str]
) -> TransitionSpec | None:
    if isinstance(value, dict):
        if len(value) != 1:
            report.error(
                path,
                f"{show(value)} must have exactly one key: the target, with its guard",
                text=show(value),
                hint="write each target as an entry of its own",
            )
            return None
        report.names(path, value, "task name")
        ((target, condition),) = value.items()
        path = (*path, target)
        guard = shapes.expression(report, path, condition, f"the guard of {target!r}")
    else:
        given = shapes.text(report, path, value)
        if given is None:
            return None
        target, guard = given, None
    if target in task_names and not _has_blank(target):
        return TransitionSpec(target, guard, path=path)
    command = _command(target)
    if command is None:
        report.error(
            path,
            f'{target!r} is no target: give the name of a task, or a command like `fail msg="why"`',
            text=target,
            hint="a task with a blank in its name cannot be a target: rename it"
            if target in task_names
            else "a name of a task holds no blanks here",
            at_key=guard is not None,
        )
        return None
    return _with_parameters(report, path, target, guard, command, task_names)


def _command(target: str) -> Command | None:
    """The name and the parameters of a target; None if it is not written as one."""
    if _CALLED_TARGET.fullmatch(target):
        return parse_call(target)
    if not _has_blank(target):
        return Command(target)
    return parse_command(target) if _SPACED_TARGET.fullmatch(target) else None


def _has_blank(text: str) -> bool:
    return _BLANK.search(text) is not None


def _with_parameters(
    report: Report, path: Path, target: str, guard: str | None, command: Command, task_names: Collection[str]
) -> TransitionSpec:
    is_command = command.name in COMMANDS and command.name not in task_names
    report.expressions(path, target)
    note_warnings(report, path, target, command)
    useful = ("msg",) if is_command and command.name != "noop" else ()
    useless = [name for name in command.parameters if name not in useful]
    if useless:
        report.warning(
            path,
            f"the parameter {useless[0]!r} of {command.name!r} is ignored",
            text=target,
            hint="only fail, succeed and pause take a parameter: msg",
            at_key=guard is not None,
        )
    return TransitionSpec(command.name, guard, is_command, command.parameters, path)


def note_warnings(report: Report, path: Path, value: str, command: Command) -> None:
    """Hand on what the reading of inline parameters found."""
    for warning in command.warnings:
        report.warning_in_text(path, value, warning.offset, warning.message, warning.text)


def items(report: Report, path: Path, value: Json) -> tuple[ItemsSpec, ...]:
    """`with-items`: one clause or a list of clauses, `variable in values`."""
    report.expressions(path, value)
    if isinstance(value, str):
        entries = [(path, value)]
    else:
        entries = [
            ((*path, index), item) for index, item in enumerate(shapes.unique_list(report, path, value))
        ]
    found: dict[str, ItemsSpec] = {}
    for place, entry in entries:
        given = shapes.text(report, place, entry)
        item = None if given is None else _item(report, place, given)
        if item is None:
            continue
        if item.variable in found:
            report.warning(
                place,
                f"the variable {item.variable!r} stands twice; the later one counts",
                text=item.variable,
                hint="give each list a variable of its own",
            )
        found[item.variable] = item
    return tuple(found.values())


def _item(report: Report, path: Path, entry: str) -> ItemsSpec | None:
    match = _ITEMS.match(entry)
    start = match.end() if match else 0
    is_list = entry.startswith("[", start)
    end = entry.rfind("]") + 1 if is_list else expression_end(entry, start)
    if match is None or end <= start + 2:
        report.error(
            path,
            f"Wrong format of 'with-items' property: {show(entry)!r}",
            text=entry,
            hint="write `variable in <% expression %>` or `variable in [1, 2, 3]`",
        )
        return None
    if not match.group(2) or not match.group(3):
        report.warning(
            path,
            f"there is no blank around `in` in {show(entry)!r}",
            text=entry,
            hint=f"it is read as `{match.group(1)} in …`: write it so",
        )
    rest = entry[end:].strip()
    if rest:
        report.warning(path, f"{show(rest)!r} after the values is ignored", text=rest, hint="remove it")
    values: Json = entry[start:end]
    if is_list:
        try:
            values = parse_json(values)
        except (ValueError, RecursionError):
            report.error(
                path,
                f"Invalid array in 'with-items' clause: {show(entry)}",
                text=entry,
                hint='the list must be JSON, with texts in double quotes: ["a", "b"]',
            )
            return None
    return ItemsSpec(match.group(1), values, path)


def retry(report: Report, path: Path, value: Json) -> RetrySpec | None:
    """`retry`: a map, or one line `count=3 delay=1 break-on=<% … %>`."""
    if isinstance(value, str):
        given = parse_parameters(value) if _has_blank(value) else Command("")
        note_warnings(report, path, value, given)
        parameters = given.parameters
    else:
        parameters = shapes.mapping(report, path, value)
        if not parameters:
            return None
    shapes.known_keys(report, path, parameters, _RETRY_KEYS)
    numbers: dict[str, int | str | None] = {}
    for key in ("count", "delay"):
        if key in parameters:
            numbers[key] = shapes.whole_number_or_expression(report, (*path, key), parameters[key])
        else:
            report.error(path, f"{key!r} is a required property of 'retry'", hint=f"add `{key}`", at_key=True)
    conditions = {
        key: shapes.expression(report, (*path, key), parameters[key], f"{key!r}")
        for key in ("break-on", "continue-on")
        if key in parameters
    }
    count, delay = numbers.get("count"), numbers.get("delay")
    if count is None or delay is None:
        return None
    return RetrySpec(count, delay, conditions.get("break-on"), conditions.get("continue-on"))
