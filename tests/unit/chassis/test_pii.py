import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from chassis.pii import normalise_email, normalise_phone
from chassis.process import logs


def test_case_and_blanks_do_not_make_another_account() -> None:
    assert normalise_email(" A@X.com ") == normalise_email("a@x.com")


@pytest.mark.parametrize(
    "written", ["+91 98200 12345", "098200-12345", "9820012345", "0091 9820012345", "+919820012345"]
)
def test_a_number_is_one_number_however_it_is_written(written: str) -> None:
    assert normalise_phone(written) == "+919820012345"


@pytest.mark.parametrize("written", ["", "abc", "12", "+0123456789", "+" + "9" * 30])
def test_what_cannot_be_a_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="phone"):
        normalise_phone(written)


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    """What one test configures is not the next one's."""
    before, handlers, level = structlog.get_config(), logging.root.handlers[:], logging.root.level
    yield
    structlog.configure(**before)
    logging.basicConfig(level=level, handlers=handlers, force=True)


@pytest.mark.usefixtures("logs_as_before")
def test_personal_data_does_not_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test", "info")
    structlog.get_logger().info("registered", email="a@x.com", note="mail to b@y.in failed", order_id="o1")
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line["email"] == logs.REDACTED
    assert "b@y.in" not in line["note"]
    assert line["order_id"] == "o1"
