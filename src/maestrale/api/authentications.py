"""Every way in which the server can know its callers, and which one the settings name."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from maestrale.api.authentication import Authentication, EverybodyIsTheOperator, Tokens, UnderPolicy
from maestrale.api.policy_file import PolicyFile
from maestrale.api.proxy import proxy
from maestrale.api.token_file import read_token_file
from maestrale.config import KEYSTONE, NO_AUTHENTICATION, ConfigError, Settings

GROUP: Final = "maestrale.authentication"
"""The entry points of packages with further ways. Each names a `Maker`."""

log = logging.getLogger(__name__)

Maker = Callable[[str, Settings], Authentication]
"""Makes a way of authentication out of what follows its name and a colon (may be empty), and all settings.

Raises a `MaestraleError` if callers cannot be known like that: the server does not start then.
"""


def _none(argument: str, _settings: Settings) -> Authentication:
    if argument:
        raise ConfigError(f"Nothing may follow '{NO_AUTHENTICATION}' in server.auth")
    return EverybodyIsTheOperator()


def _tokens(argument: str, _settings: Settings) -> Authentication:
    if not argument:
        raise ConfigError("server.auth names no token file", "write tokens:FILE")
    return Tokens(read_token_file(Path(argument).expanduser()))


def _oidc(argument: str, settings: Settings) -> Authentication:
    try:
        from maestrale.api.oidc import oidc
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "joserfc":
            raise
        raise ConfigError(
            "server.auth is 'oidc', which needs a package that is not installed",
            "pip install 'maestrale[oidc]'",
        ) from None
    return oidc(argument, settings)


MAKERS: Final[Mapping[str, Maker]] = {
    NO_AUTHENTICATION: _none,
    "tokens": _tokens,
    "proxy": proxy,
    "oidc": _oidc,
}
"""The built-in ways by name. A package cannot replace one."""


def choose(settings: Settings, keystone: Callable[[], Authentication] | None = None) -> Authentication:
    """The way that `server.auth` names, with the policy file if there is one.

    `keystone` makes the way that asks the Keystone of this process, if it has one. Raises `ConfigError`, what
    its maker raises, and `PolicyFileError`.
    """
    server = settings.server
    if server.auth == KEYSTONE and keystone is not None:
        made = keystone()
    else:
        name, _, argument = server.auth.partition(":")
        make = MAKERS.get(name) or _of_a_package(name)
        made = make(argument, settings)
    if not server.policy_file:
        return made
    if not server.knows_callers:
        log.warning("Without authentication, the policy file %s has no effect", server.policy_file)
        return made
    return UnderPolicy(made, PolicyFile(Path(server.policy_file).expanduser()).current)


def _of_a_package(name: str) -> Maker:
    offered = entry_points(group=GROUP)
    for point in offered:
        if point.name == name:
            return _load(point)
    known = [*MAKERS, KEYSTONE, *sorted(offered.names)]
    near = difflib.get_close_matches(name, known, 1)
    raise ConfigError(
        f"Unknown way of authentication in server.auth: '{name}'",
        f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(known)}",
    )


def _load(point: EntryPoint) -> Maker:
    try:
        made: Maker = point.load()
    except Exception as error:
        raise ConfigError(
            f"The way of authentication '{point.name}' cannot be loaded from {point.value}: "
            f"{type(error).__name__}: {error}"
        ) from error
    return made
