"""Valid requests for any method, derived from the rules of the contract (`buf.validate`).

Their ids are random: they pass validation, and the servicer method usually finds nothing.
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
    """A message of the class without violations. It has few texts if the rules allow it: each filter hides rows."""
    for fills_texts in (False, True):
        message = message_class()
        _fill(message, fills_texts)
        violations = protovalidate.collect_violations(message)
        if not violations:
            return message
    raise NoSample(f"{message.DESCRIPTOR.full_name}: {'; '.join(found.proto.message for found in violations)}")


def _fill(message: Message, fills_texts: bool) -> None:
    chosen: set[str] = set()
    fields: Any = message.DESCRIPTOR.fields
    for field in fields:
        group = field.containing_oneof
        in_oneof = group is not None and len(group.fields) > 1
        if group is not None and in_oneof:
            if group.name in chosen:
                continue
            chosen.add(group.name)
        options: Any = field.GetOptions()
        rules = options.Extensions[validate_pb2.field]
        if field.is_repeated:
            _append(message, field, rules.repeated, fills_texts)
        elif in_oneof or (_needs_value(field, rules) and (fills_texts or not _may_be_empty(field, rules))):
            _set(message, field, rules, fills_texts)


def _needs_value(field: FieldDescriptor, rules: Any) -> bool:
    return bool(rules.required) or (field.type != F.TYPE_MESSAGE and not field.has_presence)


def _may_be_empty(field: FieldDescriptor, rules: Any) -> bool:
    """Whether the rules accept a text without characters."""
    text = rules.string
    if field.type != F.TYPE_STRING or rules.required or text.min_len:
        return False
    if text.WhichOneof("well_known"):
        return bool(rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE)
    listed = getattr(text, "in")
    return (not listed or "" in listed) and (not text.pattern or bool(re.search(text.pattern, "")))


def _append(message: Message, field: FieldDescriptor, rules: Any, fills_texts: bool) -> None:
    target: Any = getattr(message, field.name)
    for _ in range(rules.min_items):
        if field.type == F.TYPE_MESSAGE:
            _fill(target.add(), fills_texts)
        else:
            target.append(_scalar(field, rules.items))


def _set(message: Message, field: FieldDescriptor, rules: Any, fills_texts: bool) -> None:
    if field.type == F.TYPE_MESSAGE:
        part: Any = getattr(message, field.name)
        if isinstance(part, Timestamp):
            part.FromDatetime(datetime.now(UTC) + timedelta(days=1 if rules.timestamp.gt_now else 0))
            return
        part.SetInParent()
        _fill(part, fills_texts)
        return
    value = _scalar(field, rules)
    if value is not None:
        setattr(message, field.name, value)


def _scalar(field: FieldDescriptor, rules: Any) -> Any:
    if field.type == F.TYPE_STRING:
        return _text(field, rules)
    if field.type == F.TYPE_ENUM:
        assert field.enum_type is not None
        excluded, listed = set(rules.enum.not_in) | {0}, set(getattr(rules.enum, "in"))
        numbers = [value.number for value in field.enum_type.values]
        return next(number for number in numbers if number not in excluded and (not listed or number in listed))
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
    """The first sample that the field's rules accept."""
    if rules.string.uuid:
        return str(ids.new_id())
    if rules.string.email:
        return "someone@example.com"
    listed = getattr(rules.string, "in")
    samples: tuple[str, ...] = (*listed, *SAMPLES, "x" * max(1, rules.string.min_len))
    for sample in samples:
        fits = rules.string.min_len <= len(sample) and (not rules.string.max_len or len(sample) <= rules.string.max_len)
        pattern = rules.string.pattern
        if fits and (not pattern or re.search(pattern, sample)):
            return sample
    raise NoSample(f"{field.full_name} {rules.string}")
