"""The contract's rules: `buf.validate` on the request, and an Idempotency-Key where one is due."""

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
# Fewer bytes cannot hold a list that would keep the process busy.
_SMALL = 256
# The library speaks of the numbers of enum values, which no client has seen.
_OF_ENUMS = {"enum.in": "is not allowed here", "enum.not_in": "is missing or not allowed here"}


def validate(call: Call) -> None:
    assert call.request is not None
    if len(call.raw_request) > _SMALL:
        _refuse_long_lists(call.request, "")
    violations = _validator.collect_violations(call.request)
    if violations:
        first, *more = [(_json_path(found.proto), _said(found.proto)) for found in violations]
        raise InvalidArgument(*first, *more)
    needs_key = call.method.needs_idempotency_key and call.caller.service is None
    if needs_key and not _KEY.match(call.idempotency_key):
        raise InvalidArgument("Idempotency-Key", "this header is required: 1 to 255 visible ASCII characters")


def _refuse_long_lists(message: Message, prefix: str) -> None:
    """Before rules run on each item: ten thousand items would take seconds in which nobody else is served."""
    for descriptor, value in message.ListFields():
        field = contract.field(descriptor)
        if field.most_items and len(value) > field.most_items:
            raise InvalidArgument(f"{prefix}{field.json_name}", f"must have at most {field.most_items} items")
        if field.holds_messages:
            for item in value if field.is_repeated else [value]:
                _refuse_long_lists(item, f"{prefix}{field.json_name}.")


def _said(violation: Any) -> str:
    text: str = _OF_ENUMS.get(violation.rule_id) or violation.message
    return text


def _json_path(violation: Any) -> str:
    """`lines[0].productId`, as the client wrote it. A rule on a message as a whole names its field in its id."""
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
    """A field's name as JSON has it."""
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
