"""Fresh ids and random numbers as a function of (seed, sequence), so that a decision can be repeated."""

from __future__ import annotations

import hashlib
import struct

from maestrale.model.values import Microseconds

SEQUENCE_STEP = 1_000_000
"""Room for the things that one decision creates, in the total order of an execution."""


class Identity:
    """Ids for one decision. Ids sort by time, then by the order in which they were asked for.

    The layout is that of UUID version 7 (RFC 9562): 48 bits of milliseconds, a counter of 20 bits, and
    54 bits that depend on (seed, sequence).
    """

    __slots__ = ("_counter", "_high", "_prefix", "_randoms", "_root", "_suffix", "sequence")

    def __init__(self, seed: str, sequence: int, now: Microseconds) -> None:
        self.sequence = sequence
        millis = f"{(now // 1000) & 0xFFFF_FFFF_FFFF:012x}"
        self._root = hashlib.blake2b(f"{seed}/{sequence}".encode(), digest_size=16).digest()
        bits = int.from_bytes(self._root[:7], "big") & ((1 << 54) - 1)
        self._prefix = f"{millis[:8]}-{millis[8:]}-7"
        self._high = 0x8000 | bits >> 48
        self._suffix = f"{bits & ((1 << 48) - 1):012x}"
        self._counter = 0
        self._randoms = 0

    def next_id(self) -> str:
        """A new id."""
        counter = self._counter
        self._counter = counter + 1
        low = self._high | (counter & 0xFF) << 6
        return f"{self._prefix}{counter >> 8 & 0xFFF:03x}-{low:04x}-{self._suffix}"

    def next_order(self) -> int:
        """A number that grows with everything the execution ever creates."""
        order = self.sequence * SEQUENCE_STEP + self._counter
        self._counter += 1
        return order

    def _draw(self) -> bytes:
        self._randoms += 1
        return hashlib.blake2b(self._root + struct.pack(">Q", self._randoms), digest_size=16).digest()

    def random(self) -> float:
        """A number in [0, 1)."""
        return (int.from_bytes(self._draw()[:7], "big") >> 3) / (1 << 53)

    def uuid(self) -> str:
        """A random-looking UUID (version 4)."""
        value = int.from_bytes(self._draw(), "big")
        value = value & ~(0xF000 << 64) | (4 << 76)
        value = value & ~(0xC000 << 48) | (2 << 62)
        text = f"{value:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
