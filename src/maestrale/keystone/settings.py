"""How Keystone is reached, and as whom."""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

SECTION: Final = "keystone_authtoken"
"""Of a settings file of OpenStack's middleware."""

_NAMES: Final = {
    "auth_url": ("auth_url", "www_authenticate_uri", "auth_uri"),
    "username": ("username", "user_name", "admin_user"),
    "password": ("password", "admin_password"),
    "user_domain_name": ("user_domain_name",),
    "user_domain_id": ("user_domain_id",),
    "project_name": ("project_name", "tenant_name", "admin_tenant_name"),
    "project_domain_name": ("project_domain_name",),
    "project_domain_id": ("project_domain_id",),
    "cafile": ("cafile",),
    "certfile": ("certfile",),
    "keyfile": ("keyfile",),
    "region_name": ("region_name",),
}
"""Settings of ours, and their names there; the first one that is set counts."""


class KeystoneSettings(msgspec.Struct, frozen=True):
    """`auth_url`: where Keystone is, with or without `/v3`. The others up to `project_domain_id`: the service
    user, who checks the tokens of callers and works in their name where they trust it; of a domain the id
    counts if it is set. `cafile`, `certfile`, `keyfile`: the certificates to trust, and those to show;
    `insecure`: trust any. `region_name`: in which actions work if nobody names another one.

    `cache_time`: seconds for which an answer about a token counts, at most until the token ends; so long a
    token that was revoked may still pass. `cache_size`: so many tokens at most. `timeout`: seconds for each
    request. `service_roles`: a request that comes with a service's own token of one of these roles may have
    an expired token of a person. `trusts`: executions act by a trust instead of the caller's token, which
    they may outlive. `authtoken_file`: a file whose section [keystone_authtoken] says what is not set here.
    """

    auth_url: str = ""
    username: str = ""
    password: str = ""
    user_domain_name: str = "Default"
    user_domain_id: str = ""
    project_name: str = "service"
    project_domain_name: str = "Default"
    project_domain_id: str = ""
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    insecure: bool = False
    region_name: str = ""
    cache_time: float = 60.0
    cache_size: int = 10_000
    timeout: float = 10.0
    service_roles: tuple[str, ...] = ("service",)
    trusts: bool = False
    authtoken_file: str = ""

    def __post_init__(self) -> None:
        if self.auth_url and urlsplit(self.auth_url).scheme not in ("http", "https"):
            raise ValueError("auth_url must begin with http:// or https://")
        if self.cache_time < 0 or self.cache_size < 1:
            raise ValueError("cache_time cannot be negative, and cache_size must be at least 1")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")

    @property
    def url(self) -> str:
        """The address of the API v3."""
        base = self.auth_url.rstrip("/")
        return base if base.endswith("/v3") else f"{base.removesuffix('/v2.0')}/v3"

    def completed(self) -> KeystoneSettings:
        """The same with what `authtoken_file` adds. Raises `ValueError` with what is missing or wrong."""
        settings = self
        if self.authtoken_file:
            settings = msgspec.structs.replace(self, **self._added(Path(self.authtoken_file).expanduser()))
        missing = [name for name in ("auth_url", "username", "password") if not getattr(settings, name)]
        if missing:
            raise ValueError(f"the section [keystone] of the settings lacks {', '.join(missing)}")
        return settings

    def _added(self, path: Path) -> dict[str, str | bool]:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        except (configparser.Error, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None) or next(iter(getattr(error, "errors", [])), (None,))[0]
            place = f" (line {line})" if line else ""  # the words of the error may quote a password
            raise ValueError(f"{path} is not a settings file of OpenStack{place}") from None
        if not parser.has_section(SECTION):
            raise ValueError(f"{path} has no section [{SECTION}]")
        section, default = parser[SECTION], KeystoneSettings()
        added: dict[str, str | bool] = {}
        for name, theirs in _NAMES.items():
            if getattr(self, name) == getattr(default, name):
                found = next((section[key] for key in theirs if section.get(key)), None)
                if found is not None:
                    added[name] = found
        if not self.insecure and section.get("insecure"):
            added["insecure"] = bool(section.getboolean("insecure"))
        return added
