"""Etags: the version of a row, opaque to clients."""

from __future__ import annotations

import pytest

from chassis.errors import StaleEtag
from chassis.rpc.etags import check_version, version_from_etag, version_to_etag


@pytest.mark.parametrize(
    ("etag", "version"),
    [("", None), ("7", 7), ('"7"', 7), ("x", 0), ("v7", 0), ("-1", 0), ("٣", 0), ("99999999999", 0)],
)
def test_an_etag_names_a_version_and_a_malformed_one_matches_none(etag: str, version: int | None) -> None:
    assert version_from_etag(etag) == version


def test_an_issued_etag_names_its_version() -> None:
    assert version_from_etag(version_to_etag(41)) == 41


def test_a_change_of_an_older_version_is_stale_and_names_the_current_etag() -> None:
    with pytest.raises(StaleEtag) as raised:
        check_version(3, current=4)
    assert raised.value.metadata == {"etag": "4"}


def test_a_change_of_the_current_version_or_without_an_etag_is_accepted() -> None:
    check_version(4, current=4)
    check_version(None, current=4)
