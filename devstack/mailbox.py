"""The mailbox of the local stack: an SMTP server that stores all mails, readable in a browser and by tests.

    python -m devstack.mailbox --smtp-port 2525 --http-port 8025 --dir .run/mailbox

No mail leaves the machine. The newest `--keep` mails are stored and survive a restart.
Over HTTP, on loopback only:

    GET    /                  all mails as HTML, newest first
    GET    /messages?to=…     the same as JSON; `to` selects a recipient
    GET    /messages/{id}     one mail as JSON, or 404
    DELETE /messages          deletes all mails
    GET    /health            200 when the server accepts mails

Two kinds of address test the error handling of a sender: `bounce@…` and `bounce+…@…` are rejected permanently (550),
`busy@…` and `busy+…@…` temporarily (451).
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import re
import sqlite3
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import uvicorn
import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

LOOPBACK = "127.0.0.1"
KEEP = 2000
MAX_BYTES = 1_000_000
SHOWN = 100

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS mails (
        number INTEGER PRIMARY KEY, id TEXT UNIQUE, received_at REAL, recipients TEXT, content BLOB)
"""
_NEWEST = """
    SELECT id, received_at, recipients, content FROM mails
    WHERE :to = '' OR instr(char(10) || lower(recipients) || char(10), char(10) || lower(:to) || char(10))
    ORDER BY number DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """One received mail. `to` holds the recipients of the SMTP envelope."""

    id: str
    received_at: float
    to: list[str]
    message: EmailMessage

    def as_json(self) -> dict[str, Any]:
        """The mail as JSON. `text` and `html` are empty when the mail has no such part."""
        return {
            "id": self.id,
            "receivedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.received_at)),
            "from": str(self.message["From"] or ""),
            "to": self.to,
            "subject": str(self.message["Subject"] or ""),
            "messageId": str(self.message["Message-ID"] or ""),
            "text": self.part("plain"),
            "html": self.part("html"),
        }

    def part(self, kind: str) -> str:
        """The text of the first part of this kind, decoded."""
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""


class Mailbox:
    """The mails of one directory, stored in SQLite."""

    def __init__(self, directory: Path, keep: int = KEEP) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._keep = keep
        self._mails = sqlite3.connect(directory / "mails.sqlite", isolation_level=None)
        # A crash of the machine may lose the last mails only.
        self._mails.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; {_SCHEMA}")

    def store(self, recipients: list[str], content: bytes) -> str:
        """Stores a mail, deletes the oldest beyond the limit, returns the id. Raises sqlite3.Error on a full disk."""
        mail_id = uuid4().hex
        inserted = self._mails.execute(
            "INSERT INTO mails (id, received_at, recipients, content) VALUES (?, ?, ?, ?)",
            (mail_id, time.time(), "\n".join(recipients), content),
        )
        self._mails.execute("DELETE FROM mails WHERE number <= ?", ((inserted.lastrowid or 0) - self._keep,))
        return mail_id

    def list_newest(self, to: str = "", limit: int = KEEP) -> list[Mail]:
        """Mails, newest first; only those to the address `to`, if given (case-insensitive)."""
        return [_parse_mail(*row) for row in self._mails.execute(_NEWEST, {"to": to.strip(), "limit": limit})]

    def get(self, mail_id: str) -> Mail | None:
        """The mail, or None."""
        row = self._mails.execute(
            "SELECT id, received_at, recipients, content FROM mails WHERE id = ?", (mail_id,)
        ).fetchone()
        return _parse_mail(*row) if row else None

    def clear(self) -> None:
        """Deletes all mails."""
        self._mails.execute("DELETE FROM mails")


def _parse_mail(mail_id: str, received_at: float, recipients: str, content: bytes) -> Mail:
    return Mail(mail_id, received_at, recipients.split("\n"), message_from_bytes(content, policy=policy.default))


# The common form of an address; others are parsed by aiosmtpd.
_PLAIN_ADDRESS = re.compile(r"\s*<([\w.+=-]{1,64}@[\w.-]{1,253})>\s*(.*)", re.ASCII | re.DOTALL)


class Server(SMTP):
    """Parses plain addresses by a regular expression: the parser of `email` takes nearly half of the processor time."""

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        plain = _PLAIN_ADDRESS.fullmatch(arg)
        return (plain[1], plain[2]) if plain else super()._getaddr(arg)


class Receiver:
    """SMTP handler: stores accepted mails."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accepts every recipient except the two kinds of test address."""
        local_part = address.partition("@")[0].partition("+")[0].lower()
        if local_part == "bounce":
            return "550 5.1.1 no such mailbox"
        if local_part == "busy":
            return "451 4.3.2 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Stores the mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        try:
            mail_id = self._mailbox.store(list(envelope.rcpt_tos), content)
        except sqlite3.Error as error:
            return f"452 4.3.1 not stored: {error}"
        return f"250 2.0.0 stored as {mail_id}"


def create_application(mailbox: Mailbox) -> Starlette:
    """The mailbox over HTTP. Accepts loopback host names only, as protection against DNS rebinding."""

    async def show(request: Request) -> Response:
        page = _render_page(mailbox.list_newest(request.query_params.get("to", ""), limit=SHOWN))
        return HTMLResponse(
            page, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
        )

    async def messages(request: Request) -> Response:
        if request.method == "DELETE":
            mailbox.clear()
            return JSONResponse({})
        return JSONResponse([mail.as_json() for mail in mailbox.list_newest(request.query_params.get("to", ""))])

    async def message(request: Request) -> Response:
        mail = mailbox.get(request.path_params["id"])
        if mail is None:
            raise HTTPException(404)
        return JSONResponse(mail.as_json())

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "SERVING"})

    return Starlette(
        routes=[
            Route("/", show),
            Route("/messages", messages, methods=["GET", "DELETE"]),
            Route("/messages/{id}", message),
            Route("/health", health),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])],
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
details { border: 1px solid #ddd; border-radius: 8px; margin: .6rem 0; padding: .6rem 1rem }
summary { cursor: pointer } time, .to { color: #777; font-size: 13px }
iframe { width: 100%; height: 30rem; border: 1px solid #eee; border-radius: 6px; background: #fff }
pre { white-space: pre-wrap; background: #fafafa; padding: .8rem; border-radius: 6px }
"""


def _render_page(mails: list[Mail]) -> str:
    shown = "".join(_render_mail(mail) for mail in mails) or "<p>No mail yet.</p>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Mailbox</title><style>{_STYLE}</style>"
        f"<h1>Mailbox</h1><p>The newest {SHOWN} mails. No mail leaves this machine.</p>{shown}"
    )


def _render_mail(mail: Mail) -> str:
    facts = mail.as_json()
    # Mails are untrusted: text is escaped, HTML is shown in a sandboxed frame.
    frame = f'<iframe sandbox srcdoc="{html.escape(facts["html"])}"></iframe>' if facts["html"] else ""
    return (
        f"<details id={mail.id}><summary><b>{html.escape(facts['subject'])}</b> "
        f"<span class=to>to {html.escape(', '.join(mail.to))}</span> <time>{facts['receivedAt']}</time></summary>"
        f"{frame}<pre>{html.escape(facts['text'])}</pre></details>"
    )


async def serve(mailbox: Mailbox, smtp_port: int, http_port: int) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError when a port is taken."""
    receiver = Receiver(mailbox)
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: Server(receiver, hostname="mailbox.local", data_size_limit=MAX_BYTES, enable_SMTPUTF8=True, loop=loop),
        LOOPBACK,
        smtp_port,
    )
    async with smtp:
        config = uvicorn.Config(
            create_application(mailbox), host=LOOPBACK, port=http_port, log_level="warning", access_log=False
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    """Parses the command line and serves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True, help="directory of the mails")
    parser.add_argument("--keep", type=int, default=KEEP, help=f"maximum number of stored mails; default {KEEP}")
    options = parser.parse_args()
    os.umask(0o077)
    try:
        uvloop.run(serve(Mailbox(options.dir, options.keep), options.smtp_port, options.http_port))
    except (OSError, sqlite3.Error) as error:
        raise SystemExit(f"the mailbox cannot start: {error}") from None


if __name__ == "__main__":
    main()
