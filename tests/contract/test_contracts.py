"""What the house asks of every contract beyond what buf can lint."""

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
from chassis.rpc.batch_calls import AT_ONCE
from tests.contract.contracts import (
    PACKAGE,
    SERVICES,
    Rpc,
    Use,
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
# Channels of the mesh that are no service: the operator's command line.
PEERS = {*SERVICES, "operator", EVERY_SERVICE}
IDEMPOTENCY = {"GET": "NO_SIDE_EFFECTS", "PUT": "IDEMPOTENT", "DELETE": "IDEMPOTENT"}
# Placing, initiating a payment, refunding, redeeming.
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
# Timestamps that are not an instant at which something happens but a bound: the name says which side of it counts.
BOUNDS = {
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
def test_an_rpc_states_who_may_call_it(rpc: Rpc) -> None:
    assert rpc.options.HasExtension(access_pb2.access)
    access = rpc.access
    assert access.callers or access.services, "nobody may call it"
    assert CALLER.UNSPECIFIED not in access.callers
    assert set(access.services) <= PEERS
    assert bool(rpc.routes) == bool(access.callers), "callers from outside come by a route, and by nothing else"
    assert (access.scope != SCOPE.UNSPECIFIED) == bool(access.callers), "a scope narrows callers from outside"
    assert CALLER.PUBLIC not in access.callers or len(access.callers) == 1, "PUBLIC is everybody"


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
        assert access.owner_field, "CUSTOMER is narrowed by the owner"
    if access.scope == SCOPE.FIELD and STAFF & set(access.callers):
        assert access.tenant_field, "staff is narrowed by the store"


@every_rpc()
def test_an_rpc_says_whether_it_repeats(rpc: Rpc) -> None:
    for verb, path in rpc.routes:
        assert rpc.idempotency_level == IDEMPOTENCY.get(verb, rpc.idempotency_level), f"{verb} {path}"
        assert verb in IDEMPOTENCY or verb in {"POST", "PATCH"}


@every_rpc()
def test_a_batch_is_many_requests_of_its_single_rpc_for_the_same_callers(rpc: Rpc) -> None:
    requests = rpc.request.fields_by_name.get("requests")
    if requests is None:
        return
    name = rpc.method.name.removeprefix("Batch")
    single = rpc.method.containing_service.methods_by_name[name]
    outcome = rpc.method.output_type.fields_by_name["results"].message_type.oneofs_by_name["outcome"]
    assert requests.message_type == single.input_type
    assert [(field.name, field.message_type.full_name) for field in outcome.fields] == [
        ("response", single.output_type.full_name),
        ("refusal", "google.rpc.Status"),
    ]
    assert _rules(requests).repeated.max_items == AT_ONCE
    other = Rpc(single)
    assert (rpc.access.services, rpc.idempotency_level) == (other.access.services, other.idempotency_level)


def test_exactly_the_writes_that_cost_money_want_an_idempotency_key() -> None:
    asking = {
        f"{verb} {parse(path).positional}"
        for rpc in rpcs()
        if rpc.options.Extensions[access_pb2.idempotency_key]
        for verb, path in rpc.routes
    }
    assert asking >= WITH_KEY
    assert all(route.startswith("POST ") for route in asking)


@every_rpc()
def test_an_entrance_is_for_everybody_and_what_can_be_guessed_is_reached_from_outside(rpc: Rpc) -> None:
    if rpc.options.Extensions[access_pb2.entrance]:
        assert list(rpc.access.callers) == [access_pb2.Access.Caller.PUBLIC]
        assert all(verb == "POST" and "{" not in path for verb, path in rpc.routes)
    if rpc.options.Extensions[access_pb2.guessable]:
        assert rpc.routes


@every_rpc()
def test_deleting_answers_empty_and_listing_comes_in_pages(rpc: Rpc) -> None:
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
def test_everything_in_a_request_is_bounded(request_type: Descriptor) -> None:
    wrong = [f"{use.path}: {problem}" for use in reachable(request_type) if (problem := _unbounded(use))]
    assert wrong == []


def _unbounded(use: Use) -> str:
    field, rules = use.field, _rules(use.field)
    if field.is_repeated:
        if _is_map(field):
            texts = [rules.map.keys.string, rules.map.values.string]
            bounded = rules.map.max_pairs and all(_string_is_bounded(text) for text in texts)
            return "" if bounded else "a map without bounds"
        if not rules.repeated.max_items:
            return "repeated without max_items"
        rules = rules.repeated.items
    if field.type == FieldDescriptor.TYPE_STRING and not _string_is_bounded(rules.string):
        return "a string without a bound"
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
def test_a_pattern_that_takes_any_length_is_no_bound(pattern: str) -> None:
    from buf.validate import validate_pb2

    assert not _string_is_bounded(validate_pb2.StringRules(pattern=pattern))


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_carries_no_personal_data(event: Descriptor) -> None:
    assert [use.path for use in reachable(event) if use.field.GetOptions().Extensions[pii_pb2.pii]] == []


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_is_flat_enough_to_be_read_without_the_publishers_resources(event: Descriptor) -> None:
    """No event contains a resource with personal data, marked or not: people's own messages stay out of events."""
    personal = {"PostalAddress", "GeoPoint", "Customer", "Staff"}
    types = {use.path: use.field.message_type for use in reachable(event)}
    assert [path for path, part in types.items() if part is not None and part.name in personal] == []


def test_no_comment_says_who_hears_an_event() -> None:
    """docs/events.md is derived from the handler tables and says it; a sentence beside the event would grow old."""
    hearing = re.compile(r"\b(hears?|heard|hearers?|listens?|listeners?|consumes?)\b", re.IGNORECASE)
    # The other services' names are words of what happened, too.
    names = re.compile(r"\b(analytics|inventory|loyalty|notification)\b", re.IGNORECASE)
    image = load()
    said = {
        name: [*hearing.findall(comment), *(word for word in names.findall(comment) if word.lower() != publisher)]
        for name, publisher in image.events.items()
        for comment in [image.comments[name]]
    }
    assert {name: words for name, words in said.items() if words} == {}


@pytest.mark.parametrize(("service", "names"), SEED_EVENTS.items())
def test_the_design_documents_events_are_messages_of_their_publisher(service: str, names: list[str]) -> None:
    published = {event.full_name for event in events()}
    assert {f"{PACKAGE}.{service}.v1.{name}" for name in names} <= published


def test_personal_data_is_marked_wherever_it_is_named() -> None:
    """A field whose name says email, phone or address line holds personal data, whoever's message it is in."""
    telling = re.compile(
        r"^(customer_|contact_|recipient_)?(email|phone)$|^address_line\d$|^(date_of_birth|ip_address)$"
    )
    # Business data that everybody may see.
    public = {"jainshikanji.store.v1.Store", "jainshikanji.store.v1.CreateStoreRequest"}
    public |= {"jainshikanji.store.v1.UpdateStoreRequest"}
    wrong = [
        field.full_name
        for message in own_messages()
        for field in message.fields
        if telling.match(field.name)
        and field.type == FieldDescriptor.TYPE_STRING
        and message.full_name not in public
        and not field.GetOptions().Extensions[pii_pb2.pii]
    ]
    assert wrong == []


def test_a_closed_list_is_written_once() -> None:
    """Two lists of the same values are one fact: one package owns it, and the others use its type."""
    written: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for name, enum in load().enums.items():
        if name.startswith(f"{PACKAGE}."):
            written.setdefault(tuple((value.name, value.number) for value in enum.value), []).append(name)
    assert [names for names in written.values() if len(names) > 1] == []


def test_a_field_that_holds_an_instant_ends_in_at() -> None:
    """One school of names in the whole API, that of the columns: created_at, expires_at, never create_time."""
    otherwise = {
        field.full_name.removeprefix(f"{PACKAGE}.")
        for message in own_messages()
        for field in message.fields
        if _is_timestamp(field) and not field.name.endswith("_at")
    }
    assert otherwise == BOUNDS


@pytest.mark.parametrize("event", events(), ids=lambda message: message.full_name)
def test_an_event_calls_the_moment_at_which_it_happened_occurred_at(event: Descriptor) -> None:
    """The words of a row, created_at and updated_at, would tell when the publisher wrote it."""
    moments = {field.name for field in event.fields if _is_timestamp(field)}
    assert not moments & {"created_at", "updated_at", "changed_at"}


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


def test_every_request_can_be_made_empty_and_checked_without_a_fault() -> None:
    """A rule that cannot be compiled would surface at the first call; here it surfaces at once."""
    import protovalidate

    validator = protovalidate.Validator()
    for request in requests():
        validator.collect_violations(message_class(request.full_name)())


def test_a_rule_on_a_whole_message_names_its_field_in_its_id() -> None:
    """`quote.address_id`: so that its refusal, like every other, says which field is wrong."""
    nameless = {
        f"{message.full_name}: {rule.id}"
        for message in own_messages()
        for rule in message.GetOptions().Extensions[validate_pb2.message].cel
        if rule.id.rpartition(".")[2] not in message.fields_by_name
    }
    assert not nameless
