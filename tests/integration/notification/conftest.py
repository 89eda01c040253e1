"""A real mailbox process, and notification in front of it beside the real customer and store services."""

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
from tests.harness import Platform, customer, nobody

# Of patience with a machine that is busy with other things.
SECONDS = 40.0


async def until(condition: Any) -> Any:
    """What the condition returns, once that is something."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


class Mailbox:
    """The mailbox as a process of its own; it can be stopped and started again on the same ports and files."""

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

    async def mails(self, to: str) -> list[dict[str, Any]]:
        """Mails to the address, newest first."""
        answer = await self._client.get("/messages", params={"to": to})
        mails: list[dict[str, Any]] = answer.json()
        return mails

    async def mail(self, to: str, subject: str) -> dict[str, Any]:
        """The mail with this in its subject, once it is there."""

        async def found() -> dict[str, Any] | None:
            return next((mail for mail in await self.mails(to) if subject in mail["subject"]), None)

        mail: dict[str, Any] = await until(found)
        return mail

    async def close(self) -> None:
        await self.stop()
        await self._client.aclose()


@dataclass
class Person:
    """Somebody with an account."""

    id: UUID
    email: str


class World:
    """What a test does and sees."""

    def __init__(self, platform: Platform, mailbox: Mailbox, process: Process) -> None:
        self.platform, self.mailbox, self.process = platform, mailbox, process

    async def register(self, **more: str) -> Person:
        """A new account of the real customer service."""
        auth = self.platform.stub("customer", AuthServiceStub, nobody())
        email = more.pop("email", f"guest-{new_id().hex[-12:]}@example.org")
        request = RegisterRequest(email=email, password="a long enough secret 7", first_name="Asha", **more)
        registered = await auth.Register(request)
        return Person(UUID(registered.id), email)

    async def publish(self, event: Message, *, times: int = 1) -> UUID:
        """Hands the event to notification as its consumer does, without telling the other services of the session.

        More than once, as JetStream may deliver it again.
        """
        heard = _heard(event)
        for _ in range(times):
            await self.process.consumer.apply([heard])
        return heard[1].id

    async def publish_together(self, events: Sequence[Message]) -> None:
        """Hands them over as one batch."""
        await self.process.consumer.apply([_heard(event) for event in events])

    def asking(self, caller: Any) -> Any:
        return self.platform.stub("notification", NotificationServiceStub, caller)

    async def told(self, person: Person, template: str) -> Notification:
        """The notification of this kind, once none of its dispatches is on its way."""

        async def found() -> Notification | None:
            request = pb.ListNotificationsRequest(user_id=str(person.id), page_size=100)
            page = await self.asking(customer(person.id)).ListNotifications(request)
            for notification in page.notifications:
                if notification.template == template and all(item.state > 2 for item in notification.dispatches):
                    return notification
            return None

        notification: Notification = await until(found)
        return notification


def _heard(event: Message) -> tuple[Message, EventMeta]:
    event_type = event.DESCRIPTOR.full_name
    return event, EventMeta(new_id(), event_type, event_type.split(".")[1], "", 0, clock.now())


@pytest_asyncio.fixture(scope="session")
async def mailbox(platform: Platform) -> AsyncIterator[Mailbox]:
    """The mailbox, running."""
    mailbox = Mailbox(platform.directory / "mailbox")
    await mailbox.start()
    yield mailbox
    await mailbox.close()


@pytest_asyncio.fixture(scope="session")
async def world(platform: Platform, mailbox: Mailbox) -> AsyncIterator[World]:
    """Customer, store and notification. A notification that others have started gives way to one with this mailbox."""
    for name in ("customer", "store"):
        await platform.start(name)
    before = platform.processes.pop("notification", None)
    if before is not None:
        await before.stop()
    process = await platform.start(
        "notification",
        smtp_host="127.0.0.1",
        smtp_port=mailbox.smtp_port,
        smtp_tls="none",
        retry_seconds=0.2,
        attempts=3,
    )
    yield World(platform, mailbox, process)
