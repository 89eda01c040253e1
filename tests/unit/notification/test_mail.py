"""The mail as it goes out: headers that cannot be forged, parts that every reader can show."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from services.notification.providers import Mailer, Parcel, Recipient
from services.notification.rendering import Rendered

ID = UUID("01990000-0000-7000-8000-000000000001")


def mailer() -> Mailer:
    return Mailer(
        host="localhost", port=25, tls="none", user=None, password=None, sender="Jain Shikanji <no-reply@x.org>"
    )


def composed(name: str = "Asha", email: str = "asha@example.org", subject: str = "₹5 नमस्ते") -> EmailMessage:
    parcel = Parcel(ID, Recipient(ID, name, email), Rendered(subject, "text ₹", "<p>html ₹</p>"))
    return message_from_bytes(mailer().compose(parcel).as_bytes(), policy=policy.default)


def test_a_mail_has_both_forms_and_seven_bits() -> None:
    parcel = Parcel(ID, Recipient(ID, "Asha", "asha@example.org"), Rendered("₹5", "text ₹", "<p>html ₹</p>"))
    assert mailer().compose(parcel).as_bytes().isascii()
    message = composed()
    assert message["Subject"] == "₹5 नमस्ते"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert plain.get_content().strip() == "text ₹"
    assert html is not None
    assert html.get_content().strip() == "<p>html ₹</p>"


def test_the_message_id_is_the_same_at_every_attempt() -> None:
    assert composed()["Message-ID"] == composed()["Message-ID"] == f"<{ID}@x.org>"


@pytest.mark.parametrize(
    "name", ["Asha\r\nBcc: thief@example.org", "Asha\nX: y", 'A" <thief@example.org>, "B', "अशा \u202e x"]
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
