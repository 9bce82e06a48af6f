"""The composition root: settings in, a wired service out. Only here concrete parts meet."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from maestrale.actions.base import ActionSettings
from maestrale.actions.registry import Registry
from maestrale.config import Settings, database_url, timeouts
from maestrale.engine.decision import DataFlow, Limits
from maestrale.expressions import template
from maestrale.runtime.engine import Engine, system_clock
from maestrale.runtime.recovery import recover
from maestrale.runtime.upkeep import Upkeep
from maestrale.services import Services
from maestrale.services.action_executions import ActionExecutions
from maestrale.services.actions import Actions
from maestrale.services.definitions import Definitions
from maestrale.services.environments import Environments
from maestrale.services.executions import Executions
from maestrale.services.operations import Operations
from maestrale.services.tasks import Tasks
from maestrale.services.why import Why
from maestrale.services.workbooks import Workbooks
from maestrale.store.database import is_unusable
from maestrale.store.processes import register, unregister
from maestrale.store.sole_engine import open_alone

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

FUNCTIONS = "mistral.expression.functions"
"""Entry points with further functions for expressions; their first argument is the context."""


WARM_UP_AFTER = 1.0
"""Seconds after the start: the first answer comes first."""


class Service:
    """Everything that one process needs to run workflows on one database."""

    def __init__(self, settings: Settings) -> None:
        """Open the database, for this process alone. Raises `DatabaseError` where that cannot be done."""
        self.settings = settings
        self.process_id = str(uuid.uuid4())
        template.configure(settings.expressions)
        _register_functions()
        self.database, self.right = open_alone(database_url(settings), timeouts(settings))
        self.registry = Registry(allow=settings.actions.allow, deny=settings.actions.deny)
        self.registry.load_entry_points()
        self.engine = Engine(
            self.database,
            self.registry,
            self.process_id,
            settings=ActionSettings(http=settings.std_http),
            limits=Limits(
                steps=settings.engine.steps_per_decision,
                field_size_kb=settings.engine.execution_field_size_limit_kb,
                data_flow=DataFlow(
                    merges_maps=settings.engine.merge_strategy == "merge",
                    versioning=settings.context_versioning.enabled,
                ),
                traces=settings.log.transitions,
            ),
            asynchronous=settings.executor.asynchronous,
            threads=settings.executor.threads,
        )
        self.upkeep = Upkeep(self.database, self.engine, system_clock)

    def start(self, address: str | None = None, *, takes_up: bool = True) -> None:
        """Begin to work, and go on with what earlier processes left if `takes_up`."""
        self.right.announce(address)
        now = time.time_ns() // 1000
        self.database.write(
            register,
            {
                "id": self.process_id,
                "host": socket.gethostname(),
                "boot": _boot_id(),
                "pid": os.getpid(),
                "roles": "api,engine,executor" if address else "engine,executor",
                "address": address,
                "started_at": now,
                "lease_until": now,
            },
        ).result()
        self.engine.start()
        if takes_up:
            recover(self.database, self.engine)
            self.upkeep.start()

    def warm_up(self) -> None:
        """Load soon, beside the work, what first uses would have to wait for."""
        timer = threading.Timer(WARM_UP_AFTER, _warm_up)
        timer.daemon = True
        timer.start()

    def stop(self, grace: float | None = None) -> None:
        """Give running actions their grace (seconds, by default as set), commit, and close."""
        self.upkeep.stop()
        self.engine.stop(self.settings.server.grace if grace is None else grace)
        try:
            self.database.write(unregister, self.process_id).result()
        except DBAPIError as error:
            if not is_unusable(error):
                raise
            log.warning("The database does not hear that this process ends: %s", error.orig)
        self.database.close()
        self.right.release()

    def services(self) -> Services:
        """The use cases."""
        return Services(
            definitions=Definitions(self.database),
            workbooks=Workbooks(self.database, self.registry, self.engine),
            environments=Environments(self.database),
            executions=Executions(self.database, self.engine, publishers=self.settings.notifier.publishers),
            tasks=Tasks(self.database, self.engine),
            action_executions=ActionExecutions(
                self.database,
                self.engine,
                allow_deletion=self.settings.api.allow_action_execution_deletion,
            ),
            actions=Actions(self.database, self.registry, self.engine),
            operations=Operations(self.database),
            why=Why(self.database, self.engine.programs),
        )

    def app(self) -> ASGIApp:
        """The HTTP application."""
        from maestrale.api.app import create_app
        from maestrale.api.settings import ApiSettings
        from maestrale.ui.pages import welcome

        server, limits = self.settings.server, self.settings.api
        settings = ApiSettings(
            max_limit=limits.max_limit,
            max_body=limits.max_body,
            allowed_hosts=frozenset(server.allowed_hosts),
            allowed_origins=frozenset(server.allowed_origins),
        )
        return create_app(self.services(), settings, welcome)


def _warm_up() -> None:
    template.warm_up()
    importlib.import_module("maestrale.actions.http_client")


def _register_functions() -> None:
    found = {}
    for entry_point in importlib.metadata.entry_points(group=FUNCTIONS):
        try:
            found[entry_point.name] = entry_point.load()
        except Exception as error:  # noqa: BLE001 - a broken plug-in must not stop the service
            log.warning("The expression function '%s' cannot be loaded: %s", entry_point.name, error)
    if found:
        template.register_functions(found)


def _boot_id() -> str:
    """What tells this boot of the machine from earlier ones; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
