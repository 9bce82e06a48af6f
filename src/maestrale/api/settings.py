"""What an operator can set about the API."""

from __future__ import annotations

import msgspec

MEBIBYTE = 1024 * 1024


class ApiSettings(msgspec.Struct, frozen=True):
    """`max_limit`: most rows of a page. `max_body`: most bytes of a request's body.
    `max_wait`: most seconds that a read waits for an end.

    `proxies`: addresses and networks whose `X-Forwarded-Proto` says whether a request came over HTTPS.

    `allowed_hosts`: names and addresses under which the server may be called besides loopback; "*" for
    any. `allowed_origins`: web origins (`https://host[:port]`) whose pages may use the API.
    """

    max_limit: int = 1000
    max_body: int = 16 * MEBIBYTE
    max_wait: float = 60.0
    allowed_hosts: frozenset[str] = frozenset()
    allowed_origins: frozenset[str] = frozenset()
    proxies: frozenset[str] = frozenset({"127.0.0.0/8", "::1/128"})
