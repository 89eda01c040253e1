"""Whatever an object names, is there: environment, Secrets, accounts, ports, policies."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from chassis.events.streams import StreamSettings
from chassis.process.settings import MeshSettings, ServiceSettings
from chassis.security.provisioning import Plan
from services.check import CheckSettings
from tests.deploy.chart import RENDERS, Object, Pod, environment, of_kind, pods, rendered, selects
from tools.deploy import NAMESPACE, architecture, values

pytestmark = pytest.mark.parametrize(("name", "is_install"), RENDERS)

# Secrets that somebody else writes: an operator, cert-manager, a vault. docs/runbook.md lists them with their keys.
PLATFORM_KEYS = {
    "database": {"username", "password"},
    "keys": {"field-keys", "index-key", "signing-key"},
    "nats": {"username", "password"},
    "tls": {"ca.crt", "tls.crt", "tls.key"},
}
GIVEN = {
    "jain-shikanji-db-ca": {"ca.crt"},
    "payment-gateway": {"key-id", "key-secret", "webhook-secret"},
    "mail-relay": {"username", "password"},
    "administrator": {"username", "password"},
    "check-account": {"username", "password"},
    "edge-public-tls": {"tls.crt", "tls.key"},
}


def settings_of(service: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = importlib.import_module(f"services.{service}.__main__").SERVICE.app.settings_class
    return found


def known(settings: Any, prefix: str) -> set[str]:
    return {f"{prefix}_{field.upper()}" for field in settings.model_fields}


def required(settings: Any, prefix: str) -> set[str]:
    return {f"{prefix}_{field.upper()}" for field, about in settings.model_fields.items() if about.is_required()}


def settings_read(pod: Pod, container: Object) -> tuple[set[str], set[str]]:
    """What the container's program knows and what it must be given."""
    kind, _, name = str(pod).partition("/")
    if container["name"] == "nothing":
        return set(), set()
    name = name.removeprefix("first-")
    services = architecture()
    if name in services or name == "migrations":
        service = container["name"]
        return known(settings_of(service), service.upper()), required(settings_of(service), service.upper())
    if name == "administrator":
        customer = settings_of("customer")
        # Read by the command line, not by the settings: kubelet puts it into the arguments.
        return known(customer, "CUSTOMER") | {"ADMINISTRATOR"}, required(customer, "CUSTOMER") | {
            "CUSTOMER_ADMIN_PASSWORD"
        }
    if name == "operator":
        return {variable for service in services for variable in known(MeshSettings, service.upper())}, set()
    if name == "check":
        return known(CheckSettings, "CHECK"), required(CheckSettings, "CHECK")
    passwords = {f"NATS_PASSWORD_{login.upper()}" for login in (*services, "streams")}
    fixed: dict[tuple[str, str], tuple[set[str], set[str]]] = {
        ("Job", "streams"): (
            known(StreamSettings, "STREAMS"),
            {"STREAMS_NATS_URL", "STREAMS_NATS_USER", "STREAMS_NATS_PASSWORD"},
        ),
        ("Job", "secrets"): (set(), set()),
        ("Deployment", "edge"): ({"EDGE_WORKERS"}, {"EDGE_WORKERS"}),
        ("StatefulSet", "postgres"): (
            {"POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS", "DATABASES"},
            {"POSTGRES_PASSWORD", "DATABASES"},
        ),
        ("StatefulSet", "nats"): (passwords, passwords),
    }
    return fixed[kind, name]


def test_every_variable_is_known_to_who_reads_it_and_every_required_one_is_set(name: str, is_install: bool) -> None:
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            knows, needs = settings_read(pod, container)
            given = environment(container)
            assert len(given) == len(container.get("env", ())), f"{pod}: a variable is set twice"
            assert set(given) - knows == set(), f"{pod}: nobody reads"
            assert needs - set(given) == set(), f"{pod}: is not set"


def test_plain_settings_are_of_the_type_that_is_read(name: str, is_install: bool) -> None:
    deployments = of_kind(rendered(name, is_install=is_install), "Deployment")
    for service in architecture():
        [container] = deployments[service]["spec"]["template"]["spec"]["containers"]
        prefix = f"{service.upper()}_"
        plain = {
            key.removeprefix(prefix).lower(): variable.get("value", "of a Secret")
            for key, variable in environment(container).items()
        }
        plain |= {"index_key": "aQ==", "signing_key": "aQ==", "field_keys": "1:aQ=="}
        settings = settings_of(service)(**plain)
        assert settings.environment == "production"
        assert settings.database_url.get_secret_value().startswith(f"postgresql://{service}:of%20a%20Secret@")


def provided(name: str) -> dict[str, set[str]]:
    """Secret -> keys that it surely has."""
    found = {
        f"{identity}-{kind}": keys
        for kind, keys in PLATFORM_KEYS.items()
        for identity in (*architecture(), "edge", "operator", "streams")
    }
    given = {"administrator": GIVEN["administrator"], "postgres-database": PLATFORM_KEYS["database"]}
    return found | (given if name == "laptop" else GIVEN)


def test_every_secret_and_key_is_there(name: str, is_install: bool) -> None:
    there = provided(name)
    configs = of_kind(rendered(name, is_install=is_install), "ConfigMap")
    for pod in pods(rendered(name, is_install=is_install)):
        for container in pod.containers:
            for variable in container.get("env", ()):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference:
                    assert reference["key"] in there[reference["name"]], f"{pod}: {reference}"
        mounted = {mount["name"] for container in pod.containers for mount in container.get("volumeMounts", ())}
        templates = {"data"} if str(pod).startswith("StatefulSet") else set()
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
        assert mounted == set(volumes) | templates, f"{pod}: what is mounted and what is there differ"
        for volume in volumes.values():
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"].get("items", ())}
                assert keys <= there[volume["secret"]["secretName"]], f"{pod}: {volume}"
            if "configMap" in volume:
                assert volume["configMap"]["name"] in configs, f"{pod}: {volume}"


def test_the_job_of_an_empty_cluster_makes_exactly_the_secrets_that_are_named(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    configs = of_kind(found, "ConfigMap")
    if name != "laptop":
        assert "secrets-plan" not in configs
        return
    plan = Plan.model_validate_json(configs["secrets-plan"]["data"]["plan.json"])
    made = {plan.authority}
    for secrets in (plan.certificates, plan.databases, plan.nats, plan.keys, plan.accounts):
        made |= set(secrets.values())
    [rule] = of_kind(found, "Role")["secrets"]["rules"]
    assert set(rule["resourceNames"]) == made
    assert rule["resources"] == ["secrets"]
    assert set(rule["verbs"]) == {"get", "create", "patch"}
    assert plan.namespace == NAMESPACE
    used = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for pod in pods(found)
        for container in pod.containers
        for variable in container.get("env", ())
        if "secretKeyRef" in variable.get("valueFrom", {})
    } | {
        volume["secret"]["secretName"]
        for pod in pods(found)
        for volume in pod.spec.get("volumes", ())
        if "secret" in volume
    }
    assert used <= made
    assert made - used == {plan.authority}, "a Secret that nobody reads"


def test_accounts_ports_and_selectors_lead_somewhere(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    accounts = set(of_kind(found, "ServiceAccount"))
    everybody = list(pods(found))
    for pod in everybody:
        assert pod.spec.get("serviceAccountName", "default") in accounts | {"default"}, pod
        for container in pod.containers:
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                asked = container.get(probe, {})
                if "httpGet" in asked:
                    assert asked["httpGet"]["port"] in ports, pod
                if "grpc" in asked:
                    assert asked["grpc"]["port"] in ports.values(), pod
    for service in of_kind(found, "Service").values():
        behind = [pod for pod in everybody if selects({"matchLabels": service["spec"]["selector"]}, pod.labels)]
        assert len(behind) == 1, service["metadata"]["name"]
        names = {port["name"] for container in behind[0].containers for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    for scaler in of_kind(found, "HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in of_kind(found, "Deployment")


def test_every_pod_is_under_a_policy_and_every_policy_has_a_pod(name: str, is_install: bool) -> None:
    found = rendered(name, is_install=is_install)
    everybody = list(pods(found))
    policies = of_kind(found, "NetworkPolicy")
    for policy_name, policy in policies.items():
        chosen = [pod for pod in everybody if selects(policy["spec"]["podSelector"], pod.labels)]
        assert chosen, policy_name
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for pod in everybody:
        fitting = {key for key, policy in policies.items() if selects(policy["spec"]["podSelector"], pod.labels)}
        assert "default-deny" in fitting, pod
        assert len(fitting) == 2, f"{pod}: {fitting}"


def test_the_edge_reads_what_it_is_given(name: str, is_install: bool) -> None:
    settings = json.loads(of_kind(rendered(name, is_install=is_install), "ConfigMap")["edge"]["data"]["settings.json"])
    assert settings["namespace"] == NAMESPACE
    issuer = environment(
        of_kind(rendered(name, is_install=is_install), "Deployment")["customer"]["spec"]["template"]["spec"][
            "containers"
        ][0]
    )["CUSTOMER_TOKEN_ISSUER"]["value"]
    assert settings["token_issuer"] == issuer
    assert bool(settings.get("listener_tls_dir")) == bool(
        values(name).get("edge", {}).get("tls", {}).get("secret")
    ) or (name == "high-availability")
