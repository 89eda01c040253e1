"""Settings that only this service has; what every service needs is in the chassis."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis import ServiceSettings


class CustomerSettings(ServiceSettings):
    """Lives of tokens and codes in seconds; limits of guesses, each within its window."""

    token_issuer: str = Field(
        "https://auth.jainshikanji.local", description="`iss` of access tokens; the edge compares it"
    )
    token_audience: str = Field("jainshikanji-api", description="`aud`; the edge compares it")
    access_token_seconds: PositiveInt = Field(900, le=900, description="life of an access token")
    refresh_token_seconds: PositiveInt = Field(30 * 86_400, description="life of a refresh token")
    refresh_grace_seconds: PositiveFloat = Field(
        10.0, description="in which a second use of a refresh token is not theft"
    )
    sessions_per_account: PositiveInt = Field(20, description="log-ins at a time; one more ends the oldest")

    signing_key_seconds: PositiveInt = Field(30 * 86_400, description="how long a key signs before the next one does")
    signing_key_lead_seconds: PositiveInt = Field(
        86_400, description="how long a key is published before it signs; must exceed every cache of the key set"
    )

    password_threads: PositiveInt = Field(2, description="argon2 computations at a time, 19 MiB each")
    password_queue: PositiveInt = Field(64, description="argon2 computations that may wait; beyond: 429")

    login_attempts_per_account: PositiveInt = Field(10, description="wrong passwords for one account in 15 minutes")
    login_attempts_per_address: PositiveInt = Field(100, description="wrong passwords from one address in 15 minutes")
    registrations_per_address: PositiveInt = Field(100, description="registrations from one address in an hour")
    code_attempts_per_account: PositiveInt = Field(20, description="wrong codes for one account in an hour")
    code_attempts_per_address: PositiveInt = Field(100, description="wrong codes from one address in an hour")
    mails_per_account: PositiveInt = Field(6, description="codes mailed to one account in an hour")
    mails_per_address: PositiveInt = Field(60, description="codes that one address has mailed in an hour")

    verification_code_seconds: PositiveInt = Field(86_400, description="life of a code that verifies a mailbox")
    reset_code_seconds: PositiveInt = Field(900, description="life of a code that resets a password")
    invitation_code_seconds: PositiveInt = Field(7 * 86_400, description="life of an invitation as staff")

    admin_password: SecretStr | None = Field(None, description="for bootstrap-admin alone, instead of --password-stdin")

    @model_validator(mode="after")
    def _plain_cookies_stay_on_loopback(self) -> Self:
        if not self.has_secure_cookies and not _is_loopback(self.grpc_host):
            raise ValueError("development gives cookies without Secure and is for loopback only: set GRPC_HOST so")
        return self

    @model_validator(mode="after")
    def _keys_are_published_before_they_sign(self) -> Self:
        if self.signing_key_lead_seconds >= self.signing_key_seconds:
            raise ValueError("SIGNING_KEY_LEAD_SECONDS must be less than SIGNING_KEY_SECONDS")
        return self

    @property
    def has_secure_cookies(self) -> bool:
        """Browsers keep `Secure` cookies only from https, which development does not have."""
        return self.environment == "production"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
