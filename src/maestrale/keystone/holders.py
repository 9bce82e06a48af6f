"""Who holds which token: Keystone's answers, kept for a short time."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, NamedTuple

from maestrale.keystone.client import Keystone
from maestrale.keystone.tokens import Token
from maestrale.model.errors import Unauthorized

LONGEST_TOKEN: Final = 16_384
"""Characters: no header of ours carries more, and what is longer is no token."""

INVALID: Final = "Auth token is invalid"


class _Known(NamedTuple):
    """What was answered; None: that the token is invalid. It counts `until` then, by the monotonic clock."""

    token: Token | None
    until: float


class Holders:
    """Finds out who holds a token. Safe from any thread.

    Tokens are known by a digest under a key that nobody knows, so no token stays in memory. A token that is
    asked about several times at once is asked about once. `clock` gives seconds since 1970.
    """

    def __init__(self, keystone: Keystone, clock: Callable[[], float] = time.time) -> None:
        self._keystone = keystone
        self._clock = clock
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asked: dict[bytes, Future[Token]] = {}
        self._lock = threading.Lock()

    def holder(self, token: str, *, allow_expired: bool = False) -> Future[Token]:
        """Who holds a token. `Unauthorized` for one that is not valid, `Unavailable` while nobody knows."""
        if not 0 < len(token) <= LONGEST_TOKEN or not (token.isascii() and token.isprintable()):
            return _failed(Unauthorized(INVALID))
        digest = self._digest(token, allow_expired)
        with self._lock:
            known = self._known.get(digest)
            if known is not None and self._still_counts(known, allow_expired):
                self._known.move_to_end(digest)
                return _failed(Unauthorized(INVALID)) if known.token is None else _done(known.token)
            asked = self._asked.get(digest)
            if asked is not None:
                return asked
            asked = self._asked[digest] = self._keystone.validate(token, allow_expired=allow_expired)
        asked.add_done_callback(lambda answered: self._answered(digest, answered))
        return asked

    def _still_counts(self, known: _Known, allow_expired: bool) -> bool:
        if time.monotonic() >= known.until:
            return False
        return known.token is None or allow_expired or known.token.expires_at / 1e6 > self._clock()

    def _answered(self, digest: bytes, answered: Future[Token]) -> None:
        error = answered.exception()
        settings = self._keystone.settings
        with self._lock:
            self._asked.pop(digest, None)
            if error is not None and not isinstance(error, Unauthorized):
                return
            token = None if error is not None else answered.result()
            self._known[digest] = _Known(token, time.monotonic() + settings.cache_time)
            self._known.move_to_end(digest)
            while len(self._known) > settings.cache_size:
                self._known.popitem(last=False)

    def _digest(self, token: str, allow_expired: bool) -> bytes:
        hashed = hashlib.blake2b(token.encode(), key=self._key, digest_size=32, salt=b"x" * allow_expired)
        return hashed.digest()


def _done(token: Token) -> Future[Token]:
    done: Future[Token] = Future()
    done.set_result(token)
    return done


def _failed(error: Exception) -> Future[Token]:
    failed: Future[Token] = Future()
    failed.set_exception(error)
    return failed
