"""A request that satisfies the contract's rules, for any message: what the access tests send.

Built from `buf.validate`, so that a call gets past validation and it is the scope that decides.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import protovalidate
from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import ids

# Texts that satisfy the patterns of the contracts; the first that fits is taken.
SAMPLES = (
    "a", "x1", "ab", "abc", "abcd1234", "ABCD1234", "00:00", "2026-01-01", "400050", "INR", "+919820012345",
    "someone@example.com", "Correct-Horse-7", "https://example.com/a.png", "en", "en-IN", "Asia/Kolkata",
    "27ABCDE1234F1Z5", "a-slug", "page_view", "10.00", "0.5", "5", "{}", "order.confirmed",
)  # fmt: skip
F = FieldDescriptor


class NoSample(AssertionError):
    """A rule that no sample satisfies; add one."""


def valid_request(message_class: type[Message]) -> Any:
    """A message of the class without violations."""
    message = message_class()
    _fill(message, depth=0)
    violations = protovalidate.collect_violations(message)
    if violations:
        told = "; ".join(f"{found.proto.field.elements[-1].field_name}: {found.proto.message}" for found in violations)
        raise NoSample(f"{message.DESCRIPTOR.full_name}: {told}")
    return message


def _fill(message: Message, depth: int) -> None:
    chosen: set[str] = set()
    for field in message.DESCRIPTOR.fields:
        group = field.containing_oneof
        if group is not None and len(group.fields) > 1:
            if group.name in chosen:
                continue
            chosen.add(group.name)
        options: Any = field.GetOptions()
        rules = options.Extensions[validate_pb2.field]
        if field.is_repeated:
            if rules.repeated.min_items:
                _append(message, field, rules.repeated, depth)
        elif _needs_value(field, rules, group is not None and len(group.fields) > 1):
            _set(message, field, rules, depth)


def _needs_value(field: FieldDescriptor, rules: Any, in_oneof: bool) -> bool:
    if field.type == F.TYPE_MESSAGE:
        return bool(rules.required or in_oneof)
    return not field.has_presence or bool(rules.required) or in_oneof


def _append(message: Message, field: FieldDescriptor, rules: Any, depth: int) -> None:
    target: Any = getattr(message, field.name)
    for _ in range(rules.min_items):
        if field.type == F.TYPE_MESSAGE:
            _fill(target.add(), depth + 1)
        else:
            target.append(_scalar(field, rules.items))


def _set(message: Message, field: FieldDescriptor, rules: Any, depth: int) -> None:
    if field.type == F.TYPE_MESSAGE:
        part: Any = getattr(message, field.name)
        if isinstance(part, Timestamp):
            part.FromDatetime(datetime.now(UTC) + timedelta(days=1 if rules.timestamp.gt_now else 0))
            return
        part.SetInParent()
        _fill(part, depth + 1)
        return
    value = _scalar(field, rules)
    if value is not None:
        setattr(message, field.name, value)


def _scalar(field: FieldDescriptor, rules: Any) -> Any:
    if field.type == F.TYPE_STRING:
        return _text(field, rules)
    if field.type == F.TYPE_ENUM:
        assert field.enum_type is not None
        refused, listed = set(rules.enum.not_in) | {0}, set(getattr(rules.enum, "in"))
        numbers = [value.number for value in field.enum_type.values]
        return next(number for number in numbers if number not in refused and (not listed or number in listed))
    if field.type == F.TYPE_BOOL:
        return rules.bool.const
    if field.type == F.TYPE_BYTES:
        return b"x" * max(1, rules.bytes.min_len)
    return _number(field, rules)


def _number(field: FieldDescriptor, rules: Any) -> Any:
    kind = {F.TYPE_INT32: "int32", F.TYPE_INT64: "int64", F.TYPE_DOUBLE: "double", F.TYPE_UINT32: "uint32"}
    numbers = getattr(rules, kind.get(field.type, "int32"))
    for candidate in (1, 0, numbers.gte, numbers.gt + 1):
        low = not numbers.HasField("gte") or candidate >= numbers.gte
        low = low and (not numbers.HasField("gt") or candidate > numbers.gt)
        high = not numbers.HasField("lte") or candidate <= numbers.lte
        high = high and (not numbers.HasField("lt") or candidate < numbers.lt)
        if low and high:
            return candidate
    raise NoSample(field.full_name)


def _text(field: FieldDescriptor, rules: Any) -> str | None:
    """The first sample that the field's rules accept, tried on a message with only this field."""
    if rules.string.uuid:
        return str(ids.new_id())
    if rules.string.email:
        return "someone@example.com"
    listed = getattr(rules.string, "in")
    samples = (*listed, *SAMPLES, "x" * max(1, rules.string.min_len))
    for sample in samples:
        fits = rules.string.min_len <= len(sample) and (not rules.string.max_len or len(sample) <= rules.string.max_len)
        pattern = rules.string.pattern
        if fits and (not pattern or re.search(pattern, sample)):
            return sample
    raise NoSample(f"{field.full_name} {rules.string}")
