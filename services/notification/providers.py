"""The ways out: one port, a mail relay by SMTP, and HTTP gateways for SMS and push.

What a provider reports tells three cases apart, for only one of them may be repeated: it took the message, it
certainly did not, or nobody knows because the connection broke after everything was handed over.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import format_datetime, parseaddr
from enum import StrEnum
from typing import Final, Literal, Protocol
from uuid import UUID

import aiosmtplib

from chassis.clock import now
from services.notification import mime
from services.notification.rendering import Rendered

CONNECT_SECONDS: Final = 10.0
# Twice this and the seconds to connect stay below the time after which a hand-over counts as cut off.
DATA_SECONDS: Final = 30.0
MAILS_PER_CONNECTION: Final = 100
# The relay closes the connection: it is idle for too long, or there are too many.
_CLOSING: Final = 421
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429


class Outcome(StrEnum):
    """What became of one attempt."""

    SENT = "sent"
    # It did not take it now, and may later.
    REFUSED = "refused"
    # It will never take it.
    REJECTED = "rejected"
    # It may have taken it.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """How an attempt ended. `reply` is the provider's code alone: its words may repeat the address."""

    outcome: Outcome
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message goes to; the provider takes what its channel needs."""

    user_id: UUID
    name: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message to hand over. The id is the same at every attempt, so a provider can tell a repeat."""

    id: UUID
    recipient: Recipient
    message: Rendered
    bulk: bool = False


class NotReachable(Exception):
    """The provider does not answer; nothing was handed over, and nothing will be for a while."""


class Provider(Protocol):
    """A way out."""

    def address_of(self, recipient: Recipient) -> str:
        """Where a message to the recipient goes; empty when this provider cannot reach them."""
        ...

    async def prepare(self) -> None:
        """Makes sure that a message could be handed over now. Raises NotReachable."""
        ...

    async def hand_over(self, parcel: Parcel) -> Report:
        """One attempt. Never raises for the message's sake; NotReachable when it certainly did not begin."""
        ...

    async def close(self) -> None:
        """Ends kept connections."""
        ...


@dataclass(slots=True)
class _Kept:
    """A connection, and how many mails went over it."""

    connection: aiosmtplib.SMTP
    mails: int = 0


class Mailer:
    """Mail by SMTP, over a few kept connections."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: Literal["starttls", "implicit", "none"],
        user: str | None,
        password: str | None,
        sender: str,
    ) -> None:
        self._host, self._port, self._tls, self._user, self._password = host, port, tls, user, password
        self._sender = mime.mailbox(*parseaddr(sender))
        self._idle: list[_Kept] = []

    def address_of(self, recipient: Recipient) -> str:
        """The mail address."""
        return recipient.email

    async def prepare(self) -> None:
        """Connects when no connection is idle."""
        if not any(kept.connection.is_connected for kept in self._idle):
            self._idle.append(await self._connect())

    async def hand_over(self, parcel: Parcel) -> Report:
        """Hands the mail over. Only after its text went out can the outcome be unknown."""
        try:
            message = self.compose(parcel)
        except (ValueError, UnicodeError):
            return Report(Outcome.REJECTED, "address")
        address = _ascii_domain(parcel.recipient.email)
        while True:
            kept = self._idle.pop() if self._idle else await self._connect()
            try:
                report = await self._transact(kept.connection, address, message)
            except NotReachable:
                kept.connection.close()
                # A used one may have been closed by the relay while it was idle: nothing was handed over, so again.
                if kept.mails == 0:
                    raise
            except BaseException:
                kept.connection.close()
                raise
            else:
                break
        kept.mails += 1
        if kept.mails < MAILS_PER_CONNECTION and kept.connection.is_connected:
            self._idle.append(kept)
        else:
            kept.connection.close()
        return report

    async def _transact(self, connection: aiosmtplib.SMTP, address: str, message: bytes) -> Report:
        try:
            await connection.mail(self._sender.addr_spec)
            await connection.rcpt(address)
        except aiosmtplib.SMTPResponseException as refusal:
            if refusal.code == _CLOSING:
                raise NotReachable(str(_CLOSING)) from refusal
            await _reset(connection)
            return _refusal(refusal.code)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise NotReachable(type(error).__name__) from error
        try:
            await connection.data(message, timeout=DATA_SECONDS)
        except aiosmtplib.SMTPResponseException as refusal:
            await _reset(connection)
            return _refusal(refusal.code)
        except (aiosmtplib.SMTPException, OSError):
            return Report(Outcome.UNKNOWN)
        return Report(Outcome.SENT, "250")

    async def _connect(self) -> _Kept:
        connection = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls == "implicit",
            start_tls=self._tls == "starttls",
            timeout=CONNECT_SECONDS,
        )
        try:
            await connection.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotReachable(f"{self._host}:{self._port}: {error}") from error
        return _Kept(connection)

    async def close(self) -> None:
        """Says goodbye on idle connections."""
        while self._idle:
            self._idle.pop().connection.close()

    def compose(self, parcel: Parcel) -> bytes:
        """The mail. ValueError when the address is none. Its Message-ID follows from the parcel's id alone."""
        recipient = mime.mailbox(parcel.recipient.name, _ascii_domain(parcel.recipient.email))
        headers = {
            "From": mime.mailbox_header(self._sender),
            "To": mime.mailbox_header(recipient),
            "Subject": mime.text_header(parcel.message.subject),
            "Date": format_datetime(now()),
            "Message-ID": f"<{parcel.id}@{self._sender.domain}>",
            "Auto-Submitted": "auto-generated",
        }
        if parcel.bulk:
            headers["Precedence"] = "bulk"
        return mime.message(headers, parcel.message.text, parcel.message.html)


def _ascii_domain(address: str) -> str:
    """The address with its domain in IDNA. UnicodeError when the domain is none."""
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{domain.encode('idna').decode()}"


def _refusal(code: int) -> Report:
    return Report(Outcome.REJECTED if code >= _SERVER_ERROR else Outcome.REFUSED, str(code))


async def _reset(connection: aiosmtplib.SMTP) -> None:
    try:
        await connection.rset()
    except (aiosmtplib.SMTPException, OSError):
        connection.close()


class HttpGateway:
    """SMS or push through a gateway that takes `POST {"id", "to", "title", "text"}` as JSON.

    The id also goes as Idempotency-Key. SMS go to the phone number; push messages to the account id, which the push
    provider maps to devices. 2xx: taken. 429 and 5xx: not now. Other: never.
    """

    def __init__(self, url: str, token: str | None, *, by_account: bool = False) -> None:
        self._url, self._token, self._by_account = url, token, by_account

    def address_of(self, recipient: Recipient) -> str:
        """The phone number, or the account id."""
        return str(recipient.user_id) if self._by_account else recipient.phone

    async def prepare(self) -> None:
        """Connections are made per message."""

    async def hand_over(self, parcel: Parcel) -> Report:
        """One POST."""
        return await asyncio.to_thread(self._post, parcel)

    def _post(self, parcel: Parcel) -> Report:
        body = {
            "id": str(parcel.id),
            "to": self.address_of(parcel.recipient),
            "title": parcel.message.subject,
            "text": parcel.message.text,
        }
        headers = {"content-type": "application/json", "idempotency-key": str(parcel.id)}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - an operator's setting
        try:
            with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - as above
                return Report(Outcome.SENT, str(answer.status))
        except urllib.error.HTTPError as refusal:
            again = refusal.code >= _SERVER_ERROR or refusal.code == _TOO_MANY
            return Report(Outcome.REFUSED if again else Outcome.REJECTED, str(refusal.code))
        except urllib.error.URLError as error:
            raise NotReachable(str(error.reason)) from error
        except OSError:
            return Report(Outcome.UNKNOWN)

    async def close(self) -> None:
        """Nothing is kept."""
