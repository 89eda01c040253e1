"""Who is at the other end of the edge: address, browser and cookies, as the edge's headers tell."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

_LONGEST_USER_AGENT = 500
# Providers give a household a /64 or more: one bucket for all of it.
_IPV6_PREFIX = 64


@dataclass(frozen=True, slots=True)
class Client:
    """The client of a request; fields are None when the edge did not tell."""

    address: str | None
    user_agent: str | None

    @classmethod
    def of(cls, metadata: Mapping[str, str]) -> Client:
        agent = metadata.get("user-agent", "")[:_LONGEST_USER_AGENT]
        return cls(_address(metadata), agent or None)

    @property
    def network(self) -> str:
        """What guesses are counted by: an IPv4 address or an IPv6 /64."""
        if self.address is None:
            return "unknown"
        address = ipaddress.ip_address(self.address)
        if isinstance(address, ipaddress.IPv4Address):
            return self.address
        return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))


def _address(metadata: Mapping[str, str]) -> str | None:
    """What the edge saw. Of x-forwarded-for only the last entry is the edge's; those before are the client's say."""
    for value in (metadata.get("x-envoy-external-address", ""), metadata.get("x-forwarded-for", "").rpartition(",")[2]):
        try:
            address = ipaddress.ip_address(value.strip())
        except ValueError:
            continue
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return str(mapped or address)
    return None


def cookie(metadata: Mapping[str, str], name: str) -> str:
    """The value of a cookie of the request; empty when there is none."""
    for pair in metadata.get("cookie", "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""
