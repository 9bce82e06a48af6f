"""What the package `mistral-extra`, whose actions are those of OpenStack, expects of the service around it.

It reads the global settings of `oslo.config`, and looks in its thread for the one in whose name it works.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import msgspec

from maestrale.actions import legacy
from maestrale.actions.base import ActionContext
from maestrale.actions.openstack_data import plain
from maestrale.actions.settings import OpenStackSettings
from maestrale.model.errors import MaestraleError
from maestrale.model.security import SecurityContext

PACKAGE: Final = "mistral_extra"

_CALLER: Final = "MISTRAL_APP_CTX_THREAD_LOCAL"
"""Under which name Mistral keeps the caller in a thread."""

_OWN: Final = "mistral"
"""The namespace of the actions that call this service itself."""

_CLIENTS: Final = {
    "baremetal_introspection": ("ironic_inspector_client", "python-ironic-inspector-client"),
    "swiftservice": ("swiftclient", "python-swiftclient"),
    "aodh": ("aodhclient", "aodhclient"),
    "gnocchi": ("gnocchiclient", "gnocchiclient"),
}
"""Modules and packages of clients that are not called as the others are."""


class NoCaller(MaestraleError):
    """An action acts for its caller, and nobody knows who that is."""


class OpenStackHost:
    """Prepares the package, and stands around its actions while they run.

    `keystone_url`: of the Keystone that knows the callers of this service, empty where none does; `own_host`
    and `own_port`: where this service itself is.
    """

    def __init__(
        self, settings: OpenStackSettings, keystone_url: str = "", own_host: str = "", own_port: int = 0
    ) -> None:
        self._settings = settings
        self._keystone_url = keystone_url
        self._own_host = own_host
        self._own_port = own_port

    def prepare(self) -> None:
        """Set what the package reads from the settings of its process, before its actions are made."""
        from oslo_config import cfg

        settings = self._settings
        importlib.import_module(f"{PACKAGE}.config")
        _register(cfg.StrOpt("www_authenticate_uri"), "keystone_authtoken", self._keystone_url)
        _register(cfg.StrOpt("region_name"), "keystone_authtoken", settings.default_region or None)
        _register(cfg.BoolOpt("auth_enable"), "pecan", bool(self._keystone_url))
        _register(cfg.StrOpt("host"), "api", self._own_host)
        _register(cfg.PortOpt("port"), "api", self._own_port)
        group = "openstack_actions"
        cfg.CONF.set_override("os_actions_endpoint_type", settings.endpoint_type, group)
        cfg.CONF.set_override("default_region", settings.default_region or None, group)
        if settings.modules_support_region:
            cfg.CONF.set_override("modules_support_region", list(settings.modules_support_region), group)
        if settings.mapping_path:
            path = os.path.abspath(os.path.expanduser(settings.mapping_path))
            cfg.CONF.set_override("openstack_actions_mapping_path", path)

    @staticmethod
    def namespace(generator: Any) -> str:
        """How the names of a generator's actions begin, without the dot."""
        return str(generator.action_namespace)

    def problem(self, generator: Any) -> str:
        """Why a generator cannot make its actions: the client of its service is missing; else empty."""
        namespace = self.namespace(generator)
        module, package = _CLIENTS.get(namespace, (f"{namespace}client", f"python-{namespace}client"))
        try:
            importlib.import_module(module)
        except ImportError as error:
            return (
                f"the actions {namespace}.* need the client of their service: {error}"
                f" (install it with: pip install {package})"
            )
        return ""

    @contextmanager
    def acting(self, name: str, context: ActionContext) -> Iterator[None]:
        """What an action of this name finds around it. Raises `NoCaller` if it needs to know its caller."""
        from mistral_lib import utils

        security = context.security
        if security is None or security.auth_token is None:
            if self._keystone_url or name.partition(".")[0] != _OWN:
                raise NoCaller(f"{name} acts for its caller, who is not known", self._hint())
            security = SecurityContext()
        utils.set_thread_local(_CALLER, _caller(security))
        try:
            yield
        finally:
            utils.set_thread_local(_CALLER, None)

    def data(self, value: Any) -> Any:
        """What the client of a service has answered, without its own objects."""
        return plain(value)

    def _hint(self) -> str:
        if self._keystone_url:
            return "start the workflow, or run the task again, with a token of Keystone"
        return "let the server know callers by Keystone: mistral server --auth keystone (docs/openstack.md)"


def _caller(security: SecurityContext) -> SecurityContext:
    """The caller, with a catalogue as the package wants it.

    A token by a trust counts as an ordinary one: the package would look up its catalogue, which is here.
    """
    catalog = legacy.library_catalog(security)
    return msgspec.structs.replace(security, service_catalog=catalog, is_trust_scoped=False)


def _register(option: Any, group: str, value: Any) -> None:
    """Set an option of Mistral itself, which the package uses and others may have registered too."""
    from oslo_config import cfg

    with suppress(cfg.DuplicateOptError):
        cfg.CONF.register_opt(option, group)
    cfg.CONF.set_override(option.dest, value, group)
