"""The shapes that values of the language have: each function checks one and returns what it means.

A value of the wrong shape is noted in the report, and None (or an empty value) takes its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Final

from maestrale.lang.problems import Report, show
from maestrale.lang.spec import InputParameter, Path
from maestrale.model.values import Json

_EXPRESSION: Final = re.compile(r"(?:<%.*?%>|\{\{.*?\}\})\s*\Z", re.DOTALL)
_EXPRESSION_HINT: Final = "write `<% … %>` or `{{ … }}` with nothing before it"


def is_expression(value: Json) -> bool:
    """Whether a value is a text that is one whole expression."""
    return isinstance(value, str) and _EXPRESSION.match(value) is not None


def quoted(value: Json) -> str:
    """A value as messages show it: texts in quotes."""
    return f"'{show(value)}'" if isinstance(value, str) else show(value)


def text(report: Report, path: Path, value: Json) -> str | None:
    """A text that is not empty."""
    if not isinstance(value, str):
        report.error(
            path, f"{quoted(value)} is not of type 'string'", text=show(value), hint=_text_hint(value)
        )
        return None
    if not value:
        report.error(path, "'' is too short: it must not be empty", hint="remove the key or give it a text")
        return None
    return value


def texts(report: Report, path: Path, value: Json) -> tuple[str, ...]:
    """A list of at least one text, all different (`tags`, `with-items`, `requires`)."""
    items = unique_list(report, path, value)
    found = [text(report, (*path, index), item) for index, item in enumerate(items)]
    return tuple(item for item in found if item is not None)


def unique_list(report: Report, path: Path, value: Json) -> list[Json]:
    """A list of at least one entry, all different."""
    if not isinstance(value, list):
        hint = f"[{show(value)}]" if isinstance(value, str) else "[a, b], or a line `- a` for each entry"
        hint = _null_hint(value) or f"write a list: {hint}"
        report.error(path, f"{quoted(value)} is not of type 'array'", text=show(value), hint=hint)
        return []
    if not value:
        report.error(path, "[] is too short: it must not be empty", text="[]", hint="remove the key")
    if len(value) < 2:
        return value
    seen: set[str] = set()
    for index, item in enumerate(value):
        key = item if isinstance(item, str) else json.dumps((item,), sort_keys=True)
        if key in seen:
            report.error(
                (*path, index),
                f"has non-unique elements: {quoted(item)} stands twice",
                text=show(item),
                hint="remove one of them",
            )
        seen.add(key)
    return value


def mapping(report: Report, path: Path, value: Json, what: str = "name") -> dict[str, Json]:
    """A map of at least one entry whose keys are texts."""
    if not isinstance(value, dict):
        hint = _null_hint(value) or "write lines of `name: value` below the key"
        report.error(path, f"{quoted(value)} is not of type 'object'", text=show(value), hint=hint)
        return {}
    if not value:
        report.error(path, "{} is too short: it must not be empty", text="{}", hint="remove the key")
    report.names(path, value, what)
    return value


def whole_number(report: Report, path: Path, value: Json) -> int | None:
    """A whole number that is not negative (`1.0` is whole)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        digits = isinstance(value, str) and value.isdigit()
        report.error(
            path,
            f"{quoted(value)} is not of type 'integer'",
            text=show(value),
            hint="remove the quotes" if digits else "give a whole number that is not negative",
        )
        return None
    if value < 0:
        report.error(
            path, f"{value} is less than the minimum of 0", text=str(value), hint="give 0 or a larger number"
        )
        return None
    return value


def whole_number_or_expression(report: Report, path: Path, value: Json) -> int | str | None:
    """A whole number that is not negative, or an expression that gives one."""
    if is_expression(value):
        report.expressions(path, value)
        return str(value)
    return whole_number(report, path, value)


def flag_or_expression(report: Report, path: Path, value: Json) -> bool | str | None:
    """True, false, or an expression that gives one of them."""
    if isinstance(value, bool):
        return value
    if is_expression(value):
        report.expressions(path, value)
        return str(value)
    quotes = isinstance(value, str) and value.lower() in ("true", "false", "yes", "no")
    hint = "remove the quotes" if quotes else f"give true, false or an expression: {_EXPRESSION_HINT}"
    report.error(path, f"{quoted(value)} is not of type 'boolean'", text=show(value), hint=hint)
    return None


def expression(report: Report, path: Path, value: Json, what: str) -> str | None:
    """A text that is one whole expression."""
    if is_expression(value):
        report.expressions(path, value)
        return str(value)
    report.error(
        path, f"{what} must be an expression, not {quoted(value)}", text=show(value), hint=_EXPRESSION_HINT
    )
    return None


def known_keys(
    report: Report,
    path: Path,
    value: Mapping[str, Json],
    allowed: Collection[str],
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Refuse keys that are not allowed; `elsewhere` says of some of them where they belong."""
    for key in value:
        if key not in allowed:
            report.error(
                (*path, key),
                f"Additional properties are not allowed ('{show(key)}' was unexpected)",
                text=key,
                hint=(elsewhere or {}).get(key) or report.suggestion(key, allowed) or known_words(allowed),
                at_key=True,
            )


def known_words(allowed: Collection[str]) -> str:
    """A hint that lists what is allowed."""
    return "known here: " + ", ".join(sorted(allowed))


def variables(report: Report, path: Path, value: Json) -> dict[str, Json]:
    """A map of variable names to values that may hold expressions."""
    found = mapping(report, path, value, "variable name")
    for name in found:
        _check_variable_name(report, (*path, name), name)
    report.expressions(path, value)
    return found


def _check_variable_name(report: Report, path: Path, name: str) -> None:
    if name.startswith("__"):
        report.warning(
            path,
            f"the variable name {name!r} starts with '__', which the service keeps for itself",
            text=name,
            hint="choose another name",
            at_key=True,
        )


def input_parameters(report: Report, path: Path, value: Json) -> tuple[InputParameter, ...]:
    """The `input` section: names, and maps of one name to its default."""
    found: dict[str, InputParameter] = {}
    for index, item in enumerate(unique_list(report, path, value)):
        place = (*path, index)
        if isinstance(item, dict):
            if len(item) != 1:
                report.error(
                    place,
                    f"{show(item)} must have exactly one key: the name, with its default",
                    text=show(item),
                    hint="write each parameter as an entry of its own",
                )
                continue
            report.names(place, item, "input name")
            name, default = next(iter(item.items()))
            _check_variable_name(report, (*place, name), name)
            parameter = InputParameter(name, required=False, default=default)
        else:
            given = text(report, place, item)
            if given is None:
                continue
            name = given
            _check_variable_name(report, place, name)
            parameter = InputParameter(name)
        if name in found:
            report.warning(
                place,
                f"the input {name!r} is declared twice; the later one counts",
                text=name,
                hint="remove one of them",
            )
        found[name] = parameter
    return tuple(found.values())


def _null_hint(value: Json) -> str:
    return "the key has no value: give it one or remove it" if value is None else ""


def _text_hint(value: Json) -> str:
    if isinstance(value, bool | int | float):
        return "put it into quotes"
    return _null_hint(value) or "write one text"
