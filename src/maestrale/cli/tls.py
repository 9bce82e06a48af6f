"""The certificate with which the server speaks HTTPS itself."""

from __future__ import annotations

import ssl
from pathlib import Path

from maestrale.model.errors import MaestraleError


class CannotServeTls(MaestraleError):
    """The certificate or its key cannot be used; the message says why."""


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """TLS 1.2 and later with this certificate, None without one. `key` may be empty: then it is in the same
    file. Raises `CannotServeTls`.
    """
    if not certificate:
        if key:
            raise CannotServeTls("server.tls_key is a key without a certificate", "set server.tls_cert too")
        return None
    for name, file in (("certificate", certificate), ("key", key)):
        if file:
            _check_readable(name, file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # Without a password, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(Path(certificate).expanduser(), _path(key), password=lambda: "")
    except ssl.SSLError as error:
        raise CannotServeTls(
            f"{certificate}{f' and {key}' if key else ''} cannot be used for HTTPS: {_reason(error)}",
            "needed are a certificate and its key without a password, in PEM files",
        ) from None
    return context


def _path(file: str) -> Path | None:
    return Path(file).expanduser() if file else None


def _check_readable(name: str, file: str) -> None:
    try:
        with Path(file).expanduser().open("rb"):
            pass
    except OSError as error:
        raise CannotServeTls(f"The {name} {file} cannot be read: {error.strerror}") from None


def _reason(error: ssl.SSLError) -> str:
    """What OpenSSL says, in words. It has none for files that are not PEM."""
    return (error.reason or "not PEM").lower().replace("_", " ")
