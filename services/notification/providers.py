"""Providers that deliver messages: an SMTP relay for emails, HTTP APIs for SMS and push messages.

A result distinguishes three cases, of which only one may be repeated: the provider accepted the message, it certainly
did not, or it is unknown because the connection broke after the message was transmitted.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.utils import format_datetime, parseaddr
from typing import Final, Literal, Protocol
from uuid import UUID

import aiosmtplib

from chassis.clock import now
from services.notification import mime
from services.notification.model.dispatches import Outcome
from services.notification.model.templates import RenderedMessage

CONNECT_SECONDS: Final = 10.0
# Twice this plus CONNECT_SECONDS is less than the time after which an attempt counts as interrupted.
DATA_SECONDS: Final = 30.0
EMAILS_PER_CONNECTION: Final = 100
# The relay closes the connection because it was idle for too long, or because there are too many.
_SMTP_CLOSING: Final = 421
_SMTP_PERMANENT: Final = 500
_HTTP_SERVER_ERROR: Final = 500
_HTTP_TOO_MANY_REQUESTS: Final = 429


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The result of an attempt. `reply` is only the code of the provider, since its text may contain the address."""

    outcome: Outcome
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The addresses of an account for all channels."""

    user_id: UUID
    name: str = ""
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to send. All attempts have the same id, so that a provider can detect duplicates."""

    id: UUID
    recipient: Recipient
    content: RenderedMessage
    is_bulk: bool = False


class ProviderUnreachable(Exception):
    """The provider does not respond; nothing was transmitted."""


class Provider(Protocol):
    """Delivers the messages of one channel."""

    def get_address(self, recipient: Recipient) -> str:
        """The address of the recipient for this channel; empty if there is none."""
        ...

    async def prepare(self) -> None:
        """Connects if necessary. Raises ProviderUnreachable."""
        ...

    async def send(self, message: OutgoingMessage) -> DeliveryResult:
        """Makes one attempt. Raises ProviderUnreachable if nothing was transmitted, and no error of the message."""
        ...

    async def close(self) -> None:
        """Closes idle connections."""
        ...


@dataclass(slots=True)
class _PooledConnection:
    """A connection, and the number of emails that were sent over it."""

    connection: aiosmtplib.SMTP
    emails: int = 0


class SmtpProvider:
    """Emails by SMTP, over a pool of connections."""

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
        self._sender = mime.parse_mailbox(*parseaddr(sender))
        self._idle: list[_PooledConnection] = []

    def get_address(self, recipient: Recipient) -> str:
        """The email address."""
        return recipient.email

    async def prepare(self) -> None:
        """Connects if no connection is idle."""
        if not any(pooled.connection.is_connected for pooled in self._idle):
            self._idle.append(await self._connect())

    async def send(self, message: OutgoingMessage) -> DeliveryResult:
        """Sends the email. The outcome can be UNKNOWN only after its text was transmitted."""
        try:
            email = self.compose(message)
        except (ValueError, UnicodeError):
            return DeliveryResult(Outcome.REJECTED, "address")
        address = _encode_domain(message.recipient.email)
        while True:
            pooled = self._idle.pop() if self._idle else await self._connect()
            try:
                result = await self._transmit(pooled.connection, address, email)
            except ProviderUnreachable:
                pooled.connection.close()
                # The relay may have closed a used connection while it was idle; then a new one is tried.
                if pooled.emails == 0:
                    raise
            except BaseException:
                pooled.connection.close()
                raise
            else:
                break
        pooled.emails += 1
        if pooled.emails < EMAILS_PER_CONNECTION and pooled.connection.is_connected:
            self._idle.append(pooled)
        else:
            pooled.connection.close()
        return result

    async def _transmit(self, connection: aiosmtplib.SMTP, address: str, email: bytes) -> DeliveryResult:
        try:
            await connection.mail(self._sender.addr_spec)
            await connection.rcpt(address)
        except aiosmtplib.SMTPResponseException as error:
            if error.code == _SMTP_CLOSING:
                raise ProviderUnreachable(str(_SMTP_CLOSING)) from error
            await _reset(connection)
            return _result_of_smtp_error(error.code)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise ProviderUnreachable(type(error).__name__) from error
        try:
            await connection.data(email, timeout=DATA_SECONDS)
        except aiosmtplib.SMTPResponseException as error:
            await _reset(connection)
            return _result_of_smtp_error(error.code)
        except (aiosmtplib.SMTPException, OSError):
            return DeliveryResult(Outcome.UNKNOWN)
        return DeliveryResult(Outcome.SENT, "250")

    async def _connect(self) -> _PooledConnection:
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
            raise ProviderUnreachable(f"{self._host}:{self._port}: {error}") from error
        return _PooledConnection(connection)

    async def close(self) -> None:
        """Closes idle connections."""
        while self._idle:
            self._idle.pop().connection.close()

    def compose(self, message: OutgoingMessage) -> bytes:
        """The email; its Message-ID depends only on the id of the message. Raises ValueError for a bad address."""
        recipient = mime.parse_mailbox(message.recipient.name, _encode_domain(message.recipient.email))
        headers = {
            "From": mime.encode_mailbox(self._sender),
            "To": mime.encode_mailbox(recipient),
            "Subject": mime.encode_text(message.content.subject),
            "Date": format_datetime(now()),
            "Message-ID": f"<{message.id}@{self._sender.domain}>",
            "Auto-Submitted": "auto-generated",
        }
        if message.is_bulk:
            headers["Precedence"] = "bulk"
        return mime.build_message(headers, message.content.text, message.content.html)


def _encode_domain(address: str) -> str:
    """The address with its domain in IDNA. Raises UnicodeError for an invalid domain."""
    local_part, _, domain = address.rpartition("@")
    return f"{local_part}@{domain.encode('idna').decode()}"


def _result_of_smtp_error(code: int) -> DeliveryResult:
    return DeliveryResult(Outcome.REJECTED if code >= _SMTP_PERMANENT else Outcome.DEFERRED, str(code))


async def _reset(connection: aiosmtplib.SMTP) -> None:
    try:
        await connection.rset()
    except (aiosmtplib.SMTPException, OSError):
        connection.close()


class HttpProvider:
    """SMS or push messages through an HTTP API: `POST {"id", "to", "title", "text"}` as JSON.

    The id is also the Idempotency-Key. SMS are addressed by phone number, push messages by account id, which the
    provider maps to devices. 2xx is SENT, 429 and 5xx are DEFERRED, all others are REJECTED.
    """

    def __init__(self, url: str, token: str | None, *, uses_account_id: bool = False) -> None:
        self._url, self._token, self._uses_account_id = url, token, uses_account_id

    def get_address(self, recipient: Recipient) -> str:
        """The phone number, or the account id."""
        return str(recipient.user_id) if self._uses_account_id else recipient.phone

    async def prepare(self) -> None:
        """Does nothing: each message has its own connection."""

    async def send(self, message: OutgoingMessage) -> DeliveryResult:
        """Sends one POST request."""
        return await asyncio.to_thread(self._post, message)

    def _post(self, message: OutgoingMessage) -> DeliveryResult:
        body = {
            "id": str(message.id),
            "to": self.get_address(message.recipient),
            "title": message.content.subject,
            "text": message.content.text,
        }
        headers = {"content-type": "application/json", "idempotency-key": str(message.id)}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310 - an operator's setting
        try:
            with urllib.request.urlopen(request, timeout=CONNECT_SECONDS) as response:  # noqa: S310 - as above
                return DeliveryResult(Outcome.SENT, str(response.status))
        except urllib.error.HTTPError as error:
            is_temporary = error.code >= _HTTP_SERVER_ERROR or error.code == _HTTP_TOO_MANY_REQUESTS
            return DeliveryResult(Outcome.DEFERRED if is_temporary else Outcome.REJECTED, str(error.code))
        except urllib.error.URLError as error:
            raise ProviderUnreachable(str(error.reason)) from error
        except OSError:
            return DeliveryResult(Outcome.UNKNOWN)

    async def close(self) -> None:
        """Does nothing: no connection is kept."""
