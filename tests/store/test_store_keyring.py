"""Keys that protect stored credentials."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from maestrale.store.keyring import Keyring, KeyringError, add_key, drop_old_keys, make_key_file, new_key

SECRET = b"a token of somebody"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    make_key_file(path)
    return path


def test_what_is_sealed_can_be_opened_in_its_place_alone(file: Path) -> None:
    ring = Keyring(file=file)
    key_id, sealed = ring.seal(SECRET, "here")
    assert SECRET not in sealed
    assert ring.seal(SECRET, "here")[1] != sealed
    assert ring.open(key_id, sealed, "here") == SECRET
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for what, place in ((sealed, "there"), (changed, "here"), (b"", "here")):
        with pytest.raises(KeyringError, match="has been changed"):
            ring.open(key_id, what, place)


def test_a_key_file_is_for_its_owner_and_is_kept(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    make_key_file(file)
    assert file.read_text() == text


def test_keys_rotate_while_they_are_used(file: Path) -> None:
    ring, another = Keyring(file=file), Keyring(file=file)
    sealed = {ring.newest: ring.seal(SECRET, "p")[1]}
    for _ in range(2):
        add_key(file)
        key_id, text = another.seal(SECRET, "p")
        assert key_id not in sealed
        sealed[key_id] = text
        assert ring.open(key_id, text, "p") == SECRET
    first, second, third = sealed
    assert drop_old_keys(file) == 1
    assert drop_old_keys(file) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    fresh = Keyring(file=file)
    assert fresh.newest == third
    for key_id in (second, third):
        assert fresh.open(key_id, sealed[key_id], "p") == SECRET
    with pytest.raises(KeyringError, match=f"'{first}' is on no ring"):
        fresh.open(first, sealed[first], "p")


def test_a_file_that_vanishes_does_no_harm_to_who_has_read_it(file: Path) -> None:
    ring = Keyring(file=file)
    file.unlink()
    key_id, sealed = ring.seal(SECRET, "p")
    assert ring.open(key_id, sealed, "p") == SECRET
    with pytest.raises(KeyringError, match="cannot be read: No such file"):
        Keyring(file=file)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([], "There is no key in the setting"),
        (["# a remark", ""], "There is no key in the setting"),
        (["key"], "Entry 1 of the setting security.keys is no key"),
        (["a:b"], "Entry 1"),
        ([f"a:{base64.b64encode(b'x' * 31).decode()}"], "Entry 1"),
        ([new_key(), "a:secret"], "Entry 2"),
        ([f"a:{base64.b64encode(b'x' * 32).decode()}"] * 2, "The key id 'a' stands twice"),
    ],
)
def test_keys_with_mistakes(keys: list[str], words: str) -> None:
    with pytest.raises(KeyringError) as raised:
        Keyring(keys)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


def test_both_alphabets_of_base64() -> None:
    key = os.urandom(31) + b"\xff"
    ring, other = (
        Keyring([f"a:{encode(key).decode()}"]) for encode in (base64.b64encode, base64.urlsafe_b64encode)
    )
    assert other.open(*ring.seal(SECRET, "p"), "p") == SECRET
