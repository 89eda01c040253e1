"""The contract's rules: `buf.validate` on the request, and the Idempotency-Key where it is required."""

from __future__ import annotations

import re
from typing import Any

import protovalidate
from google.protobuf.message import Message

from chassis import contract
from chassis.errors import InvalidArgument
from chassis.rpc.call import Call

_KEY = re.compile(r"^[\x21-\x7e]{1,255}$")
_validator = protovalidate.Validator()
# Smaller requests cannot hold a list long enough to block the process.
_SMALL = 256
# The library's message names numbers of enum values, which clients do not see.
_ENUM_MESSAGES = {"enum.in": "is not allowed here", "enum.not_in": "is missing or not allowed here"}


def validate(call: Call) -> None:
    """Raises InvalidArgument with a field violation for each broken rule."""
    assert call.request is not None
    if len(call.raw_request) > _SMALL:
        _check_list_lengths(call.request, "")
    violations = _validator.collect_violations(call.request)
    if violations:
        first, *more = [(_json_path(found.proto), _message(found.proto)) for found in violations]
        raise InvalidArgument(*first, *more)
    needs_key = call.method.needs_idempotency_key and call.caller.service is None
    if needs_key and not _KEY.match(call.idempotency_key):
        raise InvalidArgument("Idempotency-Key", "this header is required: 1 to 255 visible ASCII characters")


def _check_list_lengths(message: Message, prefix: str) -> None:
    """Runs before the rules of items: on ten thousand items those would block the event loop for seconds."""
    for descriptor, value in message.ListFields():
        field = contract.field(descriptor)
        if field.most_items and len(value) > field.most_items:
            raise InvalidArgument(f"{prefix}{field.json_name}", f"must have at most {field.most_items} items")
        if field.holds_messages:
            for item in value if field.is_repeated else [value]:
                _check_list_lengths(item, f"{prefix}{field.json_name}.")


def _message(violation: Any) -> str:
    text: str = _ENUM_MESSAGES.get(violation.rule_id) or violation.message
    return text


def _json_path(violation: Any) -> str:
    """`lines[0].productId`, as in JSON. A rule on a whole message names the field in the rule's id."""
    path: list[str] = []
    for element in violation.field.elements if violation.field is not None else ():
        path.append(_camel(element.field_name))
        subscript = element.subscript
        if subscript is not None:
            path[-1] += f"[{subscript.value}]"
    if violation.rule is None and "." in violation.rule_id:
        path.append(_camel(violation.rule_id.rpartition(".")[2]))
    return ".".join(path)


def _camel(name: str) -> str:
    """The JSON name of a field."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
