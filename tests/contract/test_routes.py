"""Paths: the routes of the design document exist, and no path is ambiguous between two routes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor import FieldDescriptor

from tests.contract.contracts import (
    SERVICES,
    InvalidTemplate,
    Rpc,
    Template,
    message_class,
    overlap,
    parse,
    rpcs,
)

SEED = Path(__file__).with_name("seed_routes.txt")

# Pairs where neither template is the more literal one, and the path that matches both. They are harmless: the variable
# of either route is an id, every id is a UUID (the last test of this file), and the path has a literal in its place, so
# that both routes reject it as malformed. Remove a pair that no longer overlaps.
HARMLESS_OVERLAPS = {
    # Both are in the design document.
    ("PUT /api/notifications/preferences/{}", "PUT /api/notifications/{}/read"): "/api/notifications/preferences/read",
    # One is in the design document, the other is an addition.
    ("GET /api/orders/customer/{}", "GET /api/orders/{}/invoice"): "/api/orders/customer/invoice",
    ("GET /api/orders/customer/{}", "GET /api/orders/{}/timeline"): "/api/orders/customer/timeline",
    ("GET /api/orders/customer/{}", "GET /api/orders/{}/tracking"): "/api/orders/customer/tracking",
    ("GET /api/orders/customer/{}", "GET /api/orders/{}/watch"): "/api/orders/customer/watch",
    ("GET /api/orders/store/{}", "GET /api/orders/{}/invoice"): "/api/orders/store/invoice",
    ("GET /api/orders/store/{}", "GET /api/orders/{}/timeline"): "/api/orders/store/timeline",
    ("GET /api/orders/store/{}", "GET /api/orders/{}/tracking"): "/api/orders/store/tracking",
    ("GET /api/orders/store/{}", "GET /api/orders/{}/watch"): "/api/orders/store/watch",
    ("GET /api/payments/order/{}", "GET /api/payments/{}/refunds"): "/api/payments/order/refunds",
    # Neither is in the design document.
    ("GET /api/inventory/purchase-orders/{}", "GET /api/inventory/{}/movements"): (
        "/api/inventory/purchase-orders/movements"
    ),
}


def seed_routes() -> list[tuple[str, str, str]]:
    """Service, verb and path in braces, as the design document lists them."""
    lines = [line for line in SEED.read_text().splitlines() if line and not line.startswith("#")]
    split = [line.split() for line in lines]
    return [(service, verb, "/".join(_segment(part) for part in path.split("/"))) for service, verb, path in split]


def _segment(part: str) -> str:
    return "{}" if part.startswith(":") else part


def routes() -> list[tuple[str, Template, Rpc]]:
    return [(verb, parse(path), rpc) for rpc in rpcs() for verb, path in rpc.routes]


def test_the_design_document_has_63_routes() -> None:
    assert len(seed_routes()) == 63
    assert {service for service, _, _ in seed_routes()} == set(SERVICES)


@pytest.mark.parametrize(("service", "verb", "path"), seed_routes(), ids=str)
def test_a_route_of_the_design_document_exists_once_in_its_service(service: str, verb: str, path: str) -> None:
    found = [rpc for method, template, rpc in routes() if (method, template.positional) == (verb, path)]
    assert len(found) == 1, f"{verb} {path} is served by {[str(rpc) for rpc in found]}"
    assert found[0].package == f"jainshikanji.{service}.v1"


@pytest.mark.parametrize("rpc", [rpc for rpc in rpcs() if rpc.routes], ids=str)
def test_every_template_parses_and_its_variables_are_fields_of_the_request(rpc: Rpc) -> None:
    for _, path in rpc.routes:
        for name in parse(path).fields:
            if name is not None:
                field = rpc.request.fields_by_name.get(name)
                assert field is not None, f"{path}: the request has no {name}"
                single = not field.is_repeated and field.message_type is None
                assert single, f"{path}: {name} is not a single value"


@pytest.mark.parametrize(
    "path", ["api/orders", "/api/orders/", "/api/{a=*}", "/api/{a}/{a}", "/api/**", "/api/x:y", "/api/{A}", "/a//b"]
)
def test_a_template_outside_the_grammar_is_rejected(path: str) -> None:
    with pytest.raises(InvalidTemplate):
        parse(path)


def test_no_verb_and_path_is_served_twice() -> None:
    served = [f"{verb} {template.positional}" for verb, template, _ in routes()]
    assert sorted(served) == sorted(set(served))


def overlapping() -> list[tuple[str, Template, Rpc, Template, Rpc]]:
    """All pairs of one verb that share a path, in the order of their declaration."""
    pairs = []
    for (verb, one, one_rpc), (other_verb, other, other_rpc) in combinations(routes(), 2):
        if verb == other_verb and overlap(one, other):
            pairs.append((verb, one, one_rpc, other, other_rpc))
    return pairs


def _narrower(one: Template, other: Template) -> bool:
    """Whether `one` has a literal where `other` has a variable."""
    return any(a is not None and b is None for a, b in zip(one.literals, other.literals, strict=True))


def test_one_of_two_overlapping_templates_is_more_literal_except_in_known_pairs() -> None:
    overlaps = {
        tuple(sorted((f"{verb} {one.positional}", f"{verb} {other.positional}")))
        for verb, one, _, other, _ in overlapping()
        if _narrower(one, other) == _narrower(other, one)
    }
    assert overlaps == set(HARMLESS_OVERLAPS)


@pytest.mark.parametrize(("pair", "path"), HARMLESS_OVERLAPS.items(), ids=str)
def test_the_path_of_a_known_overlap_matches_both_templates(pair: tuple[str, str], path: str) -> None:
    wanted = parse(path)
    assert all(overlap(wanted, parse(template.split()[1].replace("{}", "{id}", 1))) for template in pair)


def test_no_literal_of_a_route_is_a_value_of_the_variable_that_it_hides() -> None:
    """A literal hides nothing of the other route: the rules of its variable reject the literal."""
    wrong = []
    for verb, one, one_rpc, other, other_rpc in overlapping():
        for literals, template, rpc in ((one.literals, other, other_rpc), (other.literals, one, one_rpc)):
            for literal, name in zip(literals, template.fields, strict=True):
                if literal is not None and name is not None and not _rejects(rpc, name, literal):
                    wrong.append(f"{verb} {template.text}: {name} could be {literal!r}")
    assert wrong == []


def _rejects(rpc: Rpc, name: str, value: str) -> bool:
    field = rpc.request.fields_by_name[name]
    if field.type != FieldDescriptor.TYPE_STRING:
        return field.enum_type is None or value.upper() not in field.enum_type.values_by_name
    request = message_class(rpc.request.full_name)(**{name: value})
    violations = protovalidate.Validator().collect_violations(request)
    fields: list[Any] = [found.proto.field for found in violations]
    return any(element.field_name == name for field in fields for element in field.elements[:1])
