"""Settings of the baseline, read from environment variables."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class BaselineSettings(BaseSettings):
    """Prefix `BASELINE_`."""

    model_config = SettingsConfigDict(env_prefix="BASELINE_")

    variant: Literal["orm", "raw"]
    database_url: str
    # A JSON Web Key Set: the platform's own.
    jwks: Path
    token_issuer: str
    token_audience: str
    # Connections of one process.
    pool_size: int = 16


@cache
def settings() -> BaselineSettings:
    """Read once."""
    return BaselineSettings()  # type: ignore[call-arg]  # from the environment
