"""Metrics, methods and jobs in alerts and dashboards exist, and every alert is in the runbook."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from prometheus_client import REGISTRY

from tests.contract.contracts import rpcs
from tests.deploy.chart import of_kind, rendered
from tools.deploy import CHART, ROOT, architecture

WORD = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
# Metrics of Envoy and of the Python client. All others are in the code.
EXTERNAL = {
    "envoy_http_downstream_rq_xx",
    "envoy_http_downstream_rq_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}
# Functions of PromQL and labels.
NOT_METRICS = {"histogram_quantile", "label_values", "envoy_http_conn_manager_prefix", "envoy_response_code_class"}


def expressions() -> Iterator[str]:
    for group in alerts()["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
    for path in sorted((CHART / "files" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield target["expr"]


def alerts() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    return found


def exported() -> set[str]:
    """Names of all time series that the services export."""
    for name in architecture():
        importlib.import_module(f"services.{name}.__main__")
    found = set()
    for family in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(family.type, [""])
        found |= {family.name + one for one in suffixes}
    return found


def test_every_metric_of_an_alert_or_dashboard_is_exported() -> None:
    known = exported() | EXTERNAL
    for expression in expressions():
        bare = re.sub(r"\"[^\"]*\"", "", expression)
        assert set(WORD.findall(bare)) - NOT_METRICS - known == set(), expression


def test_every_method_and_loop_in_an_expression_exists() -> None:
    methods = {f"{rpc.method.containing_service.name}/{rpc.method.name}" for rpc in rpcs()}
    loops = {
        loop.name
        for name in architecture()
        for loop in importlib.import_module(f"services.{name}.__main__").SERVICE.loops
    }
    for expression in expressions():
        for named in re.findall(r"method=~?\"([^\"]+)\"", expression):
            for method in named.split("|") if "(" not in named else _expanded(named):
                assert method in methods, expression
        for named in re.findall(r"loop=~?\"([^\"]+)\"", expression):
            assert set(named.split("|")) <= loops, expression


def _expanded(pattern: str) -> Iterator[str]:
    for service, alternatives, plain in re.findall(r"(\w+)/(?:\(([^)]+)\)|(\w+))", pattern):
        yield from (f"{service}/{name}" for name in (alternatives or plain).split("|"))


def test_every_alert_has_a_section_in_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    headings = set(re.findall(r"^### (\w+)$", runbook, re.MULTILINE))
    rules = [rule for group in alerts()["groups"] for rule in group["rules"]]
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {rule["alert"] for rule in rules} == headings


def test_monitors_rules_and_dashboards_are_in_production_but_not_on_a_laptop() -> None:
    for name in ("production", "high-availability"):
        found = rendered(name)
        assert of_kind(found, "ServiceMonitor")
        [rule] = of_kind(found, "PrometheusRule").values()
        assert rule["spec"] == alerts()
        dashboards = {key: one for key, one in of_kind(found, "ConfigMap").items() if key.startswith("dashboard-")}
        assert set(dashboards) == {"dashboard-golden-signals", "dashboard-orders", "dashboard-events"}
        for one in dashboards.values():
            [text] = one["data"].values()
            assert json.loads(text)["panels"]
    assert not {one["kind"] for one in rendered("laptop")} & {"ServiceMonitor", "PrometheusRule"}


def test_every_service_is_scraped() -> None:
    found = rendered("production")
    [monitor] = of_kind(found, "ServiceMonitor").values()
    labels = monitor["spec"]["selector"]["matchLabels"]
    scraped = {
        name
        for name, service in of_kind(found, "Service").items()
        if labels.items() <= service["metadata"]["labels"].items()
        and any(port["name"] == "metrics" for port in service["spec"]["ports"])
    }
    assert scraped == {*architecture(), "edge-peers"}
