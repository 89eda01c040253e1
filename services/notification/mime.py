"""A mail as SMTP carries it: seven bits, which every relay takes.

`email.message.EmailMessage` parses and folds every header by a grammar, which takes many times as long as rendering the
texts, so a mail is made of `email.mime` with headers that are encoded here. They cannot be forged: an address is one
that `email.headerregistry` accepts, what is not ASCII becomes encoded words, and a line break that does not fold is
refused.
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
_NAME_LENGTH: Final = 100
_LINE_LENGTH: Final = 65
_NEW_LINE: Final = re.compile(r"\r(?!\n[ \t])|(?<!\r)\n")


class _Folded(Compat32):
    """Headers as they are: those here are encoded and folded already, which the library would find out line by line."""

    def fold_binary(self, name: str, value: str) -> bytes:
        return f"{name}: {value}{CRLF}".encode("ascii")


_POLICY: Final = _Folded(linesep=CRLF)


def mailbox(name: str, address: str) -> Address:
    """Whom a mail is from or to. ValueError for what cannot be a mailbox; of a name, printable characters in a line."""
    clean = "".join(" " if unicodedata.category(char).startswith(("C", "Z")) else char for char in name)
    try:
        return Address(" ".join(clean.split())[:_NAME_LENGTH], addr_spec=address)
    except (MessageError, IndexError) as error:
        raise ValueError("not a mailbox") from error


def mailbox_header(whose: Address) -> str:
    """The value of From or To."""
    if whose.display_name.isascii():
        return str(whose)
    return f"{text_header(whose.display_name)} <{whose.addr_spec}>"


def text_header(text: str) -> str:
    """The value of Subject: words with a space between; encoded and folded where it is not ASCII or too long a line."""
    line = " ".join(text.split())
    if line.isascii() and len(line) <= _LINE_LENGTH:
        return line
    return Header(line, "utf-8", header_name="Subject").encode(linesep=CRLF)


def message(headers: Mapping[str, str], plain: str, html: str = "") -> bytes:
    """The whole mail, with HTML as an alternative where there is one. ValueError for a header that breaks its line."""
    mail = _alternatives(plain, html) if html else _part("plain", plain)
    for name, value in headers.items():
        if _NEW_LINE.search(value):
            raise ValueError("a header has more than one line")
        mail[name] = value
    return mail.as_bytes(policy=_POLICY)


def _alternatives(plain: str, html: str) -> MIMEMultipart:
    # A boundary that nobody can guess is in no text; the library would search the texts for its own.
    return MIMEMultipart("alternative", secrets.token_hex(16), [_part("plain", plain), _part("html", html)])


def _part(kind: str, text: str) -> MIMENonMultipart:
    """A text in the encoding that is likely the shorter."""
    part = MIMENonMultipart("text", kind, charset="utf-8")
    part.set_payload(text, _QUOTED if text.isascii() else _BASE64)
    return part


def _utf_8(encoding: int) -> Charset:
    charset = Charset("utf-8")
    charset.body_encoding = encoding
    return charset


_QUOTED: Final = _utf_8(QP)
_BASE64: Final = _utf_8(BASE64)
