"""Addresses and locations."""

from __future__ import annotations

from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from services.order.model.contacts import Address, Location


def address_from_proto(message: PostalAddress) -> Address:
    return Address(
        address_line1=message.address_line1,
        address_line2=message.address_line2,
        landmark=message.landmark,
        city=message.city,
        state=message.state,
        postal_code=message.postal_code,
        country=message.country,
    )


def address_to_proto(address: Address, location: Location | None) -> PostalAddress:
    return PostalAddress(
        address_line1=address.address_line1,
        address_line2=address.address_line2,
        landmark=address.landmark,
        city=address.city,
        state=address.state,
        postal_code=address.postal_code,
        country=address.country,
        location=location_to_proto(location) if location is not None else None,
    )


def location_from_proto(message: GeoPoint) -> Location:
    return Location(message.latitude, message.longitude)


def location_to_proto(location: Location) -> GeoPoint:
    return GeoPoint(latitude=location.latitude, longitude=location.longitude)
