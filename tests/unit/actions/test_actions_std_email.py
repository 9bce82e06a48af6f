from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from certificates import self_signed, server_side
from smtp_peer import OPEN, PASSWORD, USER, Mailbox, context_with, send, smtp_peer

from maestrale.actions import email_client
from maestrale.actions.egress import HostNotAllowed
from maestrale.actions.email_client import EmailFailure
from maestrale.actions.settings import EmailSettings
from maestrale.actions.std.email import std_email
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


# What is sent


async def test_everybody_gets_the_message_and_only_the_hidden_ones_stay_hidden() -> None:
    async with smtp_peer() as mailbox:
        result = await send(
            mailbox.address,
            from_addr="Röbot <robot@example.org>",
            to_addrs=["a@example.org", "Bée <b@example.org>"],
            cc_addrs=["c@example.org", "a@example.org"],
            bcc_addrs=["d@example.org"],
            reply_to=["help@example.org", "desk@example.org"],
            subject="Done: ✓",
            body="All went well, Ångström.\n.\nReally.",
        )
    assert result is None
    [envelope] = mailbox.envelopes
    assert envelope.mail_from == "robot@example.org"
    assert sorted(envelope.rcpt_tos) == [f"{name}@example.org" for name in "abcd"]
    message = mailbox.message()
    assert str(message["From"]) == "Röbot <robot@example.org>"
    assert str(message["To"]) == "a@example.org, Bée <b@example.org>"
    assert str(message["Cc"]) == "c@example.org, a@example.org"
    assert str(message["Reply-To"]) == "help@example.org, desk@example.org"
    assert str(message["Subject"]) == "Done: ✓"
    assert message["Bcc"] is None
    assert b"d@example.org" not in (envelope.original_content or b"")
    assert message.get_content_type() == "text/plain"
    assert message.get_content().splitlines() == ["All went well, Ångström.", ".", "Really."]
    assert message["Date"].datetime is not None


async def test_lists_may_be_texts_with_commas() -> None:
    async with smtp_peer() as mailbox:
        await send(
            mailbox.address,
            to_addrs='a@example.org, "Doe, Jane" <b@example.org>',
            cc_addrs="c@example.org,",
            bcc_addrs="d@example.org",
        )
    assert sorted(mailbox.envelopes[0].rcpt_tos) == [f"{name}@example.org" for name in "abcd"]
    assert str(mailbox.message()["To"]) == 'a@example.org, "Doe, Jane" <b@example.org>'


async def test_what_is_missing_is_named() -> None:
    async with smtp_peer() as mailbox:
        await send(mailbox.address, subject=None, body="")
    assert str(mailbox.message()["Subject"]) == "<No subject>"
    assert mailbox.message().get_content().strip() == "<No body>"


async def test_html_comes_beside_the_plain_text() -> None:
    async with smtp_peer() as mailbox:
        await send(mailbox.address, body="plain", html_body="<p>rich ✓</p>")
    assert mailbox.message().get_content_type() == "multipart/alternative"
    parts: list[Any] = list(mailbox.message().iter_parts())
    assert [(part.get_content_type(), part.get_content().strip()) for part in parts] == [
        ("text/plain", "plain"),
        ("text/html", "<p>rich ✓</p>"),
    ]


async def test_one_action_execution_has_one_message_id() -> None:
    ids = []
    for key in ("a-1", "a-1", "a-2"):
        async with smtp_peer() as mailbox:
            given = {"from_addr": USER, "to_addrs": ["x@y.org"], "smtp_server": mailbox.address}
            await std_email.run(context_with(key=key), given)
            ids.append(str(mailbox.message()["Message-ID"]))
    assert ids == ["<a-1@example.org>", "<a-1@example.org>", "<a-2@example.org>"]


async def test_domains_of_all_scripts_are_written_for_the_network() -> None:
    async with smtp_peer() as mailbox:
        await send(mailbox.address, to_addrs=["info@müller.example", "root"])
    assert mailbox.envelopes[0].rcpt_tos == ["info@xn--mller-kva.example", "root"]


# Encryption and logging in


async def test_a_password_is_sent_only_encrypted(certificate: Path) -> None:
    settings = msgspec.structs.replace(OPEN, ca_file=str(certificate))
    async with smtp_peer(tls=server_side(certificate), needs_login=True) as mailbox:
        await send(mailbox.address, settings, smtp_password=PASSWORD)
    [session] = mailbox.sessions
    assert session.ssl is not None
    assert session.authenticated


async def test_a_server_without_encryption_gets_no_password() -> None:
    async with smtp_peer() as mailbox:
        with pytest.raises(EmailFailure, match="STARTTLS extension not supported"):
            await send(mailbox.address, smtp_password=PASSWORD)
    assert not mailbox.envelopes


async def test_a_wrong_password_fails_and_is_not_told(certificate: Path) -> None:
    settings = msgspec.structs.replace(OPEN, ca_file=str(certificate))
    async with smtp_peer(tls=server_side(certificate), needs_login=True) as mailbox:
        with pytest.raises(EmailFailure, match="answered 535") as caught:
            await send(mailbox.address, settings, smtp_password="wrong-pa55")
    assert "wrong-pa55" not in str(caught.value)


async def test_an_unknown_certificate_is_refused_unless_the_operator_says_otherwise(
    certificate: Path,
) -> None:
    tls = server_side(certificate)
    async with smtp_peer(tls=tls, needs_login=True) as mailbox:
        with pytest.raises(EmailFailure, match=r"certificate of 127.0.0.1 is not trusted") as caught:
            await send(mailbox.address, smtp_password=PASSWORD)
        assert "MAESTRALE_STD_EMAIL_CA_FILE" in caught.value.hint
        assert not mailbox.envelopes
        await send(
            mailbox.address,
            msgspec.structs.replace(OPEN, verify_certificates=False),
            smtp_password=PASSWORD,
        )
    assert len(mailbox.envelopes) == 1


async def test_always_tls_encrypts_without_a_password(certificate: Path) -> None:
    settings = msgspec.structs.replace(OPEN, ca_file=str(certificate), always_tls=True)
    async with smtp_peer(tls=server_side(certificate)) as mailbox:
        await send(mailbox.address, settings)
    assert mailbox.sessions[0].ssl is not None
    async with smtp_peer() as mailbox:
        with pytest.raises(EmailFailure, match="STARTTLS"):
            await send(mailbox.address, settings)


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_from_the_start(certificate: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = msgspec.structs.replace(OPEN, ca_file=str(certificate) if trusted else "")
    async with smtp_peer(tls=server_side(certificate), from_the_start=True, needs_login=True) as mailbox:
        monkeypatch.setattr(email_client, "TLS_PORT", mailbox.port)
        if trusted:
            await send(mailbox.address, settings, smtp_password=PASSWORD)
            assert mailbox.sessions[0].authenticated
        else:
            with pytest.raises(EmailFailure, match="is not trusted"):
                await send(mailbox.address, settings, smtp_password=PASSWORD)


async def test_a_file_of_certificates_that_is_not_there(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(OPEN, ca_file=str(tmp_path / "none.pem"))
    async with smtp_peer() as mailbox:
        with pytest.raises(
            EmailFailure, match=r"cannot read the certificates in '.*none\.pem': No such file"
        ):
            await send(mailbox.address, settings)


# What goes wrong


async def test_refused_recipients_are_in_the_result_when_others_got_it() -> None:
    async with smtp_peer(Mailbox(refused=("b@example.org",))) as mailbox:
        result = await send(mailbox.address, to_addrs=["a@example.org", "b@example.org"])
        assert result == {"refused": {"b@example.org": "550 no such user"}}
        assert mailbox.envelopes[0].rcpt_tos == ["a@example.org"]
        with pytest.raises(
            EmailFailure, match=r"all recipients were refused: b@example.org: 550 no such user"
        ):
            await send(mailbox.address, to_addrs=["b@example.org"])


async def test_a_refused_message_fails() -> None:
    async with smtp_peer(Mailbox(answer="554 looks like spam")) as mailbox:
        with pytest.raises(
            EmailFailure, match=r"^Failed to send an email message: 127.0.0.1 answered 554 looks"
        ):
            await send(mailbox.address)


async def test_nobody_listens() -> None:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(
        EmailFailure, match=r"^Failed to send an email message: cannot connect to .*: Connection refused"
    ):
        await send(f"127.0.0.1:{port}")
    with pytest.raises(EmailFailure, match=r"the host 'no-such-host.invalid' cannot be found"):
        await send("no-such-host.invalid")


async def test_a_silent_server_is_given_up_and_a_cancelled_action_leaves_at_once() -> None:
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(EmailFailure, match=r"no answer from 127.0.0.1 within 0.2 seconds"):
            await send(address, msgspec.structs.replace(OPEN, timeout=0.2))
        await asyncio.wait_for(gone.wait(), 5)
        gone.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await send(address)
        await asyncio.wait_for(gone.wait(), 5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"to_addrs": []}, "'to_addrs' names nobody"),
        ({"to_addrs": " , "}, "'to_addrs' names nobody"),
        ({"to_addrs": {"a": 1}}, "'to_addrs' must be a list of addresses"),
        ({"to_addrs": [7]}, "'to_addrs' must be a list of addresses"),
        ({"cc_addrs": ["a b@@example.org"]}, "'cc_addrs' holds something that is no address"),
        ({"from_addr": "a@x.org, b@x.org"}, "'from_addr' must be one address"),
        ({"from_addr": ""}, "'from_addr' must be one address"),
        ({"subject": "x\r\nBcc: spy@example.org"}, "The message cannot be written"),
        ({"to_addrs": ["a@example.org\nBcc: spy@example.org"]}, "is no address|cannot be written"),
        ({"body": {"a": 1}}, "'body' must be a text, not dict"),
        ({"smtp_server": "host:port"}, "'host:port' is not a host"),
    ],
)
async def test_wrong_input(given: dict[str, Json], words: str) -> None:
    with pytest.raises(InvalidAction, match=words):
        await send("127.0.0.1:1", **given)


async def test_the_guard_of_hosts() -> None:
    async with smtp_peer() as mailbox:
        with pytest.raises(HostNotAllowed, match=r"Host '127.0.0.1' resolves to a blocked address") as caught:
            await send(mailbox.address, EmailSettings())
        assert "MAESTRALE_STD_EMAIL_DENIED_CIDRS" in caught.value.hint
        only = EmailSettings(denied_cidrs=(), allowed_hosts=("mail.example.org",))
        with pytest.raises(HostNotAllowed, match=r"'127.0.0.1' is not one of the allowed hosts"):
            await send(mailbox.address, only)
    assert not mailbox.envelopes


def test_the_parameters_are_the_documented_ones() -> None:
    assert std_email.input_text == (
        "from_addr, to_addrs, smtp_server, reply_to=null, cc_addrs=null, bcc_addrs=null, smtp_password=null, "
        "subject=null, body=null, html_body=null"
    )
    assert not std_email.facts.repeatable
