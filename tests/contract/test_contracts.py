"""Rules for every contract that buf cannot lint."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from buf.validate import validate_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from jainshikanji.options.v1 import access_pb2, pii_pb2

from chassis.contract import EVERY_SERVICE
from chassis.rpc.batch_calls import MAX_BATCH_SIZE
from tests.contract.contracts import (
    PACKAGE,
    SERVICES,
    FieldPath,
    Rpc,
    events,
    message_class,
    own_messages,
    parse,
    reachable,
    rpcs,
)
from tools import generate
from tools.image import load

SCOPE = access_pb2.Access.Scope
CALLER = access_pb2.Access.Caller
STAFF = {CALLER.MANAGER, CALLER.CHEF, CALLER.CASHIER, CALLER.DELIVERY, CALLER.SUPPORT}
# Callers in the mesh; `operator` is the command line of the operator.
PEERS = {*SERVICES, "operator", EVERY_SERVICE}
IDEMPOTENCY = {"GET": "NO_SIDE_EFFECTS", "PUT": "IDEMPOTENT", "DELETE": "IDEMPOTENT"}
# Place an order, initiate a payment, refund, redeem.
WITH_KEY = {
    "POST /api/orders",
    "POST /api/payments/initiate",
    "POST /api/payments/{}/refund",
    "POST /api/loyalty/redeem",
}
SEED_EVENTS = {
    "order": ["OrderCreated", "OrderConfirmed", "OrderCancelled", "OrderDelivered"],
    "payment": ["PaymentCompleted", "PaymentFailed", "RefundProcessed"],
    "inventory": ["StockLow", "ProductOutOfStock", "StockRestocked"],
    "customer": ["CustomerRegistered", "CustomerVerified"],
}
# Timestamps that are limits, not instants of an event: the name states the inclusive side.
LIMITS = {
    "order.v1.ListOrdersRequest.created_from",
    "order.v1.ListOrdersRequest.created_before",
    "review.v1.Review.editable_until",
    "store.v1.ListNearbyStoresRequest.deliver_by",
    "store.v1.OperatingHours.open_until",
    "store.v1.QuoteFulfilmentResponse.ready_from",
}
# A quantifier without an upper bound: the string may be of any length.
UNBOUNDED = re.compile(r"(?<!\\)[*+]|\{\d+,\}")


def every_rpc() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rpc", rpcs(), ids=str)


@every_rpc()
def test_an_rpc_states_its_callers(rpc: Rpc) -> None:
    assert rpc.options.HasExtension(access_pb2.access)
    access = rpc.access
    assert access.callers or access.services, "no caller may call it"
    assert CALLER.UNSPECIFIED not in access.callers
    assert set(access.services) <= PEERS
    assert bool(rpc.routes) == bool(access.callers), "external callers need a route, and only they have one"
    assert (access.scope != SCOPE.UNSPECIFIED) == bool(access.callers), "a scope restricts external callers"
    assert CALLER.PUBLIC not in access.callers or len(access.callers) == 1, "PUBLIC includes every other caller"


@every_rpc()
def test_a_field_scope_names_fields_that_the_request_has(rpc: Rpc) -> None:
    access = rpc.access
    named = [name for name in (access.owner_field, access.tenant_field) if name]
    assert bool(named) == (access.scope == SCOPE.FIELD)
    for name in named:
        field = rpc.request.fields_by_name[name]
        assert field.type == FieldDescriptor.TYPE_STRING
        assert _rules(field).string.uuid, f"{name} must be a UUID to be compared"
    if access.scope == SCOPE.FIELD and CALLER.CUSTOMER in access.callers:
        assert access.owner_field, "CUSTOMER is restricted by the owner"
    if access.scope == SCOPE.FIELD and STAFF & set(access.callers):
        assert access.tenant_field, "staff is restricted by the store"


@every_rpc()
def test_an_rpc_states_its_idempotency_level(rpc: Rpc) -> None:
    for verb, path in rpc.routes:
        assert rpc.idempotency_level == IDEMPOTENCY.get(verb, rpc.idempotency_level), f"{verb} {path}"
        assert verb in IDEMPOTENCY or verb in {"POST", "PATCH"}


def batches() -> list[Rpc]:
    return [rpc for rpc in rpcs() if rpc.options.Extensions[access_pb2.batch_of]]


@pytest.mark.parametrize("rpc", batches(), ids=str)
def test_a_batch_method_has_the_form_that_the_chassis_implements(rpc: Rpc) -> None:
    single = Rpc(rpc.method.containing_service.methods_by_name[rpc.options.Extensions[access_pb2.batch_of]])
    assert rpc.method.name == f"Batch{single.method.name}"
    assert not rpc.routes
    assert (rpc.access, rpc.idempotency_level) == (single.access, single.idempotency_level)
    [requests] = rpc.request.fields
    assert (requests.name, requests.is_repeated, requests.message_type) == ("requests", True, single.request)
    assert _rules(requests).repeated.max_items == MAX_BATCH_SIZE
    [results] = rpc.method.output_type.fields
    assert (results.name, results.is_repeated) == ("results", True)
    [outcome] = results.message_type.oneofs
    assert [(field.name, field.message_type.full_name) for field in results.message_type.fields] == [
        ("response", single.method.output_type.full_name),
        ("error", "google.rpc.Status"),
    ]
    assert list(outcome.fields) == list(results.message_type.fields)


@every_rpc()
def test_a_method_named_batch_has_the_option_or_reads_many_resources_by_id(rpc: Rpc) -> None:
    """`BatchGet<Resources>` of AIP-231 takes ids, is no batch of another method and has one answer for all."""
    if not rpc.method.name.startswith("Batch") or rpc.options.Extensions[access_pb2.batch_of]:
        return
    assert rpc.method.name.startswith("BatchGet"), "option batch_of is missing"
    assert rpc.method.name.removeprefix("Batch") not in rpc.method.containing_service.methods_by_name
    assert "requests" not in rpc.request.fields_by_name


def test_the_writes_that_cost_money_need_an_idempotency_key() -> None:
    with_key = {
        f"{verb} {parse(path).positional}"
        for rpc in rpcs()
        if rpc.options.Extensions[access_pb2.idempotency_key]
        for verb, path in rpc.routes
    }
    assert with_key >= WITH_KEY
    assert all(route.startswith("POST ") for route in with_key)


@every_rpc()
def test_an_unauthenticated_endpoint_is_public_and_a_brute_force_limited_one_has_a_route(rpc: Rpc) -> None:
    if rpc.options.Extensions[access_pb2.unauthenticated_endpoint]:
        assert list(rpc.access.callers) == [access_pb2.Access.Caller.PUBLIC]
        assert all(verb == "POST" and "{" not in path for verb, path in rpc.routes)
    if rpc.options.Extensions[access_pb2.brute_force_limited]:
        assert rpc.routes


@every_rpc()
def test_a_delete_returns_empty_and_a_list_is_paginated(rpc: Rpc) -> None:
    verbs = {verb for verb, _ in rpc.routes}
    if verbs == {"DELETE"}:
        assert rpc.method.output_type.full_name == "google.protobuf.Empty"
    if "page_size" in rpc.request.fields_by_name:
        assert "page_token" in rpc.request.fields_by_name
        assert "next_page_token" in rpc.method.output_type.fields_by_name
        rules = _rules(rpc.request.fields_by_name["page_size"]).int32
        assert (rules.gte, rules.lte) == (0, 100)


def requests() -> list[Descriptor]:
    found = {rpc.request.full_name: rpc.request for rpc in rpcs() if rpc.request.full_name.startswith(PACKAGE)}
    return list(found.values())


@pytest.mark.parametrize("request_type", requests(), ids=lambda message: message.full_name)
def test_every_field_of_a_request_has_a_limit(request_type: Descriptor) -> None:
    wrong = [f"{use.path}: {problem}" for use in reachable(request_type) if (problem := _unbounded(use))]
    assert wrong == []


def _unbounded(use: FieldPath) -> str:
    field, rules = use.field, _rules(use.field)
    if field.is_repeated:
        if _is_map(field):
            texts = [rules.map.keys.string, rules.map.values.string]
            bounded = rules.map.max_pairs and all(_string_is_bounded(text) for text in texts)
            return "" if bounded else "a map without a limit"
        if not rules.repeated.max_items:
            return "repeated without max_items"
        rules = rules.repeated.items
    if field.type == FieldDescriptor.TYPE_STRING and not _string_is_bounded(rules.string):
        return "a string without a limit: add (buf.validate.field).string.max_len"
    if field.type == FieldDescriptor.TYPE_BYTES and not rules.bytes.max_len:
        return "bytes without max_len"
    if field.enum_type is not None and not rules.enum.defined_only and not getattr(rules.enum, "in"):
        return "an enum that takes undefined numbers"
    return ""


def _string_is_bounded(rules: Any) -> bool:
    chosen = rules.WhichOneof("well_known")
    if chosen in {"uuid", "tuuid", "ip", "ipv4", "ipv6"}:
        return True
    names = ("max_len", "max_bytes", "len", "len_bytes", "const")
    if any(rules.HasField(name) for name in names):
        return True
    if getattr(rules, "in"):
        return True
    pattern = getattr(rules, "pattern", "")
    return pattern.startswith("^") and pattern.endswith("$") and not UNBOUNDED.search(pattern)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _rules(field: FieldDescriptor) -> Any:
    """The field's buf.validate rules; empty ones when it has none."""
    options = field.GetOptions()
    for extension, value in options.ListFields():
        if extension.full_name == "buf.validate.field":
            return value
    return validate_pb2.FieldRules()


@pytest.mark.parametrize("pattern", ["^a+$", "^[0-9]*$", "^x{3,}$", "abc"])
def test_a_pattern_that_accepts_any_length_is_no_limit(pattern: str) -> None:
    from buf.validate import validate_pb2

    assert not _string_is_bounded(validate_pb2.StringRules(pattern=pattern))


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_carries_no_personal_data(event: Descriptor) -> None:
    assert [use.path for use in reachable(event) if use.field.GetOptions().Extensions[pii_pb2.pii]] == []


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_contains_no_resource_with_personal_data(event: Descriptor) -> None:
    """Whether its fields are marked or not."""
    personal = {"PostalAddress", "GeoPoint", "Customer", "Staff"}
    types = {use.path: use.field.message_type for use in reachable(event)}
    assert [path for path, part in types.items() if part is not None and part.name in personal] == []


def test_no_comment_names_the_consumers_of_an_event() -> None:
    """docs/events.md derives them from the handler tables; in a comment they would become outdated."""
    consuming = re.compile(r"\b(consumed|consumers?|consumes?|listens?|listeners?|subscribes?)\b", re.IGNORECASE)
    # Names of services that are not also part of what happened.
    names = re.compile(r"\b(analytics|inventory|loyalty|notification)\b", re.IGNORECASE)
    image = load()
    found = {
        name: [*consuming.findall(comment), *(name for name in names.findall(comment) if name.lower() != publisher)]
        for name, publisher in image.events.items()
        for comment in [image.comments[name]]
    }
    assert {name: matches for name, matches in found.items() if matches} == {}


@pytest.mark.parametrize(("service", "names"), SEED_EVENTS.items())
def test_the_events_of_the_design_document_are_messages_of_their_publisher(service: str, names: list[str]) -> None:
    published = {event.full_name for event in events()}
    assert {f"{PACKAGE}.{service}.v1.{name}" for name in names} <= published


def test_a_field_with_the_name_of_personal_data_is_marked() -> None:
    """An email, a phone or an address line is personal data in every message, except in those of a store."""
    personal = re.compile(
        r"^(customer_|contact_|recipient_)?(email|phone)$|^address_line\d$|^(date_of_birth|ip_address)$"
    )
    # Public business data.
    public = {"jainshikanji.store.v1.Store", "jainshikanji.store.v1.CreateStoreRequest"}
    public |= {"jainshikanji.store.v1.UpdateStoreRequest"}
    wrong = [
        field.full_name
        for message in own_messages()
        for field in message.fields
        if personal.match(field.name)
        and field.type == FieldDescriptor.TYPE_STRING
        and message.full_name not in public
        and not field.GetOptions().Extensions[pii_pb2.pii]
    ]
    assert wrong == []


def test_an_enum_is_declared_once() -> None:
    """One package owns the enum, and the others use its type."""
    declared: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for name, enum in load().enums.items():
        if name.startswith(f"{PACKAGE}."):
            declared.setdefault(tuple((value.name, value.number) for value in enum.value), []).append(name)
    assert [names for names in declared.values() if len(names) > 1] == []


def test_the_name_of_a_timestamp_ends_in_at() -> None:
    """As columns do: created_at, expires_at, never create_time."""
    otherwise = {
        field.full_name.removeprefix(f"{PACKAGE}.")
        for message in own_messages()
        for field in message.fields
        if _is_timestamp(field) and not field.name.endswith("_at")
    }
    assert otherwise == LIMITS


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_has_none_of_the_timestamps_of_a_row(event: Descriptor) -> None:
    """created_at and updated_at state when the publisher wrote the row; an event has occurred_at."""
    timestamps = {field.name for field in event.fields if _is_timestamp(field)}
    assert not timestamps & {"created_at", "updated_at", "changed_at"}


def _is_timestamp(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp"


# --- comments: the image has them, the generated code does not --------------------------------------------------------


@cache
def commented_image(target: str) -> descriptor_pb2.FileDescriptorSet:
    from pathlib import Path

    path = Path(target) / "image.binpb"
    generate.write_image(path, comments=True)
    return descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())


def test_every_rpc_message_field_and_enum_value_has_a_comment(tmp_path_factory: pytest.TempPathFactory) -> None:
    image = commented_image(str(tmp_path_factory.mktemp("image")))
    bare = []
    for file in image.file:
        if file.name.startswith(PACKAGE):
            commented = {
                tuple(place.path) for place in file.source_code_info.location if place.leading_comments.strip()
            }
            bare += [f"{file.name}: {name}" for path, name in _parts(file) if path not in commented]
    assert bare == []


def _parts(file: descriptor_pb2.FileDescriptorProto) -> list[tuple[tuple[int, ...], str]]:
    """Paths in the descriptor (by field number and index) of what must have a comment."""
    found: list[tuple[tuple[int, ...], str]] = []
    for index, message in enumerate(file.message_type):
        found += _message_parts(message, (4, index), message.name)
    for index, service in enumerate(file.service):
        found.append(((6, index), service.name))
        found += [((6, index, 2, at), f"{service.name}.{rpc.name}") for at, rpc in enumerate(service.method)]
    return found


def _message_parts(
    message: descriptor_pb2.DescriptorProto, path: tuple[int, ...], name: str
) -> list[tuple[tuple[int, ...], str]]:
    if message.options.map_entry:
        return []
    found = [(path, name)]
    found += [((*path, 2, at), f"{name}.{field.name}") for at, field in enumerate(message.field)]
    for at, enum in enumerate(message.enum_type):
        found += [((*path, 4, at, 2, i), f"{name}.{value.name}") for i, value in enumerate(enum.value)]
    for at, nested in enumerate(message.nested_type):
        found += _message_parts(nested, (*path, 3, at), f"{name}.{nested.name}")
    return found


def test_the_rules_of_every_request_compile() -> None:
    """A rule that cannot be compiled would surface only at the first call."""
    import protovalidate

    validator = protovalidate.Validator()
    for request in requests():
        validator.collect_violations(message_class(request.full_name)())


def test_the_id_of_a_rule_on_a_message_names_a_field() -> None:
    """`quote.address_id`: the violation names the invalid field, as those of field rules do."""
    nameless = {
        f"{message.full_name}: {rule.id}"
        for message in own_messages()
        for rule in message.GetOptions().Extensions[validate_pb2.message].cel
        if rule.id.rpartition(".")[2] not in message.fields_by_name
    }
    assert not nameless
