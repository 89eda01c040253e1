"""Distances, bounding boxes and postal codes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.model.locations import Box, Position, bounding_box, normalise_postal_code

MUMBAI, DELHI = Position(19.0760, 72.8777), Position(28.6139, 77.2090)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
positions = st.builds(Position, latitudes, longitudes)


def test_mumbai_is_1150_km_from_delhi() -> None:
    assert MUMBAI.metres_to(DELHI) == pytest.approx(1_153_241, rel=0.005)


def test_a_position_has_no_distance_to_itself_and_half_the_earth_to_its_antipode() -> None:
    assert MUMBAI.metres_to(MUMBAI) == 0
    assert Position(0, 0).metres_to(Position(0, 180)) == pytest.approx(20_015_115, rel=1e-4)


@given(positions, positions)
def test_distance_is_the_same_both_ways(here: Position, there: Position) -> None:
    assert here.metres_to(there) == pytest.approx(there.metres_to(here), abs=1e-3)


@given(positions, positions, st.floats(1, 100_000))
def test_a_position_in_the_circle_is_in_the_box(centre: Position, other: Position, metres: float) -> None:
    if centre.metres_to(other) <= metres * 0.999:
        assert inside(bounding_box(centre, metres), other)


@given(positions, st.floats(1, 100_000), st.floats(-1, 1), st.floats(-1, 1))
def test_positions_near_the_centre_are_in_the_box(centre: Position, metres: float, north: float, east: float) -> None:
    reach = metres / 111_195
    other = Position(max(-90, min(90, centre.latitude + north * reach)), wrap(centre.longitude + east * reach))
    if centre.metres_to(other) <= metres * 0.999:
        assert inside(bounding_box(centre, metres), other)


def test_a_box_over_the_antimeridian_has_its_west_east_of_its_east() -> None:
    box = bounding_box(Position(-17.7, 179.95), 20_000)
    assert box.west > box.east
    assert inside(box, Position(-17.7, -179.95))
    assert not inside(box, Position(-17.7, 179.5))


def test_a_box_over_a_pole_spans_all_meridians() -> None:
    box = bounding_box(Position(89.99, 10), 50_000)
    assert (box.west, box.east, box.north) == (-180, 180, 90)


@pytest.mark.parametrize("code", ["400001", "400 001", " 400-001 "])
def test_spaces_and_hyphens_do_not_change_a_postal_code(code: str) -> None:
    assert normalise_postal_code(code) == "400001"


def test_postal_codes_ignore_case() -> None:
    assert normalise_postal_code("sw1a 1aa") == "SW1A1AA"


def inside(box: Box, place: Position) -> bool:
    between = box.west <= place.longitude <= box.east
    if box.west > box.east:
        between = place.longitude >= box.west or place.longitude <= box.east
    return box.south <= place.latitude <= box.north and between


def wrap(longitude: float) -> float:
    return (longitude + 180) % 360 - 180
