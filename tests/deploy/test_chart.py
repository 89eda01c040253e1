"""The chart as Helm and Kubernetes see it: lint, schemas, golden renders, and what it refuses."""

from __future__ import annotations

from typing import Any

import helm_python
import pytest

from tools import deploy


def test_every_value_set_lints_renders_and_fits_the_schemas_of_kubernetes() -> None:
    assert deploy.complaints() == []


def test_the_golden_renders_are_what_the_chart_gives() -> None:
    stale = [path.name for path, text in deploy.documents().items() if not path.is_file() or path.read_text() != text]
    assert stale == [], "run `make rendered`"


def test_the_defaults_alone_render() -> None:
    assert list(deploy.invalid(deploy.objects(deploy.render()))) == []


def test_one_template_serves_all_services() -> None:
    names = {path.stem for path in (deploy.CHART / "templates").rglob("*.yaml")}
    assert not names & set(deploy.architecture()), "a service must not have a template of its own"


def _laptop(**changes: Any) -> dict[str, Any]:
    merged = deploy.values("laptop")
    deploy._merge(merged, changes)
    return merged


REFUSED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("an unknown key", {"databse": {}}, ("databse",)),
    ("an unknown key of a service", {"services": {"order": {"replica": 3}}}, ("/services/order", "replica")),
    ("an unknown service", {"services": {"kitchen": {}}}, ("services.kitchen", "the services are analytics")),
    ("a number for a tag", {"image": {"tag": 9}}, ("/image/tag", "string")),
    ("the tag latest", {"image": {"tag": "latest"}}, ("image.tag", "name a version")),
    ("a wrong port", {"database": {"port": 0}}, ("/database/port",)),
    ("a missing secret pattern", {"secrets": {"keys": ""}}, ("secrets.keys", "name the Secrets with {service}")),
    (
        "a missing secret reference",
        {"services": {"payment": {"secretSettings": {"RAZORPAY_KEY_ID": {"secret": "", "key": "id"}}}}},
        ("services.payment.secretSettings.RAZORPAY_KEY_ID", "write {secret:"),
    ),
    (
        "a secret in plain values",
        {"services": {"notification": {"settings": {"SMTP_PASSWORD": "hunter2"}}}},
        ("services.notification.settings.SMTP_PASSWORD", "secretSettings"),
    ),
    (
        "a setting that the chart sets itself",
        {"services": {"order": {"settings": {"DRAIN_SECONDS": 3}}}},
        ("services.order.settings.DRAIN_SECONDS", "set by the chart"),
    ),
    ("no issuer", {"certificates": {"issuer": {"name": ""}}}, ("certificates.issuer.name", "cert-manager issuer")),
    ("two writers of certificates", {"secrets": {"generate": True}}, ("secrets.generate", "certificates.source")),
    ("certificates by nobody", {"certificates": {"source": "generated"}}, ("secrets.generate=true",)),
    ("a database without NATS", {"postgresql": {"enabled": True}}, ("postgresql.enabled", "natsServer.enabled")),
    ("a check of nothing", {"database": {"sslMode": "verify-full"}}, ("database.sslMode", "database.caSecret")),
    (
        "more connections than there are",
        {"defaults": {"autoscaling": {"maxReplicas": 40}}},
        ("database.poolSize", "database.maxConnections is 1000"),
    ),
    (
        "a floor above the ceiling",
        {"services": {"review": {"autoscaling": {"minReplicas": 9, "maxReplicas": 3}}}},
        ("services.review.autoscaling.minReplicas", "maxReplicas"),
    ),
    (
        "a gateway that cannot be reached",
        {
            "services": {
                "payment": {"secretSettings": {"RAZORPAY_KEY_ID": {"secret": "payment-gateway", "key": "key-id"}}}
            }
        },
        ("services.payment.egress", "name the gateway's addresses"),
    ),
    ("an ingress for nobody", {"edge": {"ingress": {"enabled": True}}}, ("edge.ingress.host",)),
    ("a route to no gateway", {"edge": {"gatewayRoute": {"enabled": True}}}, ("edge.gatewayRoute.parentRefs",)),
    ("an edge elsewhere", {"edge": {"settings": {"listen_port": 1}}}, ("edge.settings.listen_port",)),
]
REFUSED_ON_A_LAPTOP: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("three copies on one server", {"nats": {"streamReplicas": 3}}, ("nats.streamReplicas", "=1")),
    ("another server", {"database": {"host": "elsewhere"}}, ("database.host", '"postgres"')),
    ("a replica of one", {"database": {"readHost": "replica"}}, ("database.readHost",)),
]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [pytest.param(overrides, words, id=name) for name, overrides, words in REFUSED]
    + [pytest.param(_laptop(**overrides), words, id=name) for name, overrides, words in REFUSED_ON_A_LAPTOP],
)
def test_a_mistake_is_refused_with_its_key_and_the_remedy(overrides: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(helm_python.HelmError) as refusal:
        deploy.render(overrides)
    for word in words:
        assert word in str(refusal.value)


def test_optional_ways_in_render() -> None:
    overrides = {
        "edge": {
            "ingress": {"enabled": True, "host": "api.example.com", "tlsSecret": "api-tls", "className": "nginx"},
            "gatewayRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["api.example.com"]},
        }
    }
    found = deploy.objects(deploy.render(overrides))
    assert {"Ingress", "HTTPRoute"} <= {one["kind"] for one in found}
    assert list(deploy.invalid(found)) == []
