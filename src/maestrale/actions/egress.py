"""Where actions may connect to: the guard against reaching the service's own neighbourhood."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from maestrale.model.errors import BadRequest

DENIED_CIDRS = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""Loopback, link-local (where clouds serve credentials) and private networks."""

DENIED_TO_LOGINS = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/128", "::1/128", "fe80::/10")
"""Loopback and link-local only: the hosts that one logs in to live in private networks, as a rule."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def setting(section: str, name: str) -> str:
    """How the operator sets a setting: its name, and its variable in the environment."""
    return f"{section}.{name} or MAESTRALE_{section.upper()}_{name.upper()}"


class EgressRules(msgspec.Struct, frozen=True):
    """Which hosts one kind of action may connect to.

    `allowed_hosts`: exact host names, empty = all. `denied_cidrs`: networks that nothing may connect to,
    empty = none. `section` is where the operator sets them, `noun` what messages call a host.
    Raises `ValueError` for a network that is none: a guard must not lose a rule to a typing error.
    """

    section: ClassVar[str]
    noun: ClassVar[str] = "Host"

    allowed_hosts: tuple[str, ...] = ()
    denied_cidrs: tuple[str, ...] = DENIED_TO_LOGINS

    def __post_init__(self) -> None:
        for cidr in self.denied_cidrs:
            try:
                ipaddress.ip_network(cidr, strict=False)
            except ValueError as error:
                raise ValueError(
                    f"{self.section}.denied_cidrs: '{cidr}' is not a network (such as 10.0.0.0/8): {error}"
                ) from error

    @classmethod
    def where(cls, name: str) -> str:
        """How the operator sets the setting `name` of this section."""
        return setting(cls.section, name)


class HttpSettings(EgressRules, frozen=True):
    """What the operator allows to outgoing HTTP requests.

    `default_timeout`: seconds to connect, and between two pieces of an answer, 0 = no limit.
    `max_response_size_bytes`: of the decompressed body, 0 = no limit.
    """

    section: ClassVar[str] = "std_http"
    noun: ClassVar[str] = "URL host"

    denied_cidrs: tuple[str, ...] = DENIED_CIDRS
    default_timeout: float = 60
    max_response_size_bytes: int = 5 * 1024 * 1024


class HostNotAllowed(BadRequest):
    """The operator does not allow actions to go there."""


class Egress:
    """Checks hosts, URLs and addresses against the rules."""

    def __init__(self, settings: EgressRules) -> None:
        self._settings = settings
        self._hosts = frozenset(map(_plain_host, settings.allowed_hosts))
        self._denied: tuple[Network, ...] = tuple(
            ipaddress.ip_network(cidr, strict=False) for cidr in settings.denied_cidrs
        )

    def check_url(self, scheme: str, host: str | None) -> None:
        """Raise `HostNotAllowed` unless this is http(s) to an allowed host. Does not look at addresses."""
        if scheme not in ("http", "https"):
            raise HostNotAllowed(f"URL scheme '{scheme}' is not allowed", "use http or https")
        if not host:
            raise HostNotAllowed("The URL has no host", "write it as http://host/path")
        self.check_host(host)

    def check_host(self, host: str) -> None:
        """Raise `HostNotAllowed` unless this is an allowed host. Does not look at addresses."""
        if self._hosts and _plain_host(host) not in self._hosts:
            raise HostNotAllowed(
                f"{self._settings.noun} '{host}' is not one of the allowed hosts",
                f"the operator sets them with {self._settings.where('allowed_hosts')}",
            )

    def check_address(self, host: str, address: str) -> None:
        """Raise `HostNotAllowed` if `address`, to which `host` resolved, lies in a denied network."""
        if any(meaning in network for meaning in _meanings(address) for network in self._denied):
            raise HostNotAllowed(
                f"{self._settings.noun} '{host}' resolves to a blocked address ({address})",
                f"the operator sets the blocked networks with {self._settings.where('denied_cidrs')}; "
                "an empty list allows all",
            )


def _plain_host(host: str) -> str:
    return host.rstrip(".").lower()


def _meanings(text: str) -> Iterator[Address]:
    """The address itself and the other ones that systems and gateways take it for."""
    address: Address | None = ipaddress.ip_address(text)
    while address is not None:
        yield address
        if address.is_unspecified:
            # Connecting to the unspecified address reaches this machine.
            yield ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        address = _embedded(address)


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
