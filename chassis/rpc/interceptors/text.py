"""Text as people mean it: Unicode NFC, so that what looks equal is equal, and without NUL, which no person types.

Before validation, since normalising can change lengths. So nothing has bounded the text yet, and putting many marks on
one letter in order takes quadratic time: no letter may have more than Unicode's Stream-Safe Text Format allows.
"""

from __future__ import annotations

import unicodedata

from google.protobuf.message import Message

from chassis import contract
from chassis.errors import InvalidArgument
from chassis.rpc.call import Call

MOST_MARKS = 30  # UAX #15, section 13


def normalise(call: Call) -> None:
    """Normalises every string of the request in place; refuses NUL by the name of its field."""
    assert call.request is not None
    if b"\0" in call.raw_request or not call.raw_request.isascii():
        _normalise(call.request, "")


def _normalise(message: Message, prefix: str) -> None:
    for descriptor, value in message.ListFields():
        field = contract.field(descriptor)
        if field.is_text:
            if field.is_repeated:
                value[:] = [_nfc(item, f"{prefix}{field.json_name}") for item in value]
            elif (text := _nfc(value, f"{prefix}{field.json_name}")) is not value:
                setattr(message, descriptor.name, text)
        elif field.holds_messages:
            for item in value if field.is_repeated else [value]:
                _normalise(item, f"{prefix}{field.json_name}.")


def _nfc(text: str, name: str) -> str:
    if "\0" in text:
        raise InvalidArgument(name, "must not contain NUL")
    if text.isascii():
        return text
    if len(text) > MOST_MARKS:
        _refuse_heaps(text, name)
    return unicodedata.normalize("NFC", text)


def _refuse_heaps(text: str, name: str) -> None:
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks > MOST_MARKS:
            raise InvalidArgument(name, f"must not have more than {MOST_MARKS} marks on one letter")
