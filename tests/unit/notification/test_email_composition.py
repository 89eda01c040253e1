"""Composed emails: no header injection, parts that every mail reader can show."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from services.notification import mime
from services.notification.model.templates import RenderedMessage
from services.notification.providers import OutgoingMessage, Recipient, SmtpProvider

ID = UUID("01990000-0000-7000-8000-000000000001")
# RFC 5322, 2.1.1
MAX_LINE_LENGTH = 998


def create_provider() -> SmtpProvider:
    return SmtpProvider(
        host="localhost", port=25, tls="none", user=None, password=None, sender="Jain Shikanji <no-reply@x.org>"
    )


def compose(
    name: str = "Asha",
    email: str = "asha@example.org",
    subject: str = "₹5 नमस्ते",
    text: str = "text ₹",
    html: str = "<p>html ₹</p>",
    *,
    bulk: bool = False,
) -> EmailMessage:
    """The email as a reader parses it, without a defect."""
    raw = create_provider().compose(
        OutgoingMessage(ID, Recipient(ID, name, email), RenderedMessage(subject, text, html), bulk)
    )
    assert raw.isascii()
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= MAX_LINE_LENGTH
    message = message_from_bytes(raw, policy=policy.default)
    assert not [*message.defects, *message["From"].defects, *message["To"].defects, *message["Subject"].defects]
    return message


def get_content(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert part is not None
    return str(part.get_content())


def test_an_email_has_a_plain_and_an_html_part() -> None:
    message = compose()
    assert message["Subject"] == "₹5 नमस्ते"
    assert get_content(message, "plain").strip() == "text ₹"
    assert get_content(message, "html").strip() == "<p>html ₹</p>"


def test_an_email_without_html_is_plain_text() -> None:
    message = compose(html="", bulk=True)
    assert message.get_content_type() == "text/plain"
    assert get_content(message, "plain").strip() == "text ₹"
    assert message["Precedence"] == "bulk"


@pytest.mark.parametrize(
    "text",
    ["--=_part\n--=_part--", "a\rb\r\nc\n\nd", ".\n..\nFrom me \n\tx\t", "नमस्ते " * 200, "x" * 2000, "=?utf-8?q?a?="],
)
def test_a_text_keeps_its_lines(text: str) -> None:
    assert get_content(compose(text=text), "plain").splitlines() == text.splitlines()


@pytest.mark.parametrize(
    "subject", ["", "Order ORD-1 is confirmed", "x" * 200, "a, b; c: d " * 15, "पक्का हो गया 🙏 " * 9]
)
def test_a_subject_of_any_length_and_script_is_preserved(subject: str) -> None:
    assert compose(subject=subject)["Subject"] == subject.strip()


def test_a_subject_cannot_add_a_header() -> None:
    message = compose(subject="hello\r\nBcc: thief@example.org\n\nbody")
    assert message["Bcc"] is None
    assert message["Subject"] == "hello Bcc: thief@example.org body"


@pytest.mark.parametrize("value", ["a\r\nBcc: b", "a\nBcc: b", "a\rb", "a\r\n", "a\n b"])
def test_a_header_with_a_line_break_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        mime.build_message({"X": value}, "text")


def test_the_message_id_is_the_same_at_every_attempt() -> None:
    assert compose()["Message-ID"] == compose()["Message-ID"] == f"<{ID}@x.org>"


@pytest.mark.parametrize(
    "name",
    [
        "Asha\r\nBcc: thief@example.org",
        "Asha\nX: y",
        'A" <thief@example.org>, "B',
        "अशा \u202e x",
        "अशा <thief@example.org>, B " * 9,
        "\\",
        "",
    ],
)
def test_a_name_cannot_add_a_header_or_a_recipient(name: str) -> None:
    message = compose(name)
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["asha@example.org"]


@pytest.mark.parametrize("email", ["", "asha", "a@b\r\nBcc: c@d.e", "a b@c.d", "a@b@c.d"])
def test_an_invalid_address_is_rejected(email: str) -> None:
    with pytest.raises((ValueError, UnicodeError)):
        compose(email=email)


def test_a_domain_in_another_script_is_encoded() -> None:
    assert compose(email="a@उदाहरण.परीक्षा")["To"].addresses[0].domain.isascii()
