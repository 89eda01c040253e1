"""Settings of this service."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from chassis import ServiceSettings


class CustomerSettings(ServiceSettings):
    """Lifetimes of tokens and codes in seconds, and limits on attempts."""

    token_issuer: str = Field(
        "https://auth.jainshikanji.local", description="`iss` of access tokens; the edge compares it"
    )
    token_audience: str = Field("jainshikanji-api", description="`aud`; the edge compares it")
    access_token_seconds: PositiveInt = Field(900, le=900, description="lifetime of an access token")
    refresh_token_seconds: PositiveInt = Field(30 * 86_400, description="lifetime of a refresh token")
    refresh_grace_seconds: PositiveFloat = Field(
        10.0, description="within this time a second use of a refresh token does not end the session"
    )
    sessions_per_account: PositiveInt = Field(
        20, description="concurrent sessions of an account; one more ends the oldest"
    )

    signing_key_seconds: PositiveInt = Field(
        30 * 86_400, description="how long a key signs before the next one replaces it"
    )
    signing_key_lead_seconds: PositiveInt = Field(
        86_400, description="how long a key is published before it signs; longer than any cache of the key set"
    )

    password_threads: PositiveInt = Field(2, description="concurrent argon2 computations, 19 MiB each")
    password_queue: PositiveInt = Field(
        64, description="argon2 computations that may wait; further ones are rejected with 429"
    )

    login_attempts_per_account: PositiveInt = Field(10, description="wrong passwords for one account in 15 minutes")
    login_attempts_per_address: PositiveInt = Field(100, description="wrong passwords from one address in 15 minutes")
    registrations_per_address: PositiveInt = Field(100, description="registrations from one address in an hour")
    code_attempts_per_account: PositiveInt = Field(20, description="wrong codes for one account in an hour")
    code_attempts_per_address: PositiveInt = Field(100, description="wrong codes from one address in an hour")
    mails_per_account: PositiveInt = Field(6, description="codes sent to one account in an hour")
    mails_per_address: PositiveInt = Field(60, description="codes requested from one address in an hour")

    verification_code_seconds: PositiveInt = Field(
        86_400, description="lifetime of a code that verifies an email address"
    )
    reset_code_seconds: PositiveInt = Field(900, description="lifetime of a code that resets a password")
    invitation_code_seconds: PositiveInt = Field(7 * 86_400, description="lifetime of an invitation of staff")

    admin_password: SecretStr | None = Field(None, description="for bootstrap-admin only, instead of --password-stdin")

    @model_validator(mode="after")
    def _check_that_plain_cookies_stay_on_loopback(self) -> Self:
        if not self.has_secure_cookies and not _is_loopback(self.grpc_host):
            raise ValueError(
                "development sets cookies without Secure and is for loopback only: set GRPC_HOST to a loopback address"
            )
        return self

    @model_validator(mode="after")
    def _check_that_keys_are_published_before_they_sign(self) -> Self:
        if self.signing_key_lead_seconds >= self.signing_key_seconds:
            raise ValueError("SIGNING_KEY_LEAD_SECONDS must be less than SIGNING_KEY_SECONDS")
        return self

    @property
    def has_secure_cookies(self) -> bool:
        """Whether cookies are Secure: browsers accept these only over HTTPS, which development does not have."""
        return self.environment == "production"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
