"""Mutual TLS of the mesh: every connection shows a certificate, and the SPIFFE id in it is the peer's name.

Files are read again when they change, so certificates rotate without a restart: the server asks before each handshake,
channels are rebuilt by the peers module.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class Identity:
    """One service's certificate, key and the authority it trusts, as PEM."""

    authority: bytes
    certificate: bytes
    key: bytes


class IdentityFiles:
    """`ca.pem`, `cert.pem` and `key.pem` in one directory."""

    def __init__(self, directory: Path) -> None:
        self._paths = [directory / name for name in ("ca.pem", "cert.pem", "key.pem")]
        self._stamp: tuple[int, ...] = ()
        self._identity: Identity | None = None

    def stamp(self) -> tuple[int, ...]:
        """Changes when a file does."""
        return tuple(path.stat().st_mtime_ns for path in self._paths)

    def read(self) -> Identity:
        """The identity as it is now. FileNotFoundError names the file that is missing."""
        stamp = self.stamp()
        if self._identity is None or stamp != self._stamp:
            self._identity = Identity(*(path.read_bytes() for path in self._paths))
            self._stamp = stamp
        return self._identity


def server_credentials(files: IdentityFiles) -> grpc.ServerCredentials:
    """Credentials that require a client certificate and follow the files.

    None means "as before". A new configuration at each handshake would not only be slow: grpc frees the one before it
    while other handshakes use it, and the process dies.
    """
    served = files.stamp()

    def configuration() -> grpc.ServerCertificateConfiguration:
        identity = files.read()
        return grpc.ssl_server_certificate_configuration(
            [(identity.key, identity.certificate)], root_certificates=identity.authority
        )

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        stamp = files.stamp()
        if stamp == served:
            return None
        served = stamp
        return configuration()

    # The type stubs do not know that a fetcher may answer None.
    fetch: Any = changed
    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client_authentication=True)


def channel_credentials(files: IdentityFiles) -> grpc.ChannelCredentials:
    """Credentials of one channel, from the files as they are now."""
    identity = files.read()
    return grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)


def peer_service(auth_context: dict[str, list[bytes]], trust_domain: str) -> str | None:
    """The service that a verified peer certificate names: `spiffe://<domain>/ns/<namespace>/sa/<service>`."""
    for spiffe_id in auth_context.get("peer_spiffe_id", []):
        prefix, _, service = spiffe_id.decode().rpartition("/sa/")
        if service and prefix.startswith(f"spiffe://{trust_domain}/ns/"):
            return service
    return None
