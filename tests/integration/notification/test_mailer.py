"""The mailer's connections: kept, and replaced when the relay has closed them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from devstack.ports import free_port
from services.notification.providers import Mailer, NotReachable, Outcome, Parcel, Recipient
from services.notification.rendering import Rendered


class Relay:
    """Takes every mail and remembers over which connections they came."""

    def __init__(self, port: int) -> None:
        self.sessions: set[object] = set()
        self.says_goodbye_to: set[object] = set()
        self.mails = 0
        self.controller = Controller(self, hostname="127.0.0.1", port=port)

    def restart(self) -> None:
        self.controller.stop()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.controller.port)
        self.controller.start()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if session.peer in self.says_goodbye_to:
            return "421 4.4.2 idle for too long"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails += 1
        self.sessions.add(session.peer)
        return "250 OK"


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay(free_port())
    relay.controller.start()
    yield relay
    relay.controller.stop(no_assert=True)


def mailer(port: int) -> Mailer:
    return Mailer(host="127.0.0.1", port=port, tls="none", user=None, password=None, sender="a@example.org")


async def send(post: Mailer) -> Outcome:
    recipient = Recipient(uuid4(), "Asha", "asha@example.org")
    return (await post.hand_over(Parcel(uuid4(), recipient, Rendered("Hello", "text", "")))).outcome


async def test_mails_in_a_row_share_a_connection(relay: Relay) -> None:
    post = mailer(relay.controller.port)
    assert [await send(post) for _ in range(5)] == [Outcome.SENT] * 5
    assert (relay.mails, len(relay.sessions)) == (5, 1)
    await post.close()


async def test_a_connection_that_the_relay_has_closed_is_replaced(relay: Relay) -> None:
    post = mailer(relay.controller.port)
    assert await send(post) is Outcome.SENT
    relay.restart()
    assert await send(post) is Outcome.SENT
    assert (relay.mails, len(relay.sessions)) == (2, 2)
    await post.close()


async def test_a_relay_that_takes_its_leave_gets_the_mail_on_a_new_connection(relay: Relay) -> None:
    post = mailer(relay.controller.port)
    assert await send(post) is Outcome.SENT
    relay.says_goodbye_to = set(relay.sessions)
    assert await send(post) is Outcome.SENT
    assert (relay.mails, len(relay.sessions)) == (2, 2)
    await post.close()


async def test_a_relay_that_is_not_there_is_not_reachable() -> None:
    with pytest.raises(NotReachable):
        await send(mailer(free_port()))
