import pytest

from chassis import ServiceSettings

KEY = "a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2U="
COMPLETE = {"DATABASE_URL": "postgresql://x", "FIELD_KEYS": f"k1:{KEY}", "INDEX_KEY": KEY, "SIGNING_KEY": KEY}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in COMPLETE.items():
        monkeypatch.setenv(f"ORDER_{name}", value)
    return monkeypatch


def test_settings_are_read_with_the_prefix_of_the_service(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ORDER_GRPC_PORT", "6000")
    environment.setenv("STORE_GRPC_PORT", "7000")
    assert ServiceSettings.load("order").grpc_port == 6000


def test_a_missing_setting_is_named_in_a_sentence(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("ORDER_INDEX_KEY")
    with pytest.raises(SystemExit, match="setting ORDER_INDEX_KEY: Field required"):
        ServiceSettings.load("order")


def test_a_malformed_setting_is_named_in_a_sentence(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ORDER_GRPC_PORT", "many")
    with pytest.raises(SystemExit, match="setting ORDER_GRPC_PORT"):
        ServiceSettings.load("order")


def test_secrets_are_hidden_in_printed_settings(environment: pytest.MonkeyPatch) -> None:
    assert KEY not in repr(ServiceSettings.load("order"))
