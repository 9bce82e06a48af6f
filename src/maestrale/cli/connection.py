"""Which server to ask: the global options and variables, and the words for when nobody answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from maestrale.client.connection import DEFAULT_URL, Connection, Credentials, Token, is_local
from maestrale.client.errors import ApiError, ClientError, ServerUnreachable

if TYPE_CHECKING:
    import ssl

    from maestrale.cli.keystone_login import KeystoneLogin
    from maestrale.client.sync import Client


class GlobalOption(NamedTuple):
    """An option that stands before or after the command; `variable` is its environment variable."""

    flags: tuple[str, ...]
    variable: str = ""
    help: str = ""
    counted: bool = False
    flag: bool = False


SHOWN: Final = (
    GlobalOption(("--os-mistral-url",), "OS_MISTRAL_URL", f"Address of the API [default: {DEFAULT_URL}]"),
    GlobalOption(("--os-auth-token",), "OS_AUTH_TOKEN", "Token that tells the server who you are."),
    GlobalOption(("--auth-type",), "MISTRAL_AUTH_TYPE", "How to log in with a password: keycloak-oidc."),
    GlobalOption(("--openid-client-id",), "OPENID_CLIENT_ID", "Client of the Keycloak to log in with."),
    GlobalOption(("--openid-client-secret",), "OPENID_CLIENT_SECRET", "Secret of that client, if any."),
    GlobalOption(("--os-cacert",), "OS_CACERT", "Certificate authority of the server, a PEM file."),
    GlobalOption(("--os-cert",), "OS_CERT", "Certificate of this client, a PEM file."),
    GlobalOption(("--os-key",), "OS_KEY", "Key of the client's certificate, a PEM file."),
    GlobalOption(("--insecure",), help="Accept any certificate [env var: MISTRALCLIENT_INSECURE]", flag=True),
    GlobalOption(("-v", "--verbose"), help="Log requests; twice: with their content.", counted=True),
    GlobalOption(("-q", "--quiet"), help="No notes, only results and errors.", flag=True),
    GlobalOption(("--debug",), help="Log everything and show tracebacks.", flag=True),
    GlobalOption(("--log-file",), help="Log everything to this file."),
)

_DOMAINS: Final = ("user-domain-id", "user-domain-name", "project-domain-id", "project-domain-name")
_LOGIN: Final = ("auth-url", "username", "password", "tenant-id", "tenant-name", "region-name")
_NAMES: Final = (
    *_LOGIN,
    *_DOMAINS,
    *(f"target-{name}" for name in (*_LOGIN, *_DOMAINS, "auth-token")),
    *("project-id", "project-name", "mistral-version", "mistral-service-type", "mistral-endpoint-type"),
)

ACCEPTED: Final = (
    *(GlobalOption((f"--os-{name}",), f"OS_{name.upper().replace('-', '_')}") for name in _NAMES),
    GlobalOption(("--os-target_cacert",), "OS_TARGET_CACERT"),
    GlobalOption(("--target_insecure",), flag=True),
    GlobalOption(("--profile",), "OS_PROFILE"),
)
"""Options of the original client that say how to log in to a cloud."""

KEYCLOAK: Final = "keycloak-oidc"
KEYSTONE: Final = "keystone"
LOGIN: Final = ("os_auth_url", "os_username", "os_password")
"""Those that show that somebody expects a log-in, unless there is a token."""


class Settings:
    """What the global options and their variables say."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origins: dict[str, str] = {}

    def put(self, name: str, value: Any, origin: str) -> None:
        """Set the option `name`; `origin` is the variable or the flag that it comes from."""
        self._values[name] = value
        self._origins[name] = origin

    @cached_property
    def url(self) -> str:
        """The address of the API: given, or from the catalogue of the cloud that one logs in to."""
        given = self._values.get("os_mistral_url")
        return str(given or (self._keystone and self._keystone.endpoint()) or DEFAULT_URL)

    @cached_property
    def _keystone(self) -> KeystoneLogin | None:
        """How to log in to the cloud that is named, if it is not enough to send a token as it is."""
        if self._values.get("auth_type", KEYSTONE) != KEYSTONE:
            return None
        if self._values.get("os_auth_token") and self._values.get("os_mistral_url"):
            return None
        from maestrale.cli.cloud_options import login_to_cloud

        return login_to_cloud(self._values, os.environ, self._trust("os_auth_url"))

    @property
    def credentials(self) -> Credentials | None:
        """Who asks, and the other cloud in which actions are to work; None for nobody in particular."""
        caller = self._keystone or self._token or self._keycloak
        if not self._values.get("os_target_auth_url"):
            return caller
        from maestrale.cli.cloud_options import login_to_target
        from maestrale.cli.keystone_login import WithTarget

        return WithTarget(caller, login_to_target(self._values, self._trust("os_target_auth_url")))

    @property
    def _token(self) -> Token | None:
        """What is to be sent as it is."""
        token = str(self._values.get("os_auth_token") or "")
        try:
            return Token(token) if token else None
        except ClientError:
            origin = self._origins["os_auth_token"]
            raise click.ClickException(f"What {origin} holds is not a token.") from None

    @cached_property
    def _keycloak(self) -> Credentials | None:
        """How to get tokens of a Keycloak, where somebody is to be logged in there."""
        if self._values.get("auth_type") != KEYCLOAK:
            return None
        from maestrale.cli.credentials import KeycloakLogin

        realm = self._values.get("os_project_name") or self._values.get("os_tenant_name")
        needed = {
            "--os-auth-url": self._values.get("os_auth_url"),
            "--os-project-name": realm,
            "--os-username": self._values.get("os_username"),
            "--os-password": self._values.get("os_password"),
            "--openid-client-id": self._values.get("openid_client_id"),
        }
        if missing := [name for name, value in needed.items() if not value]:
            raise click.ClickException(
                f"To log in to a Keycloak, {', '.join(missing)} is missing (the project is the realm), "
                "or give a token with --os-auth-token."
            )
        address, _, user, password, client = map(str, needed.values())
        return KeycloakLogin(
            address,
            str(realm),
            user=user,
            password=password,
            client=client,
            secret=str(self._values.get("openid_client_secret") or ""),
            verify=self._trust("os_auth_url"),
        )

    @property
    def verbosity(self) -> int:
        """0 for results and errors only, 1 for requests, 2 for their content."""
        return 2 if self.debug else int(self._values.get("verbose", 0))

    @property
    def quiet(self) -> bool:
        """Whether notes are unwanted."""
        return bool(self._values.get("quiet"))

    @property
    def debug(self) -> bool:
        """Whether errors show a traceback."""
        return bool(self._values.get("debug"))

    @property
    def log_file(self) -> str:
        """Where to log, empty for nowhere."""
        return str(self._values.get("log_file", ""))

    def connect(self, on_warning: Callable[[str], None]) -> Client:
        """A client of the server that was named, after a note on what has no effect.

        `on_warning` is told what the server finds odd in texts that it takes.
        """
        self._start_logging()
        version = str(self._values.get("os_mistral_version", "v2"))
        if "v2" not in version:
            raise click.ClickException(f"Mistral API version {version} is unknown; this client speaks v2.")
        if not self.quiet and (note := self._note()):
            click.echo(note, err=True)
        _load_httpx()
        from maestrale.client.sync import Client

        server = self._server(self.url, self.credentials)
        return Client(**server.options, on_warning=on_warning)

    def explain(self, error: ClientError) -> str:
        """What went wrong, who decided the address, and what to do."""
        if isinstance(error, ServerUnreachable):
            what = "The server gave no answer" if error.reached else "No server answers"
            return "\n".join((f"{what} at {self.url} ({error.message}).", *self._ways_out(error)))
        status = error.status if isinstance(error, ApiError) else None
        if status == 401:
            return f"{error.message}\n{self._way_in()}"
        if status == 404 and not self.url.rstrip("/").endswith("/v2"):
            return f"{error.message}\nThe address of the API usually ends in /v2: {self.url}"
        return "\n".join(part for part in (error.message, error.hint) if part)

    def _ways_out(self, error: ServerUnreachable) -> Iterator[str]:
        """What a person may do when nobody answers."""
        origin = self._origins.get("os_mistral_url", "")
        if origin.startswith("--"):
            yield f"The address was given with {origin}."
        elif origin:
            yield f"The address comes from the environment variable {origin}."
            yield f"To ask the server on this machine instead: unset {origin}"
        elif names := self._login_origins():
            yield f"The address is the default one: {', '.join(names)} cannot decide it."
        if is_local(self.url) and not error.reached:
            yield f"To start a server on this machine: mistral server{self._port_option()}"
        if "certificate" in error.message.lower():
            yield "To trust its certificate: --os-cacert FILE, or --insecure to trust any."

    def _way_in(self) -> str:
        """What a person may do whom the server does not know."""
        if self._keystone is not None:
            return "The token is one of the cloud that you have logged in to: does the server know it?"
        if self._token:
            return f"The token was given by {self._origins['os_auth_token']}."
        if self._keycloak:
            return "The token comes from Keycloak: does the server take tokens of this realm?"
        return (
            "Say who you are: with --os-auth-token or OS_AUTH_TOKEN, or log in with --os-auth-url,"
            " --os-username, --os-password and --os-project-name."
        )

    def _port_option(self) -> str:
        """What to add to `mistral server` to have it answer where it was looked for."""
        try:
            port = urlsplit(self.url).port
        except ValueError:  # no number
            port = None
        return f" --port {port}" if port and port != urlsplit(DEFAULT_URL).port else ""

    def _start_logging(self) -> None:
        if not (self.verbosity or self.log_file):
            return
        import logging

        terminal = logging.StreamHandler()
        terminal.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbosity, 2)])
        handlers: list[logging.Handler] = [terminal]
        if self.log_file:
            try:
                handlers.append(logging.FileHandler(self.log_file, encoding="utf-8"))
            except OSError as error:
                raise click.ClickException(
                    f"Cannot write the log {self.log_file}: {error.strerror}"
                ) from None
        logging.basicConfig(
            level=logging.DEBUG, format="%(levelname)s (%(module)s) %(message)s", handlers=handlers
        )
        logging.getLogger("httpcore").setLevel(logging.INFO)

    def _login_origins(self) -> list[str]:
        """The variables and options that show that somebody expects a log-in, where there is none."""
        if self._token or self._keystone or self._values.get("auth_type") == KEYCLOAK:
            return []
        return [self._origins[name] for name in LOGIN if name in self._origins]

    def _note(self) -> str:
        """A remark on settings that have no effect, empty if there are none."""
        names = self._login_origins()
        if not names:
            return ""
        variables = " ".join(name for name in names if not name.startswith("--"))
        remedy = f" To be rid of this note: unset {variables}" if variables else ""
        server = "the server" if "os_mistral_url" in self._origins else "the local server"
        return (
            f"Note: {', '.join(names)} {'is' if len(names) == 1 else 'are'} not enough to log in to a cloud; "
            f"this client asks {server} at {self.url} without credentials.{remedy}"
        )

    def _trust(self, option: str) -> bool | ssl.SSLContext:
        """How to check the certificate at the address that an option gives."""
        return self._server(str(self._values.get(option))).options["verify"]

    def _server(self, url: str, caller: Credentials | None = None) -> Connection:
        """A server, who asks it and whom to trust."""
        return Connection(
            base_url=url,
            credentials=caller,
            authority=str(self._values.get("os_cacert", "")),
            certificate=str(self._values.get("os_cert", "")),
            key=str(self._values.get("os_key", "")),
            is_insecure=bool(self._values.get("insecure") or os.environ.get("MISTRALCLIENT_INSECURE")),
        )


def _load_httpx() -> None:
    """Load httpx without the command line that it brings along: that takes as long as all the rest."""
    modules: dict[str, Any] = sys.modules
    if "httpx" not in modules:
        modules["httpx._main"] = None  # what the interpreter takes for "cannot be imported"; httpx copes
        import httpx  # noqa: F401

        del modules["httpx._main"]


def global_options(repeated: bool = False) -> Iterator[click.Option]:
    """The options as click has them.

    `repeated` are those of a single command: they overrule what stands before the command and are not shown.
    """
    for options, hidden in ((SHOWN, repeated), (ACCEPTED, True)):
        for option in options:
            yield click.Option(
                option.flags,
                envvar=option.variable if option.variable and not repeated else None,
                show_envvar=True,
                help=option.help,
                hidden=hidden,
                count=option.counted,
                is_flag=option.flag or None,
                expose_value=False,
                callback=_keep,
            )


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Put a value that was really given into the settings."""
    name = parameter.name or ""
    source = context.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE:
        origin = parameter.opts[-1]
    elif source is ParameterSource.ENVIRONMENT:
        origin = str(parameter.envvar)
    else:
        return
    context.ensure_object(Settings).put(name, value, origin)
