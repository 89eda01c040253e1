"""Places: postal codes in one form, distances, and boxes that an index can search."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

EARTH_RADIUS_METRES = 6_371_008.8
_POLE = 90.0
_HALF_TURN = 180.0
_NOISE = re.compile(r"[ -]+")


def plain_postal_code(code: str) -> str:
    """Without blanks and hyphens, in upper case: "400 001" and "400001" are one code."""
    return _NOISE.sub("", code).upper()


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, in degrees."""

    latitude: float
    longitude: float

    def metres_to(self, other: Position) -> float:
        """Great-circle distance (haversine)."""
        here, there = math.radians(self.latitude), math.radians(other.latitude)
        north = math.sin((there - here) / 2) ** 2
        east = math.sin(math.radians(other.longitude - self.longitude) / 2) ** 2
        chord = north + math.cos(here) * math.cos(there) * east
        return 2 * EARTH_RADIUS_METRES * math.asin(min(1.0, math.sqrt(chord)))


@dataclass(frozen=True, slots=True)
class Box:
    """Degrees. `west` greater than `east`: the box spans the antimeridian."""

    south: float
    north: float
    west: float
    east: float


def box_around(centre: Position, metres: float) -> Box:
    """The smallest box of parallels and meridians that holds the circle. Near a pole it holds every meridian."""
    angle = metres / EARTH_RADIUS_METRES
    reach = math.degrees(angle)
    south, north = centre.latitude - reach, centre.latitude + reach
    if south <= -_POLE or north >= _POLE:
        return Box(max(south, -_POLE), min(north, _POLE), -_HALF_TURN, _HALF_TURN)
    width = math.degrees(math.asin(min(1.0, math.sin(angle) / math.cos(math.radians(centre.latitude)))))
    return Box(south, north, _wrap(centre.longitude - width), _wrap(centre.longitude + width))


def _wrap(longitude: float) -> float:
    if longitude < -_HALF_TURN:
        return longitude + 2 * _HALF_TURN
    return longitude - 2 * _HALF_TURN if longitude > _HALF_TURN else longitude
