"""Where outgoing HTTP requests may go: the guard against reaching the service's own neighbourhood."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

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

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HttpSettings(msgspec.Struct, frozen=True):
    """What the operator allows to outgoing HTTP requests.

    `allowed_hosts`: exact host names, empty = all. `denied_cidrs`: networks that no request may connect
    to, empty = none. `default_timeout`: seconds to connect, and between two pieces of an answer, 0 = no
    limit. `max_response_size_bytes`: of the decompressed body, 0 = no limit.
    Raises `ValueError` for a network that is none: a guard must not lose a rule to a typing error.
    """

    allowed_hosts: tuple[str, ...] = ()
    denied_cidrs: tuple[str, ...] = DENIED_CIDRS
    default_timeout: float = 60
    max_response_size_bytes: int = 5 * 1024 * 1024

    def __post_init__(self) -> None:
        for cidr in self.denied_cidrs:
            try:
                ipaddress.ip_network(cidr, strict=False)
            except ValueError as error:
                raise ValueError(
                    f"std_http.denied_cidrs: '{cidr}' is not a network (such as 10.0.0.0/8): {error}"
                ) from error


class UrlNotAllowed(BadRequest):
    """The operator does not allow requests to go there."""


class Egress:
    """Checks URLs and addresses against the settings."""

    def __init__(self, settings: HttpSettings) -> None:
        self._hosts = frozenset(map(_plain_host, settings.allowed_hosts))
        self._denied: tuple[Network, ...] = tuple(
            ipaddress.ip_network(cidr, strict=False) for cidr in settings.denied_cidrs
        )

    def check_url(self, scheme: str, host: str | None) -> None:
        """Raise `UrlNotAllowed` unless this is http(s) to an allowed host. Does not look at addresses."""
        if scheme not in ("http", "https"):
            raise UrlNotAllowed(f"URL scheme '{scheme}' is not allowed", "use http or https")
        if not host:
            raise UrlNotAllowed("The URL has no host", "write it as http://host/path")
        if self._hosts and _plain_host(host) not in self._hosts:
            raise UrlNotAllowed(
                f"URL host '{host}' is not one of the allowed hosts",
                "the operator sets them with std_http.allowed_hosts or MAESTRALE_STD_HTTP_ALLOWED_HOSTS",
            )

    def check_address(self, host: str, address: str) -> None:
        """Raise `UrlNotAllowed` if `address`, to which `host` resolved, lies in a denied network."""
        if any(meaning in network for meaning in _meanings(address) for network in self._denied):
            raise UrlNotAllowed(
                f"URL host '{host}' resolves to a blocked address ({address})",
                "the operator sets the blocked networks with std_http.denied_cidrs or "
                "MAESTRALE_STD_HTTP_DENIED_CIDRS; an empty list allows all",
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
