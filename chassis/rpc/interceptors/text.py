"""Normalises text: Unicode NFC, so that equal-looking texts are equal, and no NUL character.

It runs before validation, since normalisation can change lengths; so texts have no length limit yet. Ordering many
combining marks on one letter takes quadratic time, so a letter may have at most as many marks as Unicode's Stream-Safe
Text Format allows.
"""

from __future__ import annotations

import unicodedata

from google.protobuf.message import Message

from chassis import contract
from chassis.errors import InvalidArgument
from chassis.rpc.call import Call

MAX_MARKS = 30  # UAX #15, section 13


def normalise_text(call: Call) -> None:
    """Normalises every string of the request in place. Raises InvalidArgument for NUL or too many marks."""
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
    if len(text) > MAX_MARKS:
        _check_marks(text, name)
    return unicodedata.normalize("NFC", text)


def _check_marks(text: str, name: str) -> None:
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks > MAX_MARKS:
            raise InvalidArgument(name, f"must not have more than {MAX_MARKS} marks on one letter")
