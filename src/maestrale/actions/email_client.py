"""Writing e-mails and handing them to SMTP servers. Importing this costs some time, so import it late."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as LINES_OF_SMTP
from email.utils import format_datetime, getaddresses, localtime
from typing import Any

import aiosmtplib

from maestrale.actions.connecting import host_and_port, open_socket, reason
from maestrale.actions.egress import Egress
from maestrale.actions.settings import EmailSettings
from maestrale.model.errors import InvalidAction, MaestraleError
from maestrale.model.values import Json

DEFAULT_PORT = 25

TLS_PORT = 465
"""Where servers expect TLS from the first byte on; elsewhere a connection is upgraded with STARTTLS."""


class EmailFailure(MaestraleError):
    """The server did not take the message."""


class Message:
    """One e-mail, made of what an author gave. Raises `InvalidAction` for what cannot be one."""

    def __init__(
        self,
        from_addr: Json,
        to_addrs: Json,
        cc_addrs: Json,
        bcc_addrs: Json,
        reply_to: Json,
        subject: Json,
        body: Json,
        html_body: Json,
    ) -> None:
        senders = _addresses("from_addr", from_addr)
        if len(senders) != 1:
            raise InvalidAction("Parameter 'from_addr' must be one address")
        self._sender = senders[0]
        self._to = _addresses("to_addrs", to_addrs)
        self._cc = _addresses("cc_addrs", cc_addrs or [])
        self._bcc = _addresses("bcc_addrs", bcc_addrs or [])
        if not self._to:
            raise InvalidAction("Parameter 'to_addrs' names nobody")
        self._reply_to = _addresses("reply_to", reply_to or [])
        self._subject = _text("subject", subject) or "<No subject>"
        self._body = _text("body", body) or "<No body>"
        self._html_body = _text("html_body", html_body)

    @property
    def sender(self) -> str:
        """The bare address of the sender."""
        return self._sender.addr_spec

    @property
    def recipients(self) -> list[str]:
        """The bare address of everybody who gets it, each one once."""
        everybody = [*self._cc, *self._bcc, *self._to]
        return list(dict.fromkeys(address.addr_spec for address in everybody))

    def written(self, key: str) -> EmailMessage:
        """The message as it is sent; the same `key` gives it the same id."""
        message = EmailMessage(policy=LINES_OF_SMTP)
        headers: dict[str, Any] = {
            "From": self._sender,
            "To": self._to,
            "Cc": self._cc,
            "Reply-To": self._reply_to,
            "Subject": self._subject,
            "Date": format_datetime(localtime()),
            "Message-ID": f"<{key}@{self._sender.domain}>",
        }
        try:
            for name, value in headers.items():
                if value:
                    message[name] = value
            message.set_content(self._body)
            if self._html_body:
                message.add_alternative(self._html_body, subtype="html")
        except ValueError as error:
            raise InvalidAction(f"The message cannot be written: {error}") from error
        return message


async def send(
    settings: EmailSettings, server: str, password: str | None, message: Message, key: str
) -> dict[str, str]:
    """Hand a message to a server; recipients that it refused while it took others, with the reason.

    Raises `EmailFailure` if nobody gets it, and `HostNotAllowed`.
    """
    host, port = host_and_port(str(server), DEFAULT_PORT)
    written = message.written(key or str(uuid.uuid4()))
    client: aiosmtplib.SMTP | None = None
    try:
        trust = await asyncio.to_thread(_trust, settings)
        async with asyncio.timeout(settings.timeout):
            connection = await open_socket(Egress(settings), host, port)
        client = aiosmtplib.SMTP(
            hostname=host,
            sock=connection,
            timeout=settings.timeout,
            use_tls=port == TLS_PORT,
            start_tls=False,
            tls_context=trust,
        )
        await client.connect()
        if port != TLS_PORT and (password or settings.always_tls):
            await client.starttls()
        if password:
            await client.login(message.sender, str(password))
        errors, _ = await client.send_message(written, sender=message.sender, recipients=message.recipients)
        with contextlib.suppress(aiosmtplib.SMTPException):
            await client.quit()
    except aiosmtplib.SMTPRecipientsRefused as error:
        refusals = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
        raise _failed(f"all recipients were refused: {refusals}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise _failed(f"{host} answered {error.code} {error.message}") from error
    except TimeoutError as error:
        raise _failed(f"no answer from {host} within {settings.timeout:g} seconds") from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        distrust = error if isinstance(error, ssl.SSLCertVerificationError) else error.__cause__
        if isinstance(distrust, ssl.SSLCertVerificationError):
            raise _distrusted(host, settings, distrust) from error
        if isinstance(error, aiosmtplib.SMTPConnectError) and error.__cause__ is not None:
            raise _failed(f"{host} port {port}: {reason(error.__cause__)}") from error
        raise _failed(reason(error)) from error
    finally:
        if client is not None:
            client.close()
    return {address: f"{answer.code} {answer.message}" for address, answer in errors.items()}


def _addresses(parameter: str, value: Json) -> list[Address]:
    """The addresses of a list of texts, or of a text with commas between them."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list) or not all(isinstance(entry, str) for entry in given):
        raise InvalidAction(f"Parameter '{parameter}' must be a list of addresses")
    if any(character < " " for entry in given for character in entry):
        raise InvalidAction(
            f"Parameter '{parameter}' holds something that is no address: it has several lines"
        )
    try:
        found = [_address(name, spec) for name, spec in getaddresses(given) if name or spec]
    except (ValueError, HeaderParseError) as error:
        raise InvalidAction(f"Parameter '{parameter}' holds something that is no address: {error}") from error
    if value and not found:
        raise InvalidAction(f"Parameter '{parameter}' names nobody")
    return found


def _address(name: str, spec: str) -> Address:
    user, at, domain = spec.rpartition("@")
    if not at:
        return Address(name, username=spec)  # somebody on the machine of the server
    if not domain.isascii():
        spec = f"{user}@{domain.encode('idna').decode()}"
    return Address(name, addr_spec=spec)


def _text(parameter: str, value: Json) -> str:
    if value is None or isinstance(value, (str, int, float)):
        return "" if value is None else str(value)
    raise InvalidAction(f"Parameter '{parameter}' must be a text, not {type(value).__name__}")


def _trust(settings: EmailSettings) -> ssl.SSLContext:
    """Whom to believe. Raises `EmailFailure` for a file of certificates that cannot be read."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except OSError as error:
        raise _failed(f"cannot read the certificates in '{settings.ca_file}': {reason(error)}") from error
    if not settings.verify_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _distrusted(host: str, settings: EmailSettings, error: ssl.SSLCertVerificationError) -> EmailFailure:
    return EmailFailure(
        f"Failed to send an email message: the certificate of {host} is not trusted: {error.verify_message}",
        f"the operator says whom to trust with {settings.where('ca_file')}, and whether to check with "
        f"{settings.where('verify_certificates')}",
    )


def _failed(why: str) -> EmailFailure:
    return EmailFailure(f"Failed to send an email message: {why}")
