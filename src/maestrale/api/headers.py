"""Headers that keep browsers and caches from doing harm with an answer."""

from __future__ import annotations

from typing import Final

Header = tuple[bytes, bytes]

NO_FRAMES: Final = b"frame-ancestors 'none'"

OF_EVERYTHING: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
OF_PAGES: Final[tuple[Header, ...]] = (*OF_EVERYTHING, (b"content-security-policy", NO_FRAMES))
OF_DATA: Final[tuple[Header, ...]] = (
    *OF_EVERYTHING,
    (b"content-security-policy", b"default-src 'none'; " + NO_FRAMES),
)
ONLY_HTTPS: Final[Header] = (b"strict-transport-security", b"max-age=31536000")


def missing(headers: list[Header], is_secure: bool) -> list[Header]:
    """What to add to the headers of an answer (names in lower case); what it says itself stays.

    `is_secure`: it goes out over HTTPS.
    """
    given = dict(headers)
    kind = given.get(b"content-type", b"")
    wanted = OF_PAGES if kind.startswith(b"text/html") else OF_DATA
    added = [header for header in wanted if header[0] not in given]
    if is_secure and ONLY_HTTPS[0] not in given:
        added.append(ONLY_HTTPS)
    return added
