"""Keys that protect stored credentials: AES-256-GCM, under the first key of a ring that rotates.

What is sealed names its key and is bound to the row that it stands in, so it can be opened nowhere else.
Importing this costs nothing; the library is loaded with the first ring.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, Final

from maestrale.model.errors import MaestraleError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEPT: Final = 2
"""Keys that a file has after a rotation: what another process seals meanwhile can be opened."""

HEADING: Final = """\
# Keys that protect the credentials in the database of Maestrale, one per line, the newest first.
# Keep this file secret, and keep it: without it those credentials are lost.
# `maestrale keys rotate` adds a key.
"""

_LINE: Final = re.compile(r"([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/=_-]+)")


class KeyringError(MaestraleError):
    """Keys cannot be read, or something cannot be opened with them; the message names no key."""


class Keyring:
    """Seals and opens. Safe from any thread.

    The keys are given, or stand in a `file` that is read again when it has changed.
    """

    def __init__(self, keys: Iterable[str] = (), file: Path | None = None) -> None:
        """`keys`: texts `ID:BASE64`, the newest first. Raises `KeyringError`."""
        self._lock = threading.Lock()
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._keys: dict[str, bytes] = {}
        if file is None:
            self._keys = parse_keys(keys, "the setting security.keys")
        else:
            self._read_again()

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        self._read_again()
        return next(iter(self._keys))

    def seal(self, plain: bytes, place: str) -> tuple[str, bytes]:
        """The id of a key, and what only that key opens again, for the same place."""
        key_id, nonce = self.newest, os.urandom(NONCE_BYTES)
        return key_id, nonce + _cipher(self._keys[key_id]).encrypt(nonce, plain, place.encode())

    def open(self, key_id: str, sealed: bytes, place: str) -> bytes:
        """What was sealed. Raises `KeyringError` without its key, or if it was changed."""
        key = self._keys.get(key_id)
        if key is None:
            self._read_again()
            key = self._keys.get(key_id)
        if key is None:
            raise KeyringError(
                f"The key '{key_id}' is on no ring of this server", "give every process the same keys"
            )
        from cryptography.exceptions import InvalidTag

        try:
            opened: bytes = _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise KeyringError(f"What was sealed with the key '{key_id}' has been changed") from None
        return opened

    def _read_again(self) -> None:
        if self._file is None:
            return
        with self._lock:
            try:
                found = self._file.stat()
                stamp = (found.st_mtime_ns, found.st_ino)
                if stamp != self._stamp:
                    text = self._file.read_text(encoding="ascii")
                    self._keys = parse_keys(text.splitlines(), f"the key file {self._file}")
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError) as error:
                if not self._keys:
                    reason = getattr(error, "strerror", None) or "it is not a text of ASCII characters"
                    raise KeyringError(f"The key file {self._file} cannot be read: {reason}") from None


def parse_keys(lines: Iterable[str], where: str) -> dict[str, bytes]:
    """Keys by id, the newest first. Raises `KeyringError`, which names the place and no key."""
    keys: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        key = _decoded(match[2]) if match else b""
        if match is None or len(key) != KEY_BYTES:
            raise KeyringError(
                f"Entry {number} of {where} is no key", f"write ID:BASE64, of {KEY_BYTES} random bytes"
            )
        if match[1] in keys:
            raise KeyringError(f"The key id '{match[1]}' stands twice in {where}")
        keys[match[1]] = key
    if not keys:
        raise KeyringError(f"There is no key in {where}", "`maestrale keys new` makes one")
    return keys


def new_key() -> str:
    """A new key as one line, `ID:BASE64`."""
    return f"{secrets.token_hex(4)}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


def make_key_file(path: Path) -> None:
    """Make a key file with one key, unless it is there. Only its owner may read it. Raises `KeyringError`."""
    try:
        with _new(path) as file:
            file.write(f"{HEADING}{new_key()}\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be made: {error.strerror}") from None


def add_key(path: Path) -> None:
    """Put a new key first in a key file. Raises `KeyringError`."""
    _rewrite(path, [new_key(), *_lines(path)])


def drop_old_keys(path: Path, is_needed: Callable[[str], bool] = lambda _: False) -> int:
    """Forget all but the newest keys of a file, and those that are needed by their id; how many were dropped.

    Raises `KeyringError`.
    """
    lines = _lines(path)
    kept = lines[:KEPT] + [line for line in lines[KEPT:] if is_needed(line.strip().partition(":")[0])]
    if len(kept) < len(lines):
        _rewrite(path, kept)
    return len(lines) - len(kept)


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text of ASCII characters"
        raise KeyringError(f"The key file {path} cannot be read: {reason}") from None
    parse_keys(lines, f"the key file {path}")
    return [line for line in lines if line.strip() and not line.strip().startswith("#")]


def _rewrite(path: Path, lines: list[str]) -> None:
    """All at once: whoever reads the file sees the old keys or the new ones."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with _new(beside) as file:
            file.write(HEADING + "".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise KeyringError(f"The key file {path} cannot be written: {error.strerror}") from None


def _new(path: Path) -> IO[str]:
    """A file that was not there, for its owner alone."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_" if "-" in text or "_" in text else None, validate=True)
    except binascii.Error:
        return b""


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
