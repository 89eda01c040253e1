"""The chart as Helm and Kubernetes see it: lint, schemas, golden renders, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import helm_python
import pytest
import yaml

from tools import deploy

# Groups of Kubernetes itself that k8s/ uses.
NATIVE = {"v1", "networking.k8s.io", "scheduling.k8s.io"}


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
    (
        "a certificate that is renewed before it is made",
        {"certificates": {"renewBefore": "2160h"}},
        ("certificates.renewBefore", "certificates.duration"),
    ),
    ("a job that waits for longer than it lives", {"jobs": {"patienceSeconds": 600}}, ("jobs.patienceSeconds",)),
    ("an order by nobody", {"test": {"placeOrder": True}}, ("test.placeOrder", "test.accountSecret")),
    (
        "figures that nobody may read",
        {"monitoring": {"enabled": True}, "networkPolicy": {"metricsFrom": []}},
        ("networkPolicy.metricsFrom", "Prometheus"),
    ),
    (
        "an unknown setting",
        {"services": {"order": {"settings": {"PAYMENT_MINUTE": 5}}}},
        ("PAYMENT_MINUTE", "PAYMENT_MINUTES"),
    ),
    (
        "a setting of another service",
        {"services": {"order": {"secretSettings": {"RAZORPAY_KEY_ID": {"secret": "a", "key": "b"}}}}},
        ("services.order.secretSettings.RAZORPAY_KEY_ID", "order has no such setting"),
    ),
    ("an unknown setting of the edge", {"edge": {"settings": {"origin": ["a"]}}}, ("edge.settings.origin", "origins")),
    (
        "half a gateway",
        {
            "services": {
                "payment": {
                    "secretSettings": {"RAZORPAY_KEY_ID": {"secret": "a", "key": "b"}},
                    "egress": [{"name": "razorpay", "cidrs": ["203.0.113.0/24"], "port": 443}],
                }
            }
        },
        ("services.payment.secretSettings", "RAZORPAY_KEY_SECRET"),
    ),
    (
        "a mail relay that cannot be reached",
        {"services": {"notification": {"settings": {"SMTP_HOST": "smtp.example.com"}}}},
        ("services.notification.egress", "SMTP_HOST"),
    ),
    ("a way out to nobody", {"services": {"payment": {"egress": [{"name": "x", "port": 443}]}}}, ("egress",)),
    (
        "a proxy that nobody counts",
        {"edge": {"ingress": {"enabled": True, "host": "api.example.com"}}},
        ("edge.settings.trusted_hops", "=1"),
    ),
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


def test_peers_inside_the_cluster_may_be_named_as_a_way_out() -> None:
    relay = {"podSelector": {"matchLabels": {"app": "relay"}}}
    overrides = {
        "services": {
            "notification": {
                "settings": {"SMTP_HOST": "relay"},
                "egress": [{"name": "relay", "peers": [relay], "port": 25}],
            }
        }
    }
    found = deploy.objects(deploy.render(overrides))
    [policy] = [one for one in found if one["kind"] == "NetworkPolicy" and one["metadata"]["name"] == "notification"]
    assert {"to": [relay], "ports": [{"protocol": "TCP", "port": 25}]} in policy["spec"]["egress"]
    assert list(deploy.invalid(found)) == []


def test_a_service_may_turn_off_what_the_defaults_turn_on() -> None:
    overrides = {"services": {"review": {"autoscaling": {"enabled": False}, "replicas": 4}}}
    found = deploy.objects(deploy.render(overrides))
    scaled = {one["metadata"]["name"] for one in found if one["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == {*deploy.architecture(), "edge"} - {"review"}
    [review] = [one for one in found if one["kind"] == "Deployment" and one["metadata"]["name"] == "review"]
    assert review["spec"]["replicas"] == 4


@pytest.mark.parametrize("address", ["::", "[::]"])
def test_a_cluster_that_speaks_ipv6_alone_is_served(address: str) -> None:
    found = deploy.objects(deploy.render(_laptop(listenAddress=address)))
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    [container] = by_name["Deployment", "order"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "ORDER_GRPC_HOST", "value": "[::]"} in container["env"]
    assert json.loads(by_name["ConfigMap", "edge"]["data"]["settings.json"])["listen_address"] == "::"
    assert 'listen: "[::]:4222"' in by_name["ConfigMap", "nats"]["data"]["nats.conf"]


def test_what_the_cluster_holds_before_the_chart_fits_the_schemas() -> None:
    for path in deploy.CLUSTER.glob("*.yaml"):
        found = [
            one
            for one in yaml.safe_load_all(path.read_text())
            if one and str(one.get("apiVersion", "")).partition("/")[0] in NATIVE
        ]
        assert list(deploy.invalid(found)) == [], path.name


def test_optional_ways_in_render() -> None:
    overrides = {
        "edge": {
            "ingress": {"enabled": True, "host": "api.example.com", "tlsSecret": "api-tls", "className": "nginx"},
            "gatewayRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["api.example.com"]},
            "settings": {"trusted_hops": 1},
        }
    }
    found = deploy.objects(deploy.render(overrides))
    assert {"Ingress", "HTTPRoute"} <= {one["kind"] for one in found}
    assert list(deploy.invalid(found)) == []
