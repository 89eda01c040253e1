import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.pii import normalise_email, normalise_phone
from chassis.process import logs


def test_email_addresses_are_normalised_to_lower_case_without_blanks() -> None:
    assert normalise_email(" A@X.com ") == normalise_email("a@x.com")


@pytest.mark.parametrize(
    "written", ["+91 98200 12345", "098200-12345", "9820012345", "0091 9820012345", "+919820012345"]
)
def test_spellings_of_a_phone_number_are_normalised_to_one(written: str) -> None:
    assert normalise_phone(written) == "+919820012345"


@pytest.mark.parametrize("written", ["", "abc", "12", "+0123456789", "+" + "9" * 30])
def test_a_malformed_phone_number_is_rejected(written: str) -> None:
    with pytest.raises(ValueError, match="phone"):
        normalise_phone(written)


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Restores the logging configuration after the test."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.basicConfig(level=level, handlers=handlers, force=True)


@pytest.mark.usefixtures("restored_logging")
def test_personal_data_is_redacted_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info")
    structlog.get_logger().info("registered", email="a@x.com", note="mail to b@y.in failed", order_id="o1")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["email"] == logs.REDACTED
    assert "b@y.in" not in line["note"]
    assert line["order_id"] == "o1"
