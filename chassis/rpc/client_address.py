"""The network address of the client behind the edge."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

# Providers assign a household a /64 or more, so that one client has 2^64 addresses.
_IPV6_PREFIX = 64


def find_client_address(metadata: Mapping[str, str]) -> str | None:
    """The address that the edge saw, or None.

    Of x-forwarded-for only the last entry is set by the edge; earlier entries are sent by the client.
    """
    for value in (metadata.get("x-envoy-external-address", ""), metadata.get("x-forwarded-for", "").rpartition(",")[2]):
        try:
            address = ipaddress.ip_address(value.strip())
        except ValueError:
            continue
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return str(mapped or address)
    return None


def network_of(address: str | None) -> str:
    """The network whose attempts are counted together: an IPv4 address, an IPv6 /64, or `unknown`."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((int(parsed), _IPV6_PREFIX), strict=False))
