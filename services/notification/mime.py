"""A mail as SMTP carries it: seven bits, which every relay takes.

`email.message` parses and folds every header by a grammar, which takes many times as long as rendering the texts, so
the few headers of our mails are put together here. They cannot be forged: an address is one that `email.headerregistry`
accepts, what is not ASCII becomes encoded words, and a line break that does not fold is refused.
"""

from __future__ import annotations

import base64
import quopri
import re
import unicodedata
from collections.abc import Mapping
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from typing import Final

CRLF: Final = "\r\n"
_NAME_LENGTH: Final = 100
_LINE_LENGTH: Final = 65
# Neither of the two encodings of a part can bring this forth (RFC 2045, 6.7).
_BOUNDARY: Final = "=_part"
_NEW_LINE: Final = re.compile(r"\r(?!\n[ \t])|(?<!\r)\n")


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
    lines = [f"{name}: {value}" for name, value in {**headers, "MIME-Version": "1.0"}.items()]
    if any(_NEW_LINE.search(line) for line in lines):
        raise ValueError("a header has more than one line")
    if html:
        separator = f"--{_BOUNDARY}"
        lines += [f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"', "", separator]
        lines += [_part("plain", plain), separator, _part("html", html), f"{separator}--"]
    else:
        lines += [_part("plain", plain)]
    return CRLF.join([*lines, ""]).encode("ascii")


def _part(kind: str, text: str) -> str:
    """A text with its own headers, in the shorter of the two encodings."""
    content = b"".join(line + CRLF.encode() for line in text.encode().splitlines())
    quoted = quopri.encodestring(content)
    encoded = base64.encodebytes(content).strip().replace(b"\n", CRLF.encode())
    encoding, body = min(("quoted-printable", quoted), ("base64", encoded), key=lambda either: len(either[1]))
    headers = [f'Content-Type: text/{kind}; charset="utf-8"', f"Content-Transfer-Encoding: {encoding}"]
    return CRLF.join([*headers, "", body.decode("ascii")])
