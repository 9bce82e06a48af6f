"""Settings: one TOML file, then the environment, then flags; each later one wins.

The environment variable of a setting is `MAESTRALE_<SECTION>_<NAME>`; lists are separated by commas, and an
empty text is an empty list. Unknown names are errors, so that a typing error cannot pass for a setting.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from maestrale.actions.egress import HttpSettings
from maestrale.actions.process_settings import ProcessSettings
from maestrale.actions.settings import EmailSettings, JavaScriptSettings, OpenStackSettings, SshSettings
from maestrale.api.identity_settings import OidcSettings, ProxySettings
from maestrale.expressions.options import Options
from maestrale.keystone.settings import KeystoneSettings
from maestrale.model import states
from maestrale.model.durations import parse_duration
from maestrale.model.errors import BadRequest, MaestraleError
from maestrale.model.notifications import RETRY_FOR, Publisher, checked_publishers
from maestrale.model.retention import EXPIRING, Retention
from maestrale.model.secrets import SecretKeys, SecretRules
from maestrale.model.timeouts import Timeouts
from maestrale.model.urls import without_password
from maestrale.model.values import MASK, Microseconds

PREFIX: Final = "MAESTRALE_"
FILE_VARIABLE: Final = "MAESTRALE_CONFIG"
MEBIBYTE: Final = 1024 * 1024
KEYSTONE: Final = "keystone"
NO_AUTHENTICATION: Final = "none"
"""How the server knows its callers if nothing else is said: not at all."""


class ConfigError(MaestraleError):
    """A setting that is unknown or has a wrong value; the message says where it stands."""


Role = Literal["api", "engine"]
ROLES: Final[tuple[Role, ...]] = ("api", "engine")


class ServerSettings(msgspec.Struct, frozen=True):
    """`roles`: what this process does, both or (where several share a PostgreSQL) one of them. `grace`:
    seconds that running actions get when the service stops. `allowed_hosts`: names under which the server
    may be called besides loopback ("*": any). `allowed_origins`: web origins whose pages may use the API.
    `tls_cert`, `tls_key`: PEM files with a certificate and its key; with them the server speaks HTTPS.
    `auth`: how callers are known, as NAME or NAME:ARGUMENT; "none": whoever reaches the server is trusted.
    `policy_file`: what callers may do, where that is not the default."""

    roles: tuple[Role, ...] = ROLES
    host: str = "127.0.0.1"
    port: int = 8989
    grace: float = 10.0
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls_cert: str = ""
    tls_key: str = ""
    auth: str = NO_AUTHENTICATION
    policy_file: str = ""

    @property
    def knows_callers(self) -> bool:
        """Whether requests have to tell who sends them."""
        return self.auth != NO_AUTHENTICATION


class DatabaseSettings(msgspec.Struct, frozen=True):
    """`url`: empty means a SQLite file in the user's data folder. The others are seconds (0: without limit).
    `list_timeout`: how long the rows of a list may be looked for. For PostgreSQL alone: how long to wait for
    a lock and for a statement, and after which time without a statement the server ends a transaction."""

    url: str = ""
    list_timeout: float = 5.0
    lock_timeout: float = 10.0
    statement_timeout: float = 60.0
    idle_in_transaction_session_timeout: float = 60.0

    def __post_init__(self) -> None:
        waits = (self.lock_timeout, self.statement_timeout, self.idle_in_transaction_session_timeout)
        if min(self.list_timeout, *waits) < 0:
            raise ValueError("a time-out cannot be negative; 0 means without limit")


class ApiLimits(msgspec.Struct, frozen=True):
    """`max_limit`: most rows of a page. `max_body`: most bytes of a request's body.
    `allow_action_execution_deletion`: of finished actions that ran outside of workflows.
    `max_waiting_starts`: so many starts of executions may wait to be stored, half of them of one project
    alone. `longest_wait`: seconds; while one has waited longer, no execution and no action is started.
    `enable_info_endpoint`: whether `/info` shows the JSON file at `info_json_file_path`.
    `max_wait`: seconds that a read may wait for an end. `max_waiting_requests`, `max_event_streams`: so many
    reads may wait, and so many executions be followed, at the same time."""

    max_limit: int = 1000
    max_body: int = 16 * MEBIBYTE
    allow_action_execution_deletion: bool = False
    max_waiting_starts: int = 4000
    longest_wait: float = 10.0
    enable_info_endpoint: bool = False
    info_json_file_path: str = "info.json"
    max_wait: float = 60.0
    max_waiting_requests: int = 20_000
    max_event_streams: int = 2000

    def __post_init__(self) -> None:
        if self.max_waiting_starts < 2:
            raise ValueError("max_waiting_starts must be at least 2")
        if self.longest_wait <= 0:
            raise ValueError("longest_wait must be more than 0")
        if min(self.max_wait, self.max_waiting_requests, self.max_event_streams) < 0:
            raise ValueError("it cannot be negative")


class EngineSettings(msgspec.Struct, frozen=True):
    """`steps_per_decision`: tasks started in one decision, before others have their turn (at least 2).
    `execution_field_size_limit_kb`: of input, params, results and published values, -1 for no limit.
    `merge_strategy`: what a published map does to one of the same name, "replace" it or "merge" with it."""

    steps_per_decision: int = 200
    execution_field_size_limit_kb: int = 1024
    merge_strategy: Literal["replace", "merge"] = "replace"

    def __post_init__(self) -> None:
        if self.steps_per_decision < 2:
            raise ValueError("steps_per_decision must be at least 2")


class ContextVersioningSettings(msgspec.Struct, frozen=True):
    """`enabled`: where branches meet, the variable that was published more often along its branch wins, else
    that of the branch that ended last. Change it (and `merge_strategy`) only while no workflow runs."""

    enabled: bool = True


class ExecutorSettings(msgspec.Struct, frozen=True):
    """How many actions run at the same time: `asynchronous` ones, and blocking ones in `threads`."""

    asynchronous: int = 2000
    threads: int = 16


class RetentionSettings(msgspec.Struct, frozen=True):
    """How long finished executions are kept; without any of these, for ever. `keep_for`: a time such as
    "30 days", and for one state another one; `keep_at_most`: how many of them; `ignored_states`: those that
    are kept all the same, and not counted."""

    keep_for: str = ""
    keep_for_success: str = ""
    keep_for_error: str = ""
    keep_for_cancelled: str = ""
    keep_at_most: int = 0
    ignored_states: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for text in (self.keep_for, *self._own().values()):
            if text:
                parse_duration(text)
        if self.keep_at_most < 0:
            raise ValueError("it cannot be negative; 0 means any number")
        unknown = [state for state in self.ignored_states if state not in EXPIRING]
        if unknown:
            raise ValueError(f"executions do not end in {' or '.join(unknown)}, but in {', '.join(EXPIRING)}")

    @property
    def rule(self) -> Retention:
        """The same as the service goes by it."""
        ages: dict[str, Microseconds | None] = {}
        for state, own in self._own().items():
            if state not in self.ignored_states:
                text = own or self.keep_for
                ages[state] = parse_duration(text) if text else None
        return Retention(ages, self.keep_at_most)

    def _own(self) -> dict[str, str]:
        return {
            states.SUCCESS: self.keep_for_success,
            states.ERROR: self.keep_for_error,
            states.CANCELLED: self.keep_for_cancelled,
        }


class ActionsSettings(msgspec.Struct, frozen=True):
    """`allow`, `deny`: shell patterns of action names; if there are any in `allow`, only these are known.
    `only_builtin_actions`: nothing of other packages. Of packages that were made for Mistral,
    `load_action_plugins`: classes; `load_action_generators`: what makes actions; `allow_providers`,
    `deny_providers`: patterns of the names of action providers."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    only_builtin_actions: bool = False
    load_action_plugins: bool = True
    load_action_generators: bool = True
    allow_providers: tuple[str, ...] = ()
    deny_providers: tuple[str, ...] = ()


class NotifierSettings(msgspec.Struct, frozen=True):
    """`notify`: publishers for every execution, besides those of its own `params.notify`; each a map, or
    just the name of a type (`log`). `retry_for`: seconds for which a notification that was not received is
    sent again; 0 for never."""

    notify: tuple[dict[str, Any] | str, ...] = ()
    retry_for: float = RETRY_FOR

    def __post_init__(self) -> None:
        if not 0 <= self.retry_for < float("inf"):
            raise ValueError("retry_for must be 0 or more")
        try:
            checked_publishers(self.publishers, "notify")
        except BadRequest as error:
            raise ValueError(str(error)) from None

    @property
    def publishers(self) -> list[Publisher]:
        """The same, every one as a map."""
        return [{"type": entry} if isinstance(entry, str) else entry for entry in self.notify]


class LogSettings(msgspec.Struct, frozen=True):
    """`level`: debug, info, warning or error. `transitions`: a line for each change of state of a workflow,
    a task or an action in it, whatever the level."""

    level: str = "warning"
    transitions: bool = False


class SecuritySettings(msgspec.Struct, frozen=True):
    """What protects the credentials in the database: `keys`, each as ID:BASE64, the newest first, or a
    `key_file` of such lines. Without either a SQLite database has a key file beside it.

    `well_known_secret_keys`: where values under keys as `password` or `api_key` are secret (environments, or
    also inputs); `secret_keys`: regular expressions for further keys of both."""

    keys: tuple[str, ...] = ()
    key_file: str = ""
    well_known_secret_keys: Literal["none", "environments", "all"] = "environments"
    secret_keys: tuple[str, ...] = ()

    @property
    def rules(self) -> SecretRules:
        """What is secret of what people give."""
        known = self.well_known_secret_keys
        return SecretRules(
            SecretKeys(self.secret_keys, well_known=known != "none"),
            SecretKeys(self.secret_keys, well_known=known == "all"),
        )


class Settings(msgspec.Struct, frozen=True):
    """All settings, by section."""

    server: ServerSettings = ServerSettings()
    keystone: KeystoneSettings = KeystoneSettings()
    security: SecuritySettings = SecuritySettings()
    proxy: ProxySettings = ProxySettings()
    oidc: OidcSettings = OidcSettings()
    database: DatabaseSettings = DatabaseSettings()
    api: ApiLimits = ApiLimits()
    engine: EngineSettings = EngineSettings()
    context_versioning: ContextVersioningSettings = ContextVersioningSettings()
    executor: ExecutorSettings = ExecutorSettings()
    retention: RetentionSettings = RetentionSettings()
    actions: ActionsSettings = ActionsSettings()
    dynamic_actions: ProcessSettings = ProcessSettings()
    openstack_actions: OpenStackSettings = OpenStackSettings()
    std_http: HttpSettings = HttpSettings()
    std_email: EmailSettings = EmailSettings()
    std_ssh: SshSettings = SshSettings()
    std_javascript: JavaScriptSettings = JavaScriptSettings()
    expressions: Options = Options()
    notifier: NotifierSettings = NotifierSettings()
    log: LogSettings = LogSettings()


SECTIONS: Final = Settings.__struct_fields__
SECRETS: Final = frozenset(
    {("keystone", "password"), ("security", "keys"), ("proxy", "secret"), ("oidc", "client_secret")}
)
"""Settings that are never shown."""


class Setting(msgspec.Struct, frozen=True):
    """One setting in force and where its value came from."""

    section: str
    name: str
    value: Any
    source: str

    @property
    def shown(self) -> Any:
        """The value without a password."""
        if (self.section, self.name) in SECRETS and self.value:
            return MASK
        return (
            without_password(self.value) if (self.section, self.name) == ("database", "url") else self.value
        )


class Loaded(msgspec.Struct, frozen=True):
    """The settings in force, and the origin of each that is not a default: (section, name) -> source."""

    settings: Settings
    sources: dict[tuple[str, str], str]

    def __iter__(self) -> Iterator[Setting]:
        for section in SECTIONS:
            values = getattr(self.settings, section)
            for name in values.__struct_fields__:
                source = self.sources.get((section, name), "default")
                yield Setting(section, name, getattr(values, name), source)


def load(
    flags: Mapping[tuple[str, str], Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Loaded:
    """Read every source. `flags` maps (section, name) to values; None values are not given.

    Raises `ConfigError` for a file that cannot be read, unknown names and wrong values.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    sources: dict[tuple[str, str], str] = {}
    path = file or _default_file(environment)
    if path is not None:
        for section, name, value in _from_file(path):
            values[section][name] = value
            sources[section, name] = str(path)
    for section, name, variable, text in _from_environment(environment):
        values[section][name] = _from_text(section, name, text)
        sources[section, name] = variable
    for (section, name), value in (flags or {}).items():
        if value is not None:
            values[section][name] = value
            sources[section, name] = "flag"
    return Loaded(Settings(**{s: _convert(s, values[s], sources) for s in SECTIONS}), sources)


def data_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the data of this user lives."""
    environment = os.environ if environment is None else environment
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "maestrale"


def database_url(settings: Settings) -> str:
    """The URL of the database in force."""
    return settings.database.url or f"sqlite:///{data_folder() / 'maestrale.db'}"


def key_file(settings: Settings, database: Path | None) -> Path | None:
    """Where the keys stand, by default beside the file of the database; None if they are settings themselves.

    Raises `ConfigError` where there is no such place.
    """
    if settings.security.keys and settings.security.key_file:
        raise ConfigError("Both security.keys and security.key_file are set", "leave one of them out")
    if settings.security.keys:
        return None
    if settings.security.key_file:
        return Path(settings.security.key_file).expanduser()
    if database is None:
        raise ConfigError(
            "Credentials are to be kept in a PostgreSQL, and there are no keys to protect them",
            "`maestrale keys new FILE` makes some; name the file as security.key_file, the same everywhere",
        )
    return database.with_name(f"{database.name}.keys")


def timeouts(settings: Settings) -> Timeouts:
    """How long to wait for the database."""
    database = settings.database
    return Timeouts(
        lock=database.lock_timeout,
        statement=database.statement_timeout,
        idle_in_transaction=database.idle_in_transaction_session_timeout,
        list=database.list_timeout,
    )


def _default_file(environment: Mapping[str, str]) -> Path | None:
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE])
    base = environment.get("XDG_CONFIG_HOME")
    path = (Path(base) if base else Path.home() / ".config") / "maestrale" / "maestrale.toml"
    return path if path.is_file() else None


def _from_file(path: Path) -> Iterator[tuple[str, str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The settings file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The settings file {path} is not TOML: {error}") from None
    for section, entries in document.items():
        if section not in SECTIONS:
            raise ConfigError(f"Unknown section [{section}] in {path}", _near(section, SECTIONS))
        if not isinstance(entries, dict):
            raise ConfigError(f"'{section}' in {path} must be a section: [{section}]")
        for name, value in entries.items():
            known = _fields(section)
            if name not in known:
                raise ConfigError(
                    f"Unknown setting '{name}' in section [{section}] of {path}", _near(name, known)
                )
            yield section, name, value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    known = {
        f"{PREFIX}{section}_{name}".upper(): (section, name)
        for section in SECTIONS
        for name in _fields(section)
    }
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        if variable not in known:
            raise ConfigError(f"Unknown setting in the environment: {variable}", _near(variable, list(known)))
        yield *known[variable], variable, text


def _from_text(section: str, name: str, text: str) -> Any:
    default = getattr(getattr(Settings(), section), name)
    if isinstance(default, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, bool):
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            text.strip().lower(), text
        )
    if isinstance(default, int | float):
        try:
            return float(text) if isinstance(default, float) else int(text)
        except ValueError:
            return text
    return text


def _convert(section: str, values: dict[str, Any], sources: Mapping[tuple[str, str], str]) -> Any:
    kind = type(getattr(Settings(), section))
    for name, value in values.items():
        try:
            msgspec.convert({name: value}, kind)
        except (msgspec.ValidationError, ValueError) as error:
            reason = str(error).split(" - at ")[0]
            shown = MASK if (section, name) in SECRETS else repr(value)
            raise ConfigError(
                f"Wrong value for {section}.{name} ({sources[section, name]}): {shown}: {reason}"
            ) from None
    return msgspec.convert(values, kind)


def _fields(section: str) -> list[str]:
    return list(getattr(Settings(), section).__struct_fields__)


def _near(word: str, known: list[str] | tuple[str, ...]) -> str:
    found = difflib.get_close_matches(word, known, 1)
    return f"did you mean '{found[0]}'?" if found else f"known are: {', '.join(known)}"
