"""Lint, schemas, derived files, and rejected values of the chart."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tools import chart_values, deploy

# API groups of Kubernetes itself in k8s/.
NATIVE = {"v1", "networking.k8s.io", "scheduling.k8s.io"}


def test_every_value_set_passes_lint_and_the_schemas_of_kubernetes() -> None:
    assert deploy.chart_errors() == []


def test_derived_files_are_current() -> None:
    assert deploy.stale_files() == [], "run `make rendered`"


def test_the_default_values_render() -> None:
    assert list(deploy.schema_errors(deploy.objects(deploy.render()))) == []


def test_all_services_share_one_template() -> None:
    names = {path.stem for path in (deploy.CHART / "templates").rglob("*.yaml")}
    assert not names & set(deploy.architecture()), "no service has its own template"


def _laptop(**changes: Any) -> dict[str, Any]:
    merged = deploy.values("laptop")
    deploy.merge(merged, changes)
    return merged


REJECTED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("an unknown key", {"databse": {}}, ("databse",)),
    ("an unknown key of a service", {"services": {"order": {"replica": 3}}}, ("/services/order", "replica")),
    ("an unknown service", {"services": {"kitchen": {}}}, ("services.kitchen", "the services are analytics")),
    ("a number for a tag", {"image": {"tag": 9}}, ("/image/tag", "string")),
    ("the tag latest", {"image": {"tag": "latest"}}, ("image.tag", "set a version")),
    ("a wrong port", {"database": {"port": 0}}, ("/database/port",)),
    ("a missing secret pattern", {"secrets": {"keys": ""}}, ("secrets.keys", "write {service} where")),
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
    ("a missing source of certificates", {"certificates": {"source": "generated"}}, ("secrets.generate=true",)),
    ("a database without NATS", {"postgresql": {"enabled": True}}, ("postgresql.enabled", "natsServer.enabled")),
    ("a missing CA certificate", {"database": {"sslMode": "verify-full"}}, ("database.sslMode", "database.caSecret")),
    (
        "too many connections",
        {"defaults": {"autoscaling": {"maxReplicas": 40}}},
        ("9 services with at most 369 replicas", "need 4059 connections", "database.maxConnections is 1000"),
    ),
    (
        "more minimum than maximum replicas",
        {"services": {"review": {"autoscaling": {"minReplicas": 9, "maxReplicas": 3}}}},
        ("services.review.autoscaling.minReplicas", "maxReplicas"),
    ),
    (
        "an unreachable payment gateway",
        {
            "services": {
                "payment": {"secretSettings": {"RAZORPAY_KEY_ID": {"secret": "payment-gateway", "key": "key-id"}}}
            }
        },
        ("services.payment.egress", "add the gateway's addresses"),
    ),
    ("an ingress without a host", {"edge": {"ingress": {"enabled": True}}}, ("edge.ingress.host",)),
    ("a route without a gateway", {"edge": {"gatewayRoute": {"enabled": True}}}, ("edge.gatewayRoute.parentRefs",)),
    (
        "a renewal before the certificate is issued",
        {"certificates": {"renewBefore": "2160h"}},
        ("certificates.renewBefore", "certificates.duration"),
    ),
    ("a job that waits longer than its deadline", {"jobs": {"patienceSeconds": 600}}, ("jobs.patienceSeconds",)),
    ("a test order without an account", {"test": {"placeOrder": True}}, ("test.placeOrder", "test.accountSecret")),
    (
        "metrics that no client can read",
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
        "incomplete settings of a payment gateway",
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
        "an unreachable mail relay",
        {"services": {"notification": {"settings": {"SMTP_HOST": "smtp.example.com"}}}},
        ("services.notification.egress", "SMTP_HOST"),
    ),
    ("egress without a destination", {"services": {"payment": {"egress": [{"name": "x", "port": 443}]}}}, ("egress",)),
    (
        "an ingress without trusted hops",
        {"edge": {"ingress": {"enabled": True, "host": "api.example.com"}}},
        ("edge.settings.trusted_hops", "=1"),
    ),
    ("a listen port of the edge", {"edge": {"settings": {"listen_port": 1}}}, ("edge.settings.listen_port",)),
]
REJECTED_ON_A_LAPTOP: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("three stream replicas on one server", {"nats": {"streamReplicas": 3}}, ("nats.streamReplicas", "=1")),
    ("another server", {"database": {"host": "elsewhere"}}, ("database.host", '"postgres"')),
    ("a read replica of a single server", {"database": {"readHost": "replica"}}, ("database.readHost",)),
]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [pytest.param(overrides, expected, id=name) for name, overrides, expected in REJECTED]
    + [pytest.param(_laptop(**overrides), expected, id=name) for name, overrides, expected in REJECTED_ON_A_LAPTOP],
)
def test_invalid_values_are_rejected_with_key_and_remedy(overrides: dict[str, Any], expected: tuple[str, ...]) -> None:
    with pytest.raises(helm_python.HelmError) as error:
        deploy.render(overrides)
    for text in expected:
        assert text in str(error.value)


def test_a_tenth_service_beyond_the_connection_budget_is_rejected_with_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = tmp_path / "jain-shikanji"
    shutil.copytree(deploy.CHART, chart)
    declared = chart / "files" / "architecture.yaml"
    kitchen = "  kitchen: { database: kitchen_db, calls: [customer], consumes: [], subscribes: [] }\n"
    declared.write_text(declared.read_text() + kitchen)
    overrides = deploy.values(*deploy.VALUE_SETS["high-availability"])
    monkeypatch.setattr(deploy, "CHART", chart)
    with pytest.raises(helm_python.HelmError) as error:
        deploy.render(overrides)
    for text in (
        "10 services with at most 98 replicas x (database.poolSize 8 + 3 in reserve) need 1078 connections",
        "database.maxConnections is 1000",
        "lower database.poolSize to 7",
        "max_client_conn of the poolers in k8s/postgresql.yaml and database.maxConnections to 1078",
    ):
        assert text in str(error.value)
    deploy.merge(overrides, {"database": {"poolSize": 7}})
    assert "kitchen" in {one["metadata"]["name"] for one in deploy.objects(deploy.render(overrides))}


def test_the_stored_difference_between_two_sets_is_small_and_complete() -> None:
    for name, base in deploy.STORED_AS_DIFFERENCE.items():
        text = (deploy.RENDERED / f"{name}.diff").read_text()
        of_base, of_set = (
            deploy.objects(deploy.render(deploy.values(*deploy.VALUE_SETS[one]))) for one in (base, name)
        )
        differing = {f"{one['kind']} {one['metadata']['name']}" for one in of_set if one not in of_base}
        assert {line.strip("@ ") for line in text.splitlines() if line.startswith("@@ ")} == differing
        assert len(text.splitlines()) < 400


def test_every_value_in_the_charts_documents_exists() -> None:
    values = yaml.safe_load((deploy.CHART / "values.yaml").read_text())
    for name in ("README.md", "UPGRADING.md"):
        text = (deploy.CHART / name).read_text()
        named = [tuple(found.split(".")) for found in re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)`", text)]
        for path in named:
            if path[0] in values:
                chart_values.value_at(values, path)


def test_the_table_of_values_has_key_default_and_description() -> None:
    text = "# a file\na:\n  # -- First line\n  # second | line.\n  #   - example\n  b: { c: [1, x] }\n  d: 1\n"
    text += "# -- Top.\ne: ''\n"
    assert chart_values.table(text).splitlines()[2:] == [
        "| `a.b` | `{c: [1, x]}` | First line second \\| line. |",
        '| `e` | `""` | Top. |',
    ]


def test_egress_may_be_allowed_to_pods_of_the_cluster() -> None:
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
    assert list(deploy.schema_errors(found)) == []


def test_a_service_can_disable_autoscaling_of_the_defaults() -> None:
    overrides = {"services": {"review": {"autoscaling": {"enabled": False}, "replicas": 4}}}
    found = deploy.objects(deploy.render(overrides))
    scaled = {one["metadata"]["name"] for one in found if one["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == {*deploy.architecture(), "edge"} - {"review"}
    [review] = [one for one in found if one["kind"] == "Deployment" and one["metadata"]["name"] == "review"]
    assert review["spec"]["replicas"] == 4


@pytest.mark.parametrize("address", ["::", "[::]"])
def test_servers_listen_on_ipv6(address: str) -> None:
    found = deploy.objects(deploy.render(_laptop(listenAddress=address)))
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in found}
    [container] = by_name["Deployment", "order"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "ORDER_GRPC_HOST", "value": "[::]"} in container["env"]
    assert json.loads(by_name["ConfigMap", "edge"]["data"]["settings.json"])["listen_address"] == "::"
    assert 'listen: "[::]:4222"' in by_name["ConfigMap", "nats"]["data"]["nats.conf"]


def test_manifests_outside_the_chart_match_the_schemas() -> None:
    for path in deploy.CLUSTER.glob("*.yaml"):
        found = [
            one
            for one in yaml.safe_load_all(path.read_text())
            if one and str(one.get("apiVersion", "")).partition("/")[0] in NATIVE
        ]
        assert list(deploy.schema_errors(found)) == [], path.name


def test_ingress_and_gateway_route_render() -> None:
    overrides = {
        "edge": {
            "ingress": {"enabled": True, "host": "api.example.com", "tlsSecret": "api-tls", "className": "nginx"},
            "gatewayRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["api.example.com"]},
            "settings": {"trusted_hops": 1},
        }
    }
    found = deploy.objects(deploy.render(overrides))
    assert {"Ingress", "HTTPRoute"} <= {one["kind"] for one in found}
    assert list(deploy.schema_errors(found)) == []
