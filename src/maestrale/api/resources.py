"""How rows look in answers: times as text, documents as JSON text, tags as lists."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from maestrale.model.listing import Row
from maestrale.model.values import timestamp_text

TIMES: Final = frozenset(
    {
        "created_at",
        "updated_at",
        "started_at",
        "finished_at",
        "first_execution_time",
        "next_execution_time",
    }
)
DOCUMENTS: Final = frozenset(
    {
        "input",
        "output",
        "params",
        "published",
        "published_global",
        "result",
        "runtime_context",
        "interface",
        "variables",
        "workflow_input",
        "workflow_params",
    }
)


def presented(row: Row) -> Row:
    """One object as the API shows it."""
    return {name: _shown(name, value) for name, value in row.items()}


def presented_all(rows: list[Row]) -> list[Row]:
    """Several of them."""
    return [presented(row) for row in rows]


def presented_definition(row: Row) -> Row:
    """A workflow or an ad-hoc action as reads show it: `input` is for people and no document."""
    return {name: value if name == "input" else _shown(name, value) for name, value in row.items()}


def presented_workflow_upload(row: Row) -> Row:
    """A workflow in the answer to an upload: `interface` is an object."""
    return without_nulls(presented_definition(row) | {"interface": msgspec.json.decode(row["interface"])})


def presented_action(row: Row) -> Row:
    """An action; a built-in one has no tags, and no times, which clients know as empty texts."""
    is_built_in = row.get("_is_built_in")
    shown = presented_definition({name: value for name, value in row.items() if name != "_is_built_in"})
    if is_built_in:
        shown |= {name: "" for name in ("created_at", "updated_at") if name in shown}
        shown |= {"tags": None} if "tags" in shown else {}
    return shown


def without_nulls(shown: Row) -> Row:
    """The form of answers to creates: what is not set is absent."""
    return {name: value for name, value in shown.items() if value is not None}


def with_update_time(shown: Row) -> Row:
    """The form of answers to updates: as to creates, but the time of the last change is null if none was."""
    return {"updated_at": None} | shown


def presented_report(report: Row) -> Row:
    """A report with all its times as text."""
    return {name: _report_value(name, value) for name, value in report.items()}


def _report_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return presented_report(value)
    if isinstance(value, list):
        return [presented_report(item) for item in value]
    return timestamp_text(value) if name in TIMES else value


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in TIMES:
        return timestamp_text(value)
    if name in DOCUMENTS:
        return msgspec.json.format(value, indent=0)
    if name == "tags":
        return msgspec.json.decode(value)
    return value
