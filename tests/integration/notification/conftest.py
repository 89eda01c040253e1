"""A real mailbox process, and the notification service with the real customer and store services."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest_asyncio
from google.protobuf.message import Message
from jainshikanji.customer.v1.auth_service_pb2 import RegisterRequest
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.notification_pb2 import Notification
from jainshikanji.notification.v1.notification_service_pb2_grpc import NotificationServiceStub

from chassis import clock
from chassis.events.bus import EventMeta
from chassis.ids import new_id
from chassis.process.service import Process
from devstack.ports import free_port
from services.notification.app import NotificationApp
from tests.harness import Identity, Platform, anonymous, customer

# Long enough for a busy machine.
TIMEOUT_SECONDS = 40.0


async def until(condition: Any) -> Any:
    """Waits until the result of the condition is true, and returns it."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


class Mailbox:
    """A mailbox process that can be restarted with the same ports and files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.smtp_port, self.http_port = free_port(), free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.http_port}")

    async def start(self) -> None:
        command = [sys.executable, "-m", "devstack.mailbox", "--smtp-port", str(self.smtp_port)]
        command += ["--http-port", str(self.http_port), "--dir", str(self._directory)]
        self._process = await asyncio.create_subprocess_exec(*command)
        await until(self._is_up)

    async def _is_up(self) -> bool:
        try:
            return (await self._client.get("/health")).is_success
        except httpx.TransportError:
            return False

    async def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            self._process = None

    async def list_emails(self, to: str) -> list[dict[str, Any]]:
        """The emails to the address, newest first."""
        response = await self._client.get("/messages", params={"to": to})
        emails: list[dict[str, Any]] = response.json()
        return emails

    async def count_emails(self, to: str, subject: str) -> int:
        """How many emails to the address have this text in their subjects."""
        return sum(subject in email["subject"] for email in await self.list_emails(to))

    async def wait_for_email(self, to: str, subject: str) -> dict[str, Any]:
        """Waits for an email to the address with this text in its subject."""

        async def find() -> dict[str, Any] | None:
            return next((email for email in await self.list_emails(to) if subject in email["subject"]), None)

        email: dict[str, Any] = await until(find)
        return email

    async def close(self) -> None:
        await self.stop()
        await self._client.aclose()


@dataclass
class Account:
    """A registered account."""

    id: UUID
    email: str


class World:
    """The service under test, the mailbox, and the services that it calls."""

    def __init__(self, platform: Platform, mailbox: Mailbox, process: Process) -> None:
        self.platform, self.mailbox, self.process = platform, mailbox, process

    @property
    def app(self) -> NotificationApp:
        app = self.process.app
        assert isinstance(app, NotificationApp)
        return app

    async def register(self, **fields: str) -> Account:
        """A new account of the real customer service."""
        auth = self.platform.stub("customer", AuthServiceStub, anonymous())
        email = fields.pop("email", f"guest-{new_id().hex[-12:]}@example.org")
        request = RegisterRequest(email=email, password="a long enough secret 7", first_name="Asha", **fields)
        registered = await auth.Register(request)
        return Account(UUID(registered.id), email)

    async def consume(self, event: Message, *, times: int = 1) -> UUID:
        """Passes the event to the consumer of this service only; `times` simulates redelivery. Returns its id."""
        received = _with_meta(event)
        for _ in range(times):
            await self.process.consumer.apply([received])
        return received[1].id

    async def consume_batch(self, events: Sequence[Message]) -> None:
        """Passes the events to the consumer in one batch."""
        await self.process.consumer.apply([_with_meta(event) for event in events])

    def stub(self, identity: Identity) -> Any:
        return self.platform.stub("notification", NotificationServiceStub, identity)

    async def wait_for_notification(self, account: Account, template: str) -> Notification:
        """Waits until the account has the notification and all its dispatches have ended."""

        async def find() -> Notification | None:
            request = pb.ListNotificationsRequest(user_id=str(account.id), page_size=100)
            page = await self.stub(customer(account.id)).ListNotifications(request)
            for notification in page.notifications:
                if notification.template == template and all(item.state > 2 for item in notification.dispatches):
                    return notification
            return None

        notification: Notification = await until(find)
        return notification


def _with_meta(event: Message) -> tuple[Message, EventMeta]:
    event_type = event.DESCRIPTOR.full_name
    return event, EventMeta(new_id(), event_type, event_type.split(".")[1], "", 0, clock.now())


@pytest_asyncio.fixture(scope="session")
async def mailbox(platform: Platform) -> AsyncIterator[Mailbox]:
    """The running mailbox."""
    mailbox = Mailbox(platform.directory / "mailbox")
    await mailbox.start()
    yield mailbox
    await mailbox.close()


@pytest_asyncio.fixture(scope="session")
async def world(platform: Platform, mailbox: Mailbox) -> AsyncIterator[World]:
    """Replaces a notification service that another test has started by one that uses this mailbox."""
    for name in ("customer", "store"):
        await platform.start(name)
    running = platform.processes.pop("notification", None)
    if running is not None:
        await running.stop()
    process = await platform.start(
        "notification",
        smtp_host="127.0.0.1",
        smtp_port=mailbox.smtp_port,
        smtp_tls="none",
        retry_seconds=0.2,
        attempts=3,
    )
    yield World(platform, mailbox, process)
