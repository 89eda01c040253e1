"""Certificates of the local stack: a certificate authority and one identity per service, as files.

authority = Authority(Path("/tmp/somewhere"))
authority.issue("order")     # /tmp/somewhere/order/{ca,cert,key}.pem
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from pathlib import Path

from devstack.files import write_private
from devstack.postgres import DATABASES

NAMESPACE = "jain-shikanji"
SERVICES = tuple(DATABASES)
IDENTITIES = (*SERVICES, "edge", "operator")

_IDENTITY_DAYS = 90
_RENEW = datetime.timedelta(days=14)


def make_spiffe_uri(identity: str) -> str:
    """The URI that the other side verifies: spiffe://jainshikanji.local/ns/jain-shikanji/sa/order."""
    from chassis.process.settings import TRUST_DOMAIN
    from chassis.security.certificates import spiffe_id

    return spiffe_id(TRUST_DOMAIN, NAMESPACE, identity)


class Authority:
    """Signs identities in one directory. Certificates of another authority are not trusted, which tests use."""

    def __init__(self, directory: Path) -> None:
        # Imported here: the chassis takes a second to load, and most commands of the stack issue no certificate.
        from chassis.security import certificates

        self.directory = directory.resolve()
        certificate, key = self.directory / "authority" / "ca.pem", self.directory / "authority" / "ca-key.pem"
        if certificate.exists() and key.exists():
            self._mesh = certificates.Authority(certificates.Pair(certificate.read_bytes(), key.read_bytes()))
        else:
            self._mesh = certificates.Authority.create("Jain Shikanji development authority")
            write_private(key, self._mesh.pair.key)
            write_private(certificate, self._mesh.pair.certificate)

    def issue_all(self, identities: Iterable[str] = IDENTITIES) -> None:
        """Issues the identities that are missing or expire within two weeks."""
        for identity in identities:
            self.issue(identity)

    def issue(self, identity: str) -> Path:
        """Directory with ca.pem, cert.pem and key.pem of the identity, issued or renewed when needed."""
        directory = self.directory / identity
        if not self._is_valid(directory, identity):
            pair = self._mesh.issue(
                identity,
                uri=make_spiffe_uri(identity),
                dns_names=[identity, "localhost"],
                addresses=["127.0.0.1"],
                days=_IDENTITY_DAYS,
            )
            # The certificate is written last: a reader that finds it finds its key too.
            write_private(directory / "ca.pem", self._mesh.pair.certificate)
            write_private(directory / "key.pem", pair.key)
            write_private(directory / "cert.pem", pair.certificate)
        return directory

    def _is_valid(self, directory: Path, identity: str) -> bool:
        from chassis.security.certificates import Pair

        try:
            pair = Pair((directory / "cert.pem").read_bytes(), (directory / "key.pem").read_bytes())
        except FileNotFoundError:
            return False
        return self._mesh.has_issued(pair, uri=make_spiffe_uri(identity), good_for=_RENEW)
