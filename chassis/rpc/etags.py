"""Etags of resources: opaque to clients, the version of a row to services.

A client sends the etag that it read back with a change; a change of an older version is rejected with STALE_ETAG.
"""

from __future__ import annotations

from chassis.errors import StaleEtag

# A longer number is not a version: `version` is an INTEGER.
_MAX_DIGITS = len(str(2**31 - 1)) - 1
# No row has this version, so that a malformed etag is a stale one.
_UNKNOWN_VERSION = 0


def version_to_etag(version: int) -> str:
    """The etag of a version."""
    return str(version)


def version_from_etag(etag: str) -> int | None:
    """The version of an etag, with or without the quotes of HTTP: None without an etag, 0 for a malformed one."""
    if not etag:
        return None
    digits = etag.strip('"')
    is_version = digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS
    return int(digits) if is_version else _UNKNOWN_VERSION


def check_version(known: int | None, current: int) -> None:
    """Raises StaleEtag when the caller knows another version; None is a caller without an etag."""
    if known is not None and known != current:
        raise StaleEtag(version_to_etag(current))
