"""Mutual TLS of the mesh: both sides of a connection present a certificate, whose SPIFFE id is the caller's identity.

Certificates rotate without a restart: servers check the files before each handshake, rpc.channels rebuilds channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc


@dataclass(frozen=True, slots=True)
class Identity:
    """A service's certificate and key, and the authority that it trusts, as PEM."""

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
        """The modification times of the files."""
        return tuple(path.stat().st_mtime_ns for path in self._paths)

    def read(self) -> Identity:
        """The identity in the files. Raises FileNotFoundError for a missing one."""
        stamp = self.stamp()
        if self._identity is None or stamp != self._stamp:
            self._identity = Identity(*(path.read_bytes() for path in self._paths))
            self._stamp = stamp
        return self._identity


def server_credentials(files: IdentityFiles) -> grpc.ServerCredentials:
    """Credentials that require a client certificate and follow the files.

    The fetcher returns None while the files are unchanged. A new configuration for each handshake would crash the
    process: grpc frees the previous one while other handshakes use it.
    """
    loaded = files.stamp()

    def configuration() -> grpc.ServerCertificateConfiguration:
        identity = files.read()
        return grpc.ssl_server_certificate_configuration(
            [(identity.key, identity.certificate)], root_certificates=identity.authority
        )

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal loaded
        stamp = files.stamp()
        if stamp == loaded:
            return None
        loaded = stamp
        return configuration()

    # The type stubs do not allow a fetcher to return None.
    fetch: Any = changed
    return grpc.dynamic_ssl_server_credentials(configuration(), fetch, require_client_authentication=True)


def channel_credentials(files: IdentityFiles) -> grpc.ChannelCredentials:
    """Credentials of a new channel, from the current files."""
    identity = files.read()
    return grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)


def peer_service(auth_context: dict[str, list[bytes]], trust_domain: str) -> str | None:
    """The service that a verified peer certificate names: `spiffe://<domain>/ns/<namespace>/sa/<service>`."""
    for spiffe_id in auth_context.get("peer_spiffe_id", []):
        prefix, _, service = spiffe_id.decode().rpartition("/sa/")
        if service and prefix.startswith(f"spiffe://{trust_domain}/ns/"):
            return service
    return None
