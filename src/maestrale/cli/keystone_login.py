"""Logging in to a Keystone: a password, a token or an application credential becomes a token for a project.

Tokens stay in this process. Where the API is stands in the catalogue that comes with a token.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from maestrale.client.connection import is_local
from maestrale.client.errors import ClientError

if TYPE_CHECKING:
    import ssl

    from maestrale.client.connection import Credentials

SECONDS: Final = 30.0
"""Within which a Keystone must answer."""

EARLY: Final = 60.0
"""Seconds before its end from which a token counts as used up."""

DEFAULT_DOMAIN: Final = "default"
SERVICE_TYPES: Final = ("workflowv2", "workflow")


class Place(NamedTuple):
    """Somebody's or a project's name or id, with those of its domain; empty: not given."""

    id: str = ""
    name: str = ""
    domain_id: str = ""
    domain_name: str = ""

    def __bool__(self) -> bool:
        return bool(self.id or self.name)

    @property
    def document(self) -> dict[str, Any]:
        """As Keystone wants it. An id needs no domain; a name without one is of the default domain."""
        if self.id:
            return {"id": self.id}
        domain = {"name": self.domain_name} if self.domain_name else {"id": self.domain_id or DEFAULT_DOMAIN}
        return {"name": self.name, "domain": domain}


NOWHERE: Final = Place()


class Identity(NamedTuple):
    """Who logs in, and how: by `token`, by an application credential (its `secret`, and its id or its name
    among those of the user), or by `password`."""

    user: Place = NOWHERE
    password: str = ""
    token: str = ""
    credential_id: str = ""
    credential_name: str = ""
    secret: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """As Keystone wants it. Raises `ClientError` if something is missing."""
        if self.token:
            return {"methods": ["token"], "token": {"id": self.token}}
        if self.secret:
            credential: dict[str, Any] = {"id": self.credential_id}
            if not self.credential_id:
                credential = {"name": self.credential_name, "user": self.user.document}
            credential["secret"] = self.secret
            return {"methods": ["application_credential"], "application_credential": credential}
        if not self.password:
            raise ClientError("To log in, a password is missing: --os-password or OS_PASSWORD.")
        user = {**self.user.document, "password": self.password}
        return {"methods": ["password"], "password": {"user": user}}


class KeystoneLogin:
    """Asks a Keystone for tokens, when they are needed; threads may share it.

    `address`: with or without `/v3`. `verify` is False to accept any certificate, or an SSL context.
    """

    def __init__(
        self,
        address: str,
        identity: Identity,
        project: Place = NOWHERE,
        *,
        region: str = "",
        interface: str = "public",
        service_types: tuple[str, ...] = SERVICE_TYPES,
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        base = address.rstrip("/").removesuffix("/v2.0")
        self._address = f"{base if base.endswith('/v3') else f'{base}/v3'}/auth/tokens"
        self._identity = identity
        self._project = project
        self._region = region
        self._interface = interface.removesuffix("URL").removesuffix("Url")
        self._types = service_types
        self._verify = verify
        self._lock = threading.Lock()
        self._text = ""
        self._token: dict[str, Any] = {}
        self._good_until = 0.0

    def headers(self) -> Mapping[str, str]:
        """What goes with a request. Raises `ClientError` if one cannot log in."""
        return {"X-Auth-Token": self._logged_in()[0]}

    def renew(self) -> bool:
        """The server has refused the token (401): whether there is another one from now on."""
        with self._lock:
            if self._identity.token:
                return False
            self._log_in()
        return True

    def endpoint(self) -> str | None:
        """Where the API is by the catalogue, None if it does not stand there. Raises `ClientError`."""
        for kind in self._types:
            for service in self._logged_in()[1].get("catalog", ()):
                if service.get("type") == kind:
                    for endpoint in service.get("endpoints", ()):
                        in_region = not self._region or endpoint.get("region_id") == self._region
                        if endpoint.get("interface") == self._interface and in_region:
                            url: str = endpoint["url"]
                            return url
        return None

    def as_target(self) -> dict[str, str]:
        """The headers by which actions are to work in this cloud. Raises `ClientError`."""
        text, token = self._logged_in()
        headers = {
            "X-Target-Auth-Uri": self._address.removesuffix("/auth/tokens"),
            "X-Target-Auth-Token": text,
            "X-Target-User-Id": token["user"]["id"],
            "X-Target-User-Name": token["user"]["name"],
            "X-Target-Region-Name": self._region,
            "X-Target-Insecure": str(self._verify is False),
        }
        if "project" in token:
            headers["X-Target-Project-Id"] = token["project"]["id"]
        return {name: value for name, value in headers.items() if value}

    def _logged_in(self) -> tuple[str, dict[str, Any]]:
        with self._lock:
            if not self._text or time.monotonic() > self._good_until:
                self._log_in()
            return self._text, self._token

    def _log_in(self) -> None:
        auth: dict[str, Any] = {"identity": self._identity.document}
        if self._project and not self._identity.secret:  # an application credential has its project
            auth["scope"] = {"project": self._project.document}
        answer = self._ask({"auth": auth})
        try:
            content = answer.json()
        except ValueError:
            content = {}
        text = answer.headers.get("X-Subject-Token", "")
        if answer.status_code != 201 or not text or not isinstance(content, dict) or "token" not in content:
            raise ClientError(self._refusal(answer.status_code, content))
        self._text, self._token = text, content["token"]
        if "project" not in self._token and "system" not in self._token:
            raise ClientError(
                "Keystone has logged you in, but for no project: name one with --os-project-name."
            )
        self._good_until = time.monotonic() + max(_seconds_left(self._token) - EARLY, 0.0)

    def _ask(self, body: dict[str, Any]) -> Any:
        import httpx

        if not self._address.startswith(("http://", "https://")):
            raise ClientError(f"The address of Keystone must begin with http:// or https://: {self._address}")
        try:
            with httpx.Client(verify=self._verify, trust_env=not is_local(self._address)) as http:
                return http.post(self._address, json=body, timeout=SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            host = urlsplit(self._address).netloc
            reason = str(error) or type(error).__name__
            raise ClientError(f"Keystone at {host} gives no answer: {reason}") from None

    def _refusal(self, status: int, content: Any) -> str:
        """Why nobody is logged in, and what to do."""
        error = content.get("error") if isinstance(content, dict) else None
        said = error.get("message") if isinstance(error, dict) else None
        hint = {
            401: "are user, domain, project and password right?",
            404: f"is this the address of a Keystone: {self._address}?",
        }.get(status, self._address)
        return f"Keystone does not log you in: {said or f'HTTP {status}'} ({hint})"


class WithTarget:
    """Somebody (or nobody) who wants actions to work in another cloud."""

    def __init__(self, caller: Credentials | None, target: KeystoneLogin) -> None:
        self._caller = caller
        self._target = target

    def headers(self) -> Mapping[str, str]:
        """What goes with a request. Raises `ClientError` if one cannot log in."""
        known = {} if self._caller is None else self._caller.headers()
        return {**known, **self._target.as_target()}

    def renew(self) -> bool:
        """The server has refused these headers (401): whether `headers` gives others from now on."""
        return self._caller is not None and self._caller.renew()


def _seconds_left(token: Mapping[str, Any]) -> float:
    """How long a token lasts, by the clock of Keystone."""
    import datetime

    try:
        begin, end = (
            datetime.datetime.fromisoformat(str(token[name])) for name in ("issued_at", "expires_at")
        )
    except (KeyError, ValueError):
        return 2 * EARLY
    return (end - begin).total_seconds()
