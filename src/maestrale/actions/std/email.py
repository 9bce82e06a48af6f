"""`std.email`: what the action takes and gives."""

from __future__ import annotations

from maestrale.actions.base import ActionContext, action
from maestrale.model.values import Json


@action("std.email", secrets=("smtp_password",), check_types=False, acts_for_caller=False)
async def std_email(
    context: ActionContext,
    from_addr: str,
    to_addrs: list[str] | str,
    smtp_server: str,
    reply_to: list[str] | str | None = None,
    cc_addrs: list[str] | str | None = None,
    bcc_addrs: list[str] | str | None = None,
    smtp_password: str | None = None,
    subject: str | None = None,
    body: str | None = None,
    html_body: str | None = None,
) -> dict[str, Json] | None:
    """Send an e-mail.

    from_addr: the sender, who also logs in if there is a password.
    to_addrs, cc_addrs, bcc_addrs, reply_to: lists of addresses, or texts with commas between them.
    smtp_server: host or host:port (by default 25; on 465 TLS is spoken from the start).
    smtp_password: to log in with; the connection is then encrypted (STARTTLS).
    subject, body: texts. html_body: the same as HTML, for readers that show it.

    The result is null, or, if the server refused some of the recipients, a map refused from address to
    reason.
    """
    from maestrale.actions.email_client import Message, send

    message = Message(from_addr, to_addrs, cc_addrs, bcc_addrs, reply_to, subject, body, html_body)
    refused = await send(
        context.settings.email, str(smtp_server), smtp_password, message, context.idempotency_key
    )
    if not refused:
        return None
    context.logger.warning("std.email: %s refused %d of the recipients", smtp_server, len(refused))
    return {"refused": refused}
