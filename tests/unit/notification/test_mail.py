"""The mail as it goes out: headers that cannot be forged, parts that every reader can show."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from services.notification import mime
from services.notification.providers import Mailer, Parcel, Recipient
from services.notification.rendering import Rendered

ID = UUID("01990000-0000-7000-8000-000000000001")
# RFC 5322, 2.1.1
LINE = 998


def mailer() -> Mailer:
    return Mailer(
        host="localhost", port=25, tls="none", user=None, password=None, sender="Jain Shikanji <no-reply@x.org>"
    )


def composed(
    name: str = "Asha",
    email: str = "asha@example.org",
    subject: str = "₹5 नमस्ते",
    text: str = "text ₹",
    html: str = "<p>html ₹</p>",
    *,
    bulk: bool = False,
) -> EmailMessage:
    """The mail as a reader takes it apart; nothing in it is beyond the rules."""
    raw = mailer().compose(Parcel(ID, Recipient(ID, name, email), Rendered(subject, text, html), bulk))
    assert raw.isascii()
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(len(line) for line in raw.split(b"\r\n")) <= LINE
    message = message_from_bytes(raw, policy=policy.default)
    assert not [*message.defects, *message["From"].defects, *message["To"].defects, *message["Subject"].defects]
    return message


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_a_mail_has_both_forms() -> None:
    message = composed()
    assert message["Subject"] == "₹5 नमस्ते"
    assert content(message, "plain").strip() == "text ₹"
    assert content(message, "html").strip() == "<p>html ₹</p>"


def test_a_mail_without_html_is_its_text() -> None:
    message = composed(html="", bulk=True)
    assert message.get_content_type() == "text/plain"
    assert content(message, "plain").strip() == "text ₹"
    assert message["Precedence"] == "bulk"


@pytest.mark.parametrize(
    "text",
    ["--=_part\n--=_part--", "a\rb\r\nc\n\nd", ".\n..\nFrom me \n\tx\t", "नमस्ते " * 200, "x" * 2000, "=?utf-8?q?a?="],
)
def test_a_text_arrives_line_by_line(text: str) -> None:
    assert content(composed(text=text), "plain").splitlines() == text.splitlines()


@pytest.mark.parametrize(
    "subject", ["", "Order ORD-1 is confirmed", "x" * 200, "a, b; c: d " * 15, "पक्का हो गया 🙏 " * 9]
)
def test_a_subject_of_any_length_and_script_arrives(subject: str) -> None:
    assert composed(subject=subject)["Subject"] == subject.strip()


def test_a_subject_cannot_add_a_header() -> None:
    message = composed(subject="hello\r\nBcc: thief@example.org\n\nbody")
    assert message["Bcc"] is None
    assert message["Subject"] == "hello Bcc: thief@example.org body"


@pytest.mark.parametrize("value", ["a\r\nBcc: b", "a\nBcc: b", "a\rb", "a\r\n", "a\n b"])
def test_a_header_that_breaks_its_line_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        mime.message({"X": value}, "text")


def test_the_message_id_is_the_same_at_every_attempt() -> None:
    assert composed()["Message-ID"] == composed()["Message-ID"] == f"<{ID}@x.org>"


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
    message = composed(name)
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["asha@example.org"]


@pytest.mark.parametrize("email", ["", "nobody", "a@b\r\nBcc: c@d.e", "a b@c.d", "a@b@c.d"])
def test_what_is_no_mailbox_is_refused(email: str) -> None:
    with pytest.raises((ValueError, UnicodeError)):
        composed(email=email)


def test_a_domain_in_another_script_is_encoded() -> None:
    assert composed(email="a@उदाहरण.परीक्षा")["To"].addresses[0].domain.isascii()
