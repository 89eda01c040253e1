"""Settings of a service: typed, from the environment, under the service's own prefix (`ORDER_DATABASE_URL`).

A setting without a default must be set; a missing or malformed one stops the start with a sentence that names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

TRUST_DOMAIN: Final = "jainshikanji.local"


class MeshSettings(BaseSettings):
    """What it takes to call a peer: a certificate, and where peers listen."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    tls_dir: Path = Field(Path("/etc/tls"), description="holds ca.pem, cert.pem and key.pem; re-read when they change")
    trust_domain: str = Field(TRUST_DOMAIN, description="SPIFFE trust domain of the mesh")
    peer_target: str = Field("dns:///{service}:50051", description="where a peer listens")
    peers: dict[str, str] = Field(default_factory=dict, description="JSON map of peers that listen elsewhere")

    @classmethod
    def load(cls, service: str) -> Self:
        """Reads the environment under the service's prefix. Exits with one sentence per wrong or missing variable."""
        prefix = f"{service.upper()}_"
        try:
            return cls(_env_prefix=prefix)  # type: ignore[call-arg]
        except ValidationError as error:
            sentences = (_sentence(prefix, problem["loc"], problem["msg"]) for problem in error.errors())
            raise SystemExit("\n".join(sentences)) from None


class ServiceSettings(MeshSettings):
    """What every service needs. A service adds its own fields in a subclass."""

    environment: Literal["production", "development"] = Field(
        "production", description="development: reflection, local plain-http edges and seed data are allowed"
    )
    database_url: SecretStr = Field(description="PostgreSQL URL of the service's own database; may go through a pooler")
    listen_url: SecretStr | None = Field(None, description="direct URL for LISTEN, no pooler; database_url when unset")
    read_url: SecretStr | None = Field(None, description="URL of a read replica; database_url when unset")
    database_password: SecretStr | None = Field(None, description="for those of the URLs that hold none")
    database_pool_size: PositiveInt = Field(8, description="connections at most, per replica")
    nats_url: str = Field("nats://nats:4222", description="NATS servers, comma separated")
    nats_user: str | None = None
    nats_password: SecretStr | None = None
    stream_replicas: PositiveInt = Field(1, description="JetStream replicas of the service's own stream")
    grpc_host: str = Field("[::]", description="address the mesh port binds")
    grpc_port: int = Field(50051, ge=0, le=65535)
    health_port: int = Field(50052, ge=0, le=65535, description="plaintext port that serves grpc.health.v1 only")
    metrics_port: int | None = Field(9464, ge=0, le=65535, description="Prometheus over http; unset turns it off")
    field_keys: SecretStr = Field(description="AES-256 keys as id:base64, newest first, comma separated")
    index_key: SecretStr = Field(
        description="base64 key of blind indexes, 32 bytes; while it rotates the new one and the old, comma separated"
    )
    signing_key: SecretStr = Field(description="base64 key of page tokens and other keyed digests, 32 bytes")
    drain_seconds: PositiveFloat = Field(20.0, description="seconds a request in flight may take after SIGTERM")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: str | None = Field(None, description="OTLP/gRPC collector; unset turns traces off")
    trace_ratio: float = Field(0.01, ge=0, le=1, description="share of requests without a parent that are traced")

    @model_validator(mode="after")
    def _password_in_urls(self) -> Self:
        """Secrets of an operator hold a password, not URLs; the URLs get it here."""
        if self.database_password is not None:
            password = self.database_password.get_secret_value()
            self.database_url = _with_password(self.database_url, password)
            self.listen_url = self.listen_url and _with_password(self.listen_url, password)
            self.read_url = self.read_url and _with_password(self.read_url, password)
        return self


def _with_password(url: SecretStr, password: str) -> SecretStr:
    """The URL with this password, unless it holds one already."""
    parts = urlsplit(url.get_secret_value())
    if parts.password or not parts.username:
        return url
    user, at, host = parts.netloc.rpartition("@")
    return SecretStr(urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}{at}{host}")))


def _sentence(prefix: str, location: tuple[int | str, ...], problem: str) -> str:
    # A rule about several settings has no location; its sentence names them.
    return f"setting {prefix}{str(location[0]).upper()}: {problem}" if location else f"settings {prefix}*: {problem}"
