"""Which server to ask, who asks it, and whom to trust."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict
from urllib.parse import urlsplit

from maestrale.client.errors import ClientError

if TYPE_CHECKING:
    import ssl

DEFAULT_URL: Final = "http://127.0.0.1:8989/v2"
ANSWER_SECONDS: Final = 90.0
"""Longer than the 60 s after which a server itself gives up waiting for its engine."""


class Credentials(Protocol):
    """Who asks. An `AsyncClient` calls these in a thread, so they may take their time, to log in say."""

    def headers(self) -> Mapping[str, str]:
        """What goes with a request. Raises `ClientError` if one cannot log in."""

    def renew(self) -> bool:
        """The server has refused these headers (401): whether `headers` gives others from now on."""


class Token:
    """A token that one has."""

    def __init__(self, token: str) -> None:
        if not (token.isascii() and token.isprintable()):
            raise ClientError("A token consists of printable ASCII characters.")
        self._headers = {"X-Auth-Token": token}

    def headers(self) -> Mapping[str, str]:
        """What goes with a request."""
        return self._headers

    def renew(self) -> bool:
        """There is no other one."""
        return False


class ClientOptions(TypedDict):
    """What a client is made with."""

    base_url: str
    credentials: Credentials | None
    verify: bool | ssl.SSLContext


@dataclass(kw_only=True, eq=False, repr=False)
class Connection:
    """What the variables that all OpenStack clients know say of a server.

    `authority`, `certificate` and `key` are names of PEM files; empty: not given.
    """

    base_url: str = DEFAULT_URL
    credentials: Credentials | None = None
    authority: str = ""
    certificate: str = ""
    key: str = ""
    is_insecure: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Connection:
        """By OS_MISTRAL_URL, OS_AUTH_TOKEN, OS_CACERT, OS_CERT, OS_KEY and MISTRALCLIENT_INSECURE."""
        variables: Mapping[str, Any] = os.environ if environment is None else environment
        token = variables.get("OS_AUTH_TOKEN")
        return cls(
            base_url=variables.get("OS_MISTRAL_URL") or DEFAULT_URL,
            credentials=Token(token) if token else None,
            authority=variables.get("OS_CACERT", ""),
            certificate=variables.get("OS_CERT", ""),
            key=variables.get("OS_KEY", ""),
            is_insecure=bool(variables.get("MISTRALCLIENT_INSECURE")),
        )

    @property
    def options(self) -> ClientOptions:
        """What to make a client with. ClientError if a file cannot be read."""
        return {"base_url": self.base_url, "credentials": self.credentials, "verify": self._trust()}

    def _trust(self) -> bool | ssl.SSLContext:
        """How to check the server's certificate and which one to show."""
        is_plain = not self.base_url.startswith("https://")
        if is_plain or not (self.authority or self.certificate or self.is_insecure):
            return True
        import ssl

        context = ssl.create_default_context()
        try:
            if self.authority:
                context = ssl.create_default_context(cafile=self.authority)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key or None)
        except OSError as error:  # ssl.SSLError is one
            raise ClientError(f"Cannot read the certificate files: {error}") from None
        if self.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def is_local(url: str) -> bool:
    """Whether `url` names this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # no URL at all
        return False
    return host in ("localhost", "::1") or host.startswith("127.")
