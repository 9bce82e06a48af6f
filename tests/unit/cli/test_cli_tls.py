"""Certificates that the server can use, and what it says of others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from certificates import self_signed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from maestrale.cli.tls import CannotServeTls, server_context


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


def test_a_certificate(pem: Path) -> None:
    assert server_context("", "") is None
    for key in ("", str(pem)):
        context = server_context(str(pem), key)
        assert context is not None
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_spoken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_versions_that_are_spoken(pem: Path, version: str, is_spoken: bool) -> None:
    context = server_context(str(pem), "")
    assert context is not None
    client = ssl.create_default_context(cafile=str(pem))
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = ssl.TLSVersion[version]
    if is_spoken:
        assert _shake_hands(context, client) == version.replace("_", ".")
    else:
        with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
            _shake_hands(context, client)


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> str | None:
    """The version of TLS that both agree on."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, other]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return one.version()


def test_files_that_cannot_be_used(tmp_path: Path, pem: Path) -> None:
    text = pem.read_text()
    own, end = tmp_path / "key.pem", text.index("-----BEGIN CERTIFICATE")
    own.write_text(text[:end])
    alone, other, locked, wrong = (tmp_path / name for name in ("alone", "other", "locked", "wrong"))
    alone.write_text(text[end:])
    another = ec.generate_private_key(ec.SECP256R1())
    pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    other.write_bytes(another.private_bytes(*pkcs8, serialization.NoEncryption()))
    locked.write_bytes(another.private_bytes(*pkcs8, serialization.BestAvailableEncryption(b"x")))
    wrong.write_text("no certificate")
    assert server_context(str(alone), str(own)) is not None
    for certificate, key, words in (
        ("", str(own), "a key without a certificate"),
        (str(tmp_path / "none"), "", "The certificate .*none cannot be read: No such file"),
        (str(pem), str(tmp_path / "none"), "The key .*none cannot be read: No such file"),
        (str(tmp_path), "", "cannot be read: Is a directory"),
        (str(alone), "", "cannot be used for HTTPS"),
        (str(alone), str(other), "cannot be used for HTTPS: key values mismatch"),
        (str(alone), str(locked), "cannot be used for HTTPS"),
        (str(wrong), "", "cannot be used for HTTPS: not pem"),
    ):
        with pytest.raises(CannotServeTls, match=words):
            server_context(certificate, key)
