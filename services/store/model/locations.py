"""Locations: normalised postal codes, distances, and bounding boxes for an index."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

EARTH_RADIUS_METRES = 6_371_008.8
_POLE = 90.0
_ANTIMERIDIAN = 180.0
_SEPARATORS = re.compile(r"[ -]+")


def normalise_postal_code(code: str) -> str:
    """Upper case without spaces and hyphens: "400 001" and "400001" are one code."""
    return _SEPARATORS.sub("", code).upper()


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, in degrees."""

    latitude: float
    longitude: float

    @classmethod
    def from_decimals(cls, latitude: Decimal | None, longitude: Decimal | None) -> Position | None:
        """The position of two columns; None when one is NULL."""
        if latitude is None or longitude is None:
            return None
        return cls(float(latitude), float(longitude))

    def metres_to(self, other: Position) -> float:
        """Great-circle distance in metres (haversine)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        north = math.sin((there - here) / 2) ** 2
        east = math.sin(math.radians(other.longitude - self.longitude) / 2) ** 2
        chord = north + math.cos(here) * math.cos(there) * east
        return 2 * EARTH_RADIUS_METRES * math.asin(min(1.0, math.sqrt(chord)))


@dataclass(frozen=True, slots=True)
class Box:
    """A box in degrees; it crosses the antimeridian when `west` is greater than `east`."""

    south: float
    north: float
    west: float
    east: float


def bounding_box(centre: Position, metres: float) -> Box:
    """The smallest box of parallels and meridians around the circle; near a pole it spans all meridians."""
    angle = metres / EARTH_RADIUS_METRES
    reach = math.degrees(angle)
    south, north = centre.latitude - reach, centre.latitude + reach
    if south <= -_POLE or north >= _POLE:
        return Box(max(south, -_POLE), min(north, _POLE), -_ANTIMERIDIAN, _ANTIMERIDIAN)
    width = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(centre.latitude)))))
    return Box(south, north, _wrap(centre.longitude - width), _wrap(centre.longitude + width))


def _wrap(longitude: float) -> float:
    if longitude < -_ANTIMERIDIAN:
        return longitude + 2 * _ANTIMERIDIAN
    return longitude - 2 * _ANTIMERIDIAN if longitude > _ANTIMERIDIAN else longitude
