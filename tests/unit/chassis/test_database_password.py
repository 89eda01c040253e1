"""The separate password setting is inserted into the database URLs."""

from __future__ import annotations

from pydantic import SecretStr

from chassis import ServiceSettings

KEYS = {"field_keys": "1:a", "index_key": "a", "signing_key": "a"}


def _settings(**values: str) -> ServiceSettings:
    return ServiceSettings(**KEYS, **values)  # type: ignore[arg-type]


def _text(url: SecretStr | None) -> str:
    return url.get_secret_value() if url else ""


def test_the_password_is_inserted_into_every_url_without_one() -> None:
    settings = _settings(
        database_url="postgresql://order@pooler:5432/order_db?sslmode=require",
        listen_url="postgresql://order@primary/order_db",
        read_url="postgresql://reader:own@replica/order_db",
        database_password="p@ss/word%",
    )
    assert _text(settings.database_url) == "postgresql://order:p%40ss%2Fword%25@pooler:5432/order_db?sslmode=require"
    assert _text(settings.listen_url) == "postgresql://order:p%40ss%2Fword%25@primary/order_db"
    assert _text(settings.read_url) == "postgresql://reader:own@replica/order_db"


def test_without_a_password_urls_are_unchanged() -> None:
    settings = _settings(database_url="postgresql://order:known@db/order_db")
    assert _text(settings.database_url) == "postgresql://order:known@db/order_db"
    assert settings.listen_url is None
