"""Sets of addresses and networks, such as those of proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

REMEMBERED: Final = 1000


class Addresses:
    """Addresses and networks (`10.0.0.5`, `10.1.0.0/16`, `::1`). Raises `ValueError` for other texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(text) for text in texts)
        self._contains = lru_cache(REMEMBERED)(self._look_up)

    def __contains__(self, address: str | None) -> bool:
        return address is not None and self._contains(address)

    @property
    def has_all(self) -> bool:
        """Whether everybody is in."""
        return any(network.prefixlen == 0 for network in self._networks)

    def _look_up(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped  # how a socket for both kinds shows an IPv4 address
        return any(found in network for network in self._networks)
