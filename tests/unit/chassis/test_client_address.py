"""The client address behind the edge, and its network."""

from __future__ import annotations

import pytest

from chassis.rpc.client_address import find_client_address, network_of


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        ({"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "10.9.9.9, 203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": "203.0.113.9, nonsense"}, None),
        ({"x-envoy-external-address": "203.0.113.1", "x-forwarded-for": "10.0.0.1"}, "203.0.113.1"),
        ({"x-forwarded-for": "::ffff:203.0.113.9"}, "203.0.113.9"),
        ({"x-forwarded-for": ""}, None),
        ({}, None),
    ],
)
def test_the_client_address_is_the_one_that_the_edge_saw(metadata: dict[str, str], address: str | None) -> None:
    assert find_client_address(metadata) == address


def test_addresses_of_one_ipv6_prefix_are_one_network() -> None:
    one, two = (network_of(f"2001:db8:1:2::{tail}") for tail in ("1", "ffff"))
    assert one == two == "2001:db8:1:2::/64"
    assert network_of("203.0.113.9") == "203.0.113.9"
    assert network_of(None) == "unknown"
