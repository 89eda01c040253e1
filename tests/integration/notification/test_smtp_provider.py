"""The connections of the SMTP provider: reused, and replaced when the relay has closed them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from devstack.ports import free_port
from services.notification.model.dispatches import Outcome
from services.notification.model.templates import RenderedMessage
from services.notification.providers import OutgoingMessage, ProviderUnreachable, Recipient, SmtpProvider


class Relay:
    """Accepts every email and records the sessions over which they came."""

    def __init__(self, port: int) -> None:
        self.sessions: set[object] = set()
        self.closing_sessions: set[object] = set()
        self.emails = 0
        self.controller = Controller(self, hostname="127.0.0.1", port=port)

    def restart(self) -> None:
        self.controller.stop()
        self.controller = Controller(self, hostname="127.0.0.1", port=self.controller.port)
        self.controller.start()

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if session.peer in self.closing_sessions:
            return "421 4.4.2 idle for too long"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.emails += 1
        self.sessions.add(session.peer)
        return "250 OK"


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay(free_port())
    relay.controller.start()
    yield relay
    relay.controller.stop(no_assert=True)


def create_provider(port: int) -> SmtpProvider:
    return SmtpProvider(host="127.0.0.1", port=port, tls="none", user=None, password=None, sender="a@example.org")


async def send(provider: SmtpProvider) -> Outcome:
    recipient = Recipient(uuid4(), "Asha", "asha@example.org")
    message = OutgoingMessage(uuid4(), recipient, RenderedMessage("Hello", "text", ""))
    return (await provider.send(message)).outcome


async def test_successive_emails_share_a_connection(relay: Relay) -> None:
    provider = create_provider(relay.controller.port)
    assert [await send(provider) for _ in range(5)] == [Outcome.SENT] * 5
    assert (relay.emails, len(relay.sessions)) == (5, 1)
    await provider.close()


async def test_a_connection_that_the_relay_has_closed_is_replaced(relay: Relay) -> None:
    provider = create_provider(relay.controller.port)
    assert await send(provider) is Outcome.SENT
    relay.restart()
    assert await send(provider) is Outcome.SENT
    assert (relay.emails, len(relay.sessions)) == (2, 2)
    await provider.close()


async def test_an_email_is_sent_over_a_new_connection_when_the_relay_replies_421(relay: Relay) -> None:
    provider = create_provider(relay.controller.port)
    assert await send(provider) is Outcome.SENT
    relay.closing_sessions = set(relay.sessions)
    assert await send(provider) is Outcome.SENT
    assert (relay.emails, len(relay.sessions)) == (2, 2)
    await provider.close()


async def test_a_relay_that_does_not_listen_is_unreachable() -> None:
    with pytest.raises(ProviderUnreachable):
        await send(create_provider(free_port()))
