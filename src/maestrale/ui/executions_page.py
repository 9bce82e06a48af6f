"""The list of executions: newest first, in pages, of one state or workflow, or with a piece of an id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request

from maestrale.api.authentication import caller_of
from maestrale.api.bodies import check_query
from maestrale.model import states
from maestrale.model.errors import BadRequest
from maestrale.model.listing import Filter, Listing, SortKey
from maestrale.services import Services

PAGE: Final = 50
"""Executions on a page."""

NEWEST_FIRST: Final = (SortKey("created_at", descending=True), SortKey("id", descending=True))
FIELDS: Final = (
    "id", "workflow_name", "workflow_namespace", "description", "state", "state_info",
    "task_execution_id", "created_at", "updated_at", "project_id",
)  # fmt: skip
FORM: Final = ("state", "workflow", "id")


async def executions_page(request: Request, services: Services) -> tuple[str, Mapping[str, Any]]:
    """The template and what it shows."""
    check_query(request, {*FORM, "marker"})
    wanted = {name: request.query_params.get(name, "").strip() for name in FORM}
    if wanted["state"] and wanted["state"] not in states.WORKFLOW_STATES:
        raise BadRequest(
            f"There is no state '{wanted['state']}'", f"one of {', '.join(states.WORKFLOW_STATES)}"
        )
    filters = []
    if wanted["state"]:
        filters.append(Filter("state", "eq", wanted["state"]))
    if wanted["workflow"]:
        filters.append(Filter("workflow_name", "has", wanted["workflow"]))
    if wanted["id"]:
        filters.append(Filter("id", "has", wanted["id"]))
    marker = request.query_params.get("marker") or None
    listing = Listing(PAGE + 1, NEWEST_FIRST, tuple(filters), marker=marker, fields=FIELDS)
    caller = caller_of(request)
    rows = await services.executions.page(caller, listing)
    shown = rows[:PAGE]
    kept = {name: value for name, value in wanted.items() if value}
    return "executions.html", {
        "rows": shown,
        "wanted": wanted,
        "states": states.WORKFLOW_STATES,
        "older": urlencode(kept | {"marker": shown[-1]["id"]}) if len(rows) > PAGE else None,
        "newest": urlencode(kept) if marker else None,
        "is_filtered": bool(kept),
        "has_projects": caller.is_admin and len({row["project_id"] for row in shown}) > 1,
    }
