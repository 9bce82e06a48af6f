"""A real SMTP server on loopback that keeps what it gets."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from maestrale.actions.base import ActionContext
from maestrale.actions.settings import ActionSettings, EmailSettings
from maestrale.actions.std.email import std_email
from maestrale.model.values import Json

OPEN = EmailSettings(denied_cidrs=(), timeout=10)

USER, PASSWORD = "robot@example.org", "s3cret"


class Mailbox:
    """Handles the sessions of a server: `refused` recipients get a 550; `answer` follows the data."""

    def __init__(self, refused: tuple[str, ...] = (), answer: str = "250 taken") -> None:
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
        self.refused = refused
        self.answer = answer
        self.port = 0

    @property
    def address(self) -> str:
        """Where the server listens."""
        return f"127.0.0.1:{self.port}"

    def message(self) -> EmailMessage:
        """The only message that arrived."""
        [envelope] = self.envelopes
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    async def handle_RCPT(  # noqa: N802 - the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the server calls it by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return self.answer


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
) -> AuthResult:
    del server, session, envelope, mechanism
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=given == right, handled=False)


@asynccontextmanager
async def smtp_peer(
    mailbox: Mailbox | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    from_the_start: bool = False,
    needs_login: bool = False,
) -> AsyncIterator[Mailbox]:
    """Serve SMTP, with STARTTLS if there is `tls`, or TLS `from_the_start`."""
    mailbox = mailbox or Mailbox()

    def session() -> SMTP:
        return SMTP(
            mailbox,
            hostname="peer.test",
            tls_context=None if from_the_start else tls,
            authenticator=_authenticate if needs_login else None,
            auth_required=needs_login,
            auth_require_tls=not from_the_start,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        )

    server = await asyncio.get_running_loop().create_server(
        session, "127.0.0.1", 0, ssl=tls if from_the_start else None
    )
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()


def context_with(settings: EmailSettings = OPEN, key: str = "a-1") -> ActionContext:
    """A context whose settings allow loopback, unless others are given."""
    return ActionContext(idempotency_key=key, settings=ActionSettings(email=settings))


async def send(server: str, settings: EmailSettings = OPEN, **given: Json) -> dict[str, Json] | None:
    """The result of std.email."""
    message = {"from_addr": USER, "to_addrs": ["a@example.org"], "smtp_server": server, **given}
    return await std_email.run(context_with(settings), message)
