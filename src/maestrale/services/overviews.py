"""Executions as a whole, for people who look at them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

from maestrale.lang.spec import WorkflowSpec
from maestrale.model.values import Microseconds
from maestrale.runtime.programs import Programs
from maestrale.services.access import Caller, authorise
from maestrale.services.waiting import Clock, outcome
from maestrale.store.database import Database
from maestrale.store.overview import Overview, read_overview
from maestrale.store.selection import Viewer


class Looked(NamedTuple):
    """What was seen, with the workflow that it runs on, and when."""

    overview: Overview
    spec: WorkflowSpec
    at: Microseconds


class Overviews:
    """Reads executions with everything in them but the values of tasks and actions."""

    def __init__(self, database: Database, programs: Programs, clock: Clock) -> None:
        self._database = database
        self._programs = programs
        self._clock = clock

    async def execution(self, caller: Caller, identifier: str) -> Looked:
        """One execution. NotFound if the caller cannot see it."""
        for rule in ("executions:get", "tasks:list", "action_executions:list"):
            authorise(caller, rule)
        reading = self._database.read(_looked, self._programs, caller.viewer, identifier)
        overview, spec = await outcome(reading)
        return Looked(overview, spec, self._clock())


def _looked(
    connection: Connection, programs: Programs, viewer: Viewer, identifier: str
) -> tuple[Overview, WorkflowSpec]:
    overview = read_overview(connection, viewer, identifier)
    name: str = overview.row["workflow_name"]
    return overview, programs.load(connection, overview.definition_hash, name).spec
