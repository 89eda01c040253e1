"""Secrets of an empty cluster: made once, certificates renewed in time."""

from __future__ import annotations

import datetime

from cryptography import x509

from chassis.security.certificates import Authority, Pair, spiffe_id
from chassis.security.encryption import FieldCipher, decode_key
from chassis.security.provisioning import Data, Plan, provision

PLAN = Plan(
    namespace="kitchen",
    trust_domain="example.local",
    authority="mesh-authority",
    certificates={"order": "order-tls"},
    databases={"order": "order-database"},
    nats={"order": "order-nats"},
    keys={"order": "order-keys"},
    accounts={"admin@example.local": "administrator"},
)


class Drawer:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.secrets: dict[str, Data] = {}
        self.kinds: dict[str, str] = {}

    def read(self, name: str) -> Data | None:
        return self.secrets.get(name)

    def write(self, name: str, kind: str, data: Data, labels: dict[str, str]) -> None:
        self.secrets[name], self.kinds[name] = data, kind


def test_everything_of_the_plan_is_made_and_stays() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    assert set(drawer.secrets) == {
        "mesh-authority", "order-tls", "order-database", "order-nats", "order-keys", "administrator",
    }  # fmt: skip
    assert drawer.kinds["order-database"] == "kubernetes.io/basic-auth"
    assert drawer.kinds["order-tls"] == "kubernetes.io/tls"
    before = dict(drawer.secrets)
    provision(PLAN, drawer)
    assert drawer.secrets == before


def test_a_secret_that_is_lost_is_made_anew_and_the_others_stay() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    before = dict(drawer.secrets)
    del drawer.secrets["order-nats"]
    provision(PLAN, drawer)
    assert drawer.secrets["order-nats"] != before["order-nats"]
    assert drawer.secrets["order-keys"] == before["order-keys"]


def test_certificates_carry_the_spiffe_id_and_the_name_that_clients_check() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    certificate = x509.load_pem_x509_certificate(drawer.secrets["order-tls"]["tls.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://example.local/ns/kitchen/sa/order"]
    assert "order" in names.get_values_for_type(x509.DNSName)
    authority = x509.load_pem_x509_certificate(drawer.secrets["order-tls"]["ca.crt"])
    certificate.verify_directly_issued_by(authority)


def test_a_certificate_near_its_end_is_renewed_by_the_same_authority() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    before = dict(drawer.secrets)
    provision(PLAN.model_copy(update={"renew_days": PLAN.certificate_days + 1}), drawer)
    assert drawer.secrets["order-tls"]["tls.crt"] != before["order-tls"]["tls.crt"]
    assert drawer.secrets["mesh-authority"] == before["mesh-authority"]


def test_a_certificate_of_another_authority_or_name_is_not_kept() -> None:
    mine, foreign = Authority.found("mine"), Authority.found("foreign")
    uri = spiffe_id("example.local", "kitchen", "order")
    day = datetime.timedelta(days=1)
    good = mine.issue("order", uri=uri, dns_names=["order"], days=30)
    assert mine.has_issued(good, uri=uri, good_for=day)
    assert not foreign.has_issued(good, uri=uri, good_for=day)
    assert not mine.has_issued(good, uri=uri + "x", good_for=day)
    assert not mine.has_issued(good, uri=uri, good_for=31 * day)
    assert not mine.has_issued(Pair(b"", b""), uri=uri, good_for=day)
    other = mine.issue("order", uri=uri, dns_names=["order"], days=30)
    assert not mine.has_issued(Pair(good.certificate, other.key), uri=uri, good_for=day)


def test_the_keys_are_ones_that_services_can_use() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    keys = {name: value.decode() for name, value in drawer.secrets["order-keys"].items()}
    cipher = FieldCipher.parse(keys["field-keys"], keys["index-key"])
    assert cipher.decrypt(cipher.encrypt("a@example.com", "customers.email"), "customers.email") == "a@example.com"
    assert len(decode_key(keys["signing-key"])) == 32


def test_passwords_begin_with_a_letter() -> None:
    drawer = Drawer()
    provision(PLAN, drawer)
    for name in ("order-database", "order-nats", "administrator"):
        assert drawer.secrets[name]["password"][:1].isalpha()
