"""Which cloud to log in to: options and variables of OpenStack's clients, and their file `clouds.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maestrale.cli.keystone_login import SERVICE_TYPES, Identity, KeystoneLogin, Place
from maestrale.client.errors import ClientError

if TYPE_CHECKING:
    import ssl

_FILES: Final = ("clouds.yaml", "clouds.yml")
_MORE: Final = (
    "application_credential_id", "application_credential_name", "application_credential_secret",
    "user_id", "token", "interface",
)  # fmt: skip
"""What has a variable and no option."""


def login_to_cloud(
    values: Mapping[str, Any], environment: Mapping[str, str], verify: bool | ssl.SSLContext = True
) -> KeystoneLogin | None:
    """How to log in to the cloud that options and variables name, None if they name none, or nobody.

    `values` are those of the options, by name (`os_auth_url`). What they do not say stands in the entry of
    `clouds.yaml` that OS_CLOUD names. Raises `ClientError` for a file that cannot be used.
    """
    found = _of_file(environment) | _of_variables(environment) | _of_options(values)
    address = found.get("auth_url")
    if not address:
        return None
    identity = Identity(
        _place(found, "user", "username"),
        found.get("password", ""),
        found.get("token") or found.get("auth_token", ""),
        found.get("application_credential_id", ""),
        found.get("application_credential_name", ""),
        found.get("application_credential_secret", ""),
    )
    if not (identity.user or identity.token or identity.secret):
        return None
    kind = found.get("mistral_service_type")
    return KeystoneLogin(
        address,
        identity,
        _place(found, "project", "project_name"),
        region=found.get("region_name", ""),
        interface=found.get("mistral_endpoint_type") or found.get("interface", "public"),
        service_types=(kind,) if kind else SERVICE_TYPES,
        verify=verify,
    )


def login_to_target(values: Mapping[str, Any], verify: bool | ssl.SSLContext = True) -> KeystoneLogin:
    """How to log in to the cloud in which actions are to work."""
    prefix = "os_target_"
    given = {name: str(value) for name, value in values.items() if name.startswith(prefix)}
    found = _with_projects({name.removeprefix(prefix): value for name, value in given.items()})
    address = found.get("auth_url", "")
    identity = Identity(
        _place({"username": "admin"} | found, "user", "username"),
        found.get("password", ""),
        found.get("auth_token", ""),
    )
    project = _place(found, "project", "project_name")
    return KeystoneLogin(address, identity, project, region=found.get("region_name", ""), verify=verify)


def _of_options(values: Mapping[str, Any]) -> dict[str, str]:
    found = {
        name.removeprefix("os_"): str(value)
        for name, value in values.items()
        if name.startswith("os_") and not name.startswith("os_target_") and value
    }
    return _with_projects(found)


def _of_variables(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: environment.get(f"OS_{name.upper()}", "") for name in _MORE}
    return {name: value for name, value in found.items() if value}


def _of_file(environment: Mapping[str, str]) -> dict[str, str]:
    """The entry of `clouds.yaml` that the variable OS_CLOUD names."""
    name = environment.get("OS_CLOUD")
    if not name:
        return {}
    import yaml

    path = _file(environment)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ClientError(f"The file {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""  # its own words may quote a password
        raise ClientError(f"The file {path} is not YAML{place}.") from None
    clouds = document.get("clouds") if isinstance(document, dict) else None
    if not isinstance(clouds, dict) or not isinstance(clouds.get(name), dict):
        known = ", ".join(map(str, clouds)) if isinstance(clouds, dict) else "none"
        raise ClientError(f"There is no cloud '{name}' (OS_CLOUD) in {path}; there are: {known}")
    entry = clouds[name]
    auth = entry.get("auth")
    texts = {
        **{key: entry[key] for key in ("region_name", "interface") if key in entry},
        **(auth if isinstance(auth, dict) else {}),
    }
    return _with_projects({str(key): str(value) for key, value in texts.items() if value is not None})


def _file(environment: Mapping[str, str]) -> Path:
    named = environment.get("OS_CLIENT_CONFIG_FILE")
    if named:
        return Path(named).expanduser()
    home = environment.get("XDG_CONFIG_HOME")
    own = Path(home) if home else Path.home() / ".config"
    folders = (Path.cwd(), own / "openstack", Path("/etc/openstack"))
    for folder in folders:
        for file in _FILES:
            if (folder / file).is_file():
                return folder / file
    raise ClientError(
        "OS_CLOUD names a cloud, but there is no clouds.yaml in this folder, ~/.config/openstack"
        " or /etc/openstack."
    )


def _with_projects(found: dict[str, str]) -> dict[str, str]:
    """Projects were once called tenants; a domain may stand for that of user and project."""
    renamed = dict(found)
    for kind in ("id", "name"):
        tenant = renamed.pop(f"tenant_{kind}", "")
        renamed[f"project_{kind}"] = renamed.get(f"project_{kind}") or tenant
        domain = renamed.pop(f"domain_{kind}", "")
        for whose in ("user", "project"):
            key = f"{whose}_domain_{kind}"
            renamed[key] = renamed.get(key) or domain
    return {name: value for name, value in renamed.items() if value}


def _place(found: Mapping[str, str], whose: str, name: str) -> Place:
    return Place(
        found.get(f"{whose}_id", ""),
        found.get(name, ""),
        found.get(f"{whose}_domain_id", ""),
        found.get(f"{whose}_domain_name", ""),
    )
