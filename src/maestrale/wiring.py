"""The composition root: settings in, a wired service out. Only here concrete parts meet."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from maestrale.actions import openstack
from maestrale.actions.base import ActionSettings
from maestrale.actions.openstack import OpenStackHost
from maestrale.actions.plugins import PluginRules
from maestrale.actions.registry import Registry
from maestrale.config import KEYSTONE, ROLES, ConfigError, Role, Settings, database_url, key_file, timeouts
from maestrale.engine.decision import DataFlow, Limits
from maestrale.expressions import template
from maestrale.runtime.engine import Engine
from maestrale.runtime.expiry import Expiry
from maestrale.runtime.hints import Hints, NobodyElse
from maestrale.runtime.lease import Lease
from maestrale.runtime.machine import description
from maestrale.runtime.maintenance import Keeper
from maestrale.runtime.presence import Alone, AmongOthers, Presence
from maestrale.runtime.security import Security
from maestrale.runtime.upkeep import Upkeep
from maestrale.services import Services
from maestrale.services.action_executions import ActionExecutions
from maestrale.services.actions import Actions
from maestrale.services.admission import Admission
from maestrale.services.code_sources import CodeSources
from maestrale.services.definitions import Definitions
from maestrale.services.dynamic_actions import DynamicActions
from maestrale.services.environments import Environments
from maestrale.services.evaluations import Evaluations
from maestrale.services.events import Events
from maestrale.services.executions import Executions
from maestrale.services.health import Readiness
from maestrale.services.members import Members
from maestrale.services.operations import Operations
from maestrale.services.overviews import Overviews
from maestrale.services.tasks import Tasks
from maestrale.services.triggers import CronTriggers, EventTriggers
from maestrale.services.watching import Watching
from maestrale.services.why import Why
from maestrale.services.workbooks import Workbooks
from maestrale.store.database import dialect_of
from maestrale.store.keyring import Keyring, make_key_file
from maestrale.store.opening import open_database
from maestrale.store.sealing import Sealing

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from maestrale.api.authentication import Authentication
    from maestrale.keystone.client import Keystone
    from maestrale.keystone.settings import KeystoneSettings

log = logging.getLogger(__name__)

FUNCTIONS = "mistral.expression.functions"
"""Entry points with further functions for expressions; their first argument is the context."""


WARM_UP_AFTER = 1.0
"""Seconds after the start: the first answer comes first."""


class Service:
    """Everything that one process needs to run workflows on one database."""

    def __init__(self, settings: Settings) -> None:
        """Open the database. Raises `DatabaseError` where that cannot be done."""
        self.settings = settings
        roles = settings.server.roles
        _check_roles(roles, database_url(settings))
        prepare_expressions(settings)
        ring = keys_of(settings, dialect_of(database_url(settings)).file)
        if ring is None:
            log.warning("There are no keys: secrets are stored as they are. See docs/secrets.md")
        sealing = None if ring is None else Sealing(ring)
        self.database, lock = open_database(database_url(settings), timeouts(settings), sealing)
        self.lease = Lease(str(uuid.uuid4()))
        hints: Hints | None = None
        engines = None
        self._engines: Callable[[], list[str]] = list
        self.presence: Presence
        if lock is not None:
            self.presence = Alone(self.database, lock, self.lease)
        else:
            self.presence = among = AmongOthers(self.database, self.lease)
            hints = among.hints
            self._engines = among.engines
            engines = None if "engine" in roles else among.engines
        self.keystone = _keystone(settings)
        self.registry = action_registry(settings)
        self.security = Security(
            self.database,
            self.lease.now,
            sealing.keyring if sealing is not None and keeps_credentials(settings) else None,
            self.keystone,
            trusts=settings.keystone.trusts,
        )
        self.engine = Engine(
            self.database,
            self.registry,
            self.lease,
            hints=hints,
            engines=engines,
            settings=ActionSettings(
                http=settings.std_http,
                email=settings.std_email,
                ssh=settings.std_ssh,
                javascript=settings.std_javascript,
            ),
            limits=Limits(
                steps=settings.engine.steps_per_decision,
                field_size_kb=settings.engine.execution_field_size_limit_kb,
                data_flow=DataFlow(
                    merges_maps=settings.engine.merge_strategy == "merge",
                    versioning=settings.context_versioning.enabled,
                ),
                traces=settings.log.transitions,
            ),
            publishers=settings.notifier.publishers,
            secrets=settings.security.rules,
            retry_for=settings.notifier.retry_for,
            asynchronous=settings.executor.asynchronous,
            threads=settings.executor.threads,
            dynamic=settings.dynamic_actions,
            security=self.security,
        )
        self.keeper = Keeper(self.database, self.engine, hints or NobodyElse(), self.lease.now)
        self.watching = Watching(self.database, self.engine.watches, settings.api.max_waiting_requests)
        self.upkeep = Upkeep(self.database, self.engine, self.lease.now)
        self.expiry = Expiry(self.database, self.engine.removal, self.lease, settings.retention.rule)

    def start(self, address: str | None = None, *, takes_up: bool = True) -> None:
        """Begin to work, and go on with what earlier processes left if `takes_up`."""
        roles = [role for role in self.settings.server.roles if address or role != "api"]
        row = {**description(), "roles": ",".join(roles), "address": address}
        self.presence.begin(row, self.engine, takes_up=takes_up)
        if takes_up:
            self.keeper.start()
            self.upkeep.start()
            if self.engine.decides:
                self.expiry.start()
                self.engine.triggers.start()
                self.engine.notifier.outbox.start()

    def warm_up(self) -> None:
        """Load soon, beside the work, what first uses would have to wait for."""
        timer = threading.Timer(WARM_UP_AFTER, _warm_up, (self.registry,))
        timer.daemon = True
        timer.start()

    def let_go(self) -> None:
        """Answer who waits or follows: the service is about to stop."""
        self.watching.close()

    def stop(self, grace: float | None = None) -> None:
        """Give running actions their grace (seconds, by default as set), commit, and close."""
        self.keeper.stop()
        self.let_go()
        self.upkeep.stop()
        self.expiry.stop()
        self.engine.stop(self.settings.server.grace if grace is None else grace)
        self.presence.end()
        if self.keystone is not None:
            self.keystone.close()

    def services(self) -> Services:
        """The use cases."""
        limits, clock, secrets = self.settings.api, self.lease.now, self.settings.security.rules
        admission = Admission(limits.max_waiting_starts, limits.longest_wait)
        return Services(
            definitions=Definitions(self.database, clock),
            workbooks=Workbooks(self.database, self.registry, self.engine, clock),
            environments=Environments(self.database, clock, secrets),
            code_sources=CodeSources(self.database, self.engine, clock),
            dynamic_actions=DynamicActions(
                self.database, self.engine, clock, runs=self.settings.dynamic_actions.enabled
            ),
            executions=Executions(
                self.database,
                self.engine,
                admission,
                self.watching,
                clock,
                publishers=self.settings.notifier.publishers,
                secrets=secrets,
            ),
            tasks=Tasks(self.database, self.engine, self.watching, secrets),
            action_executions=ActionExecutions(
                self.database,
                self.engine,
                admission,
                self.watching,
                allow_deletion=limits.allow_action_execution_deletion,
                secrets=secrets,
            ),
            actions=Actions(self.database, self.registry, self.engine, clock),
            cron_triggers=CronTriggers(self.database, self.engine.programs, self.engine, clock, secrets),
            event_triggers=EventTriggers(self.database, self.engine.programs, self.engine, clock, secrets),
            operations=Operations(
                self.database,
                self.keeper,
                clock,
                info_file=Path(limits.info_json_file_path) if limits.enable_info_endpoint else None,
            ),
            why=Why(self.database, self.engine.programs),
            evaluations=Evaluations(self.database, self.engine, clock),
            members=Members(self.database, clock, knows_projects=self.settings.server.knows_callers),
            events=Events(self.database, self.watching, limits.max_event_streams),
            readiness=Readiness(self.database, self.engine, self.lease, self.watching, self._engines),
            overviews=Overviews(self.database, self.engine.programs, clock),
        )

    def app(self) -> ASGIApp:
        """The HTTP application. Raises a `MaestraleError` if it cannot know callers as set."""
        from maestrale.api.app import PageMakers, create_app
        from maestrale.api.authentications import choose
        from maestrale.api.settings import ApiSettings
        from maestrale.ui.app import Pages
        from maestrale.ui.pages import welcome

        server, limits = self.settings.server, self.settings.api
        settings = ApiSettings(
            max_limit=limits.max_limit,
            max_body=limits.max_body,
            max_wait=limits.max_wait,
            proxies=ApiSettings().proxies.union(self.settings.proxy.trusted),
            allowed_hosts=frozenset(server.allowed_hosts),
            allowed_origins=frozenset(server.allowed_origins),
        )
        services, authentication = self.services(), choose(self.settings, self._known_by_keystone)
        makers = PageMakers(welcome, _reference)
        return create_app(
            services, settings, makers, authentication, lambda app: Pages(app, services, authentication)
        )

    def _known_by_keystone(self) -> Authentication:
        from maestrale.api.keystone import KeystoneTokens

        assert self.keystone is not None
        return KeystoneTokens(self.keystone)


def action_registry(settings: Settings) -> Registry:
    """The actions that the installed packages offer, as far as the settings let them."""
    wanted = settings.actions
    registry = Registry(
        allow=wanted.allow, deny=wanted.deny, hosts={openstack.PACKAGE: _openstack_host(settings)}
    )
    rules = PluginRules(
        classes=wanted.load_action_plugins,
        generators=wanted.load_action_generators,
        allow_providers=wanted.allow_providers,
        deny_providers=wanted.deny_providers,
    )
    registry.load_entry_points(rules, only_built_in=wanted.only_builtin_actions)
    return registry


def _openstack_host(settings: Settings) -> OpenStackHost:
    wanted, server, keystone = settings.openstack_actions, settings.server, _keystone_settings(settings)
    if keystone is not None and not wanted.default_region:
        wanted = msgspec.structs.replace(wanted, default_region=keystone.region_name)
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(server.host, server.host)
    own_host = f"[{own}]" if ":" in own else own
    return OpenStackHost(wanted, "" if keystone is None else keystone.url, own_host, server.port)


def prepare_expressions(settings: Settings) -> None:
    """Set the options of expressions, and add the functions of installed packages."""
    template.configure(settings.expressions)
    _register_functions()


def _check_roles(roles: tuple[Role, ...], url: str) -> None:
    if not roles:
        raise ConfigError("server.roles names no role", f"it may name {' and '.join(ROLES)}")
    if set(roles) != set(ROLES) and dialect_of(url).file is not None:
        raise ConfigError(
            f"A SQLite file belongs to one process, which cannot be '{','.join(roles)}' only",
            "leave the role out, or share a PostgreSQL: --database postgresql://user:password@host/database",
        )


def _keystone(settings: Settings) -> Keystone | None:
    """The Keystone that knows the callers, if one does."""
    known = _keystone_settings(settings)
    if known is None:
        return None
    from maestrale.keystone.client import Keystone

    with _keystone_errors():
        return Keystone(known)


def _keystone_settings(settings: Settings) -> KeystoneSettings | None:
    """How to ask the Keystone that knows the callers, if one does."""
    if settings.server.auth != KEYSTONE:
        return None
    with _keystone_errors():
        return settings.keystone.completed()


@contextmanager
def _keystone_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"Keystone cannot be asked: {error}", "see docs/keystone.md") from None


def keeps_credentials(settings: Settings) -> bool:
    """Whether tokens of callers may be kept: they come from a Keystone, or keys were given."""
    security = settings.security
    return settings.server.auth == KEYSTONE or bool(security.keys or security.key_file)


def keys_of(settings: Settings, database: Path | None) -> Callable[[], Keyring] | None:
    """What reads the keys, which are made with the first secret beside a SQLite file; None where a PostgreSQL
    has none. Raises a `MaestraleError` where keys are missing that must be there."""
    security = settings.security
    if database is None and not keeps_credentials(settings):
        return None
    path = key_file(settings, database)
    if path is None:
        given = Keyring(security.keys)
        return lambda: given
    if security.key_file:
        named = Keyring(file=path)
        return lambda: named

    def made() -> Keyring:
        make_key_file(path)
        return Keyring(file=path)

    return made


def _reference(document: dict[str, Any], base: str) -> str:
    from maestrale.ui.reference import reference  # not needed to start

    return reference(document, base)


def _warm_up(registry: Registry) -> None:
    template.warm_up()
    importlib.import_module("maestrale.actions.http_client")
    registry.plugins.load()


def _register_functions() -> None:
    found = {}
    for entry_point in importlib.metadata.entry_points(group=FUNCTIONS):
        try:
            found[entry_point.name] = entry_point.load()
        except Exception as error:  # noqa: BLE001 - a broken plug-in must not stop the service
            log.warning("The expression function '%s' cannot be loaded: %s", entry_point.name, error)
    if found:
        template.register_functions(found)
