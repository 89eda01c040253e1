"""Composition of emails as RFC 5322 messages in 7-bit form, which every relay accepts.

`email.message.EmailMessage` parses and folds every header by a grammar, which takes many times as long as rendering the
texts. So an email is built from `email.mime`, with headers that are encoded here. Header injection is not possible:
addresses are checked by `email.headerregistry`, non-ASCII text becomes encoded words, and a line break other than of
folding is rejected.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Mapping
from email.charset import BASE64, QP, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import Compat32
from typing import Final

CRLF: Final = "\r\n"
_MAX_NAME_LENGTH: Final = 100
_MAX_LINE_LENGTH: Final = 65
_UNFOLDED_LINE_BREAK: Final = re.compile(r"\r(?!\n[ \t])|(?<!\r)\n")


class _EncodedHeaders(Compat32):
    """Writes headers unchanged: they are encoded and folded already, which the library would check line by line."""

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{CRLF}".encode("ascii")


_POLICY: Final = _EncodedHeaders(linesep=CRLF)


def parse_mailbox(name: str, address: str) -> Address:
    """The address with its display name, of which only printable characters remain. Raises ValueError."""
    clean = "".join(" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in name)
    try:
        return Address(" ".join(clean.split())[:_MAX_NAME_LENGTH], addr_spec=address)
    except (MessageError, IndexError) as error:
        raise ValueError("not a valid email address") from error


def encode_mailbox(address: Address) -> str:
    """The value of From or To."""
    if address.display_name.isascii():
        return str(address)
    return f"{encode_text(address.display_name)} <{address.addr_spec}>"


def encode_text(text: str) -> str:
    """The value of Subject, with single spaces; encoded and folded if it is not ASCII or longer than a line."""
    line = " ".join(text.split())
    if line.isascii() and len(line) <= _MAX_LINE_LENGTH:
        return line
    return Header(line, "utf-8", header_name="Subject").encode(linesep=CRLF)


def build_message(headers: Mapping[str, str], plain: str, html: str = "") -> bytes:
    """The complete email; HTML becomes an alternative part. Raises ValueError for a header with a line break."""
    email = _build_alternatives(plain, html) if html else _build_part("plain", plain)
    for name, value in headers.items():
        if _UNFOLDED_LINE_BREAK.search(value):
            raise ValueError("a header has more than one line")
        email[name] = value
    return email.as_bytes(policy=_POLICY)


def _build_alternatives(plain: str, html: str) -> MIMEMultipart:
    # No text contains a random boundary; the library would search the texts for one that is unused.
    boundary = secrets.token_hex(16)
    return MIMEMultipart("alternative", boundary, [_build_part("plain", plain), _build_part("html", html)])


def _build_part(subtype: str, text: str) -> MIMENonMultipart:
    """The text, in the transfer encoding that is probably shorter."""
    part = MIMENonMultipart("text", subtype, charset="utf-8")
    part.set_payload(text, _QUOTED_PRINTABLE if text.isascii() else _BASE64)
    return part


def _create_charset(encoding: int) -> Charset:
    charset = Charset("utf-8")
    charset.body_encoding = encoding
    return charset


_QUOTED_PRINTABLE: Final = _create_charset(QP)
_BASE64: Final = _create_charset(BASE64)
