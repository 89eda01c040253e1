import pytest
from jainshikanji.operations.v1.dead_letter_service_pb2 import ListDeadLettersRequest

from chassis.errors import InvalidArgument
from chassis.rpc.pagination import Pages

ROWS = [(f"2026-01-0{day}", str(day)) for day in range(1, 8)]
PAGES = Pages(b"k" * 32)


def first_token(size: int = 3, pages: Pages = PAGES) -> str:
    return pages.open(ListDeadLettersRequest(page_size=size)).next_token(ROWS, lambda row: row)


def test_a_page_starts_after_the_last_row_shown() -> None:
    page = PAGES.open(ListDeadLettersRequest(page_size=3, page_token=first_token(3)))
    assert page.after == ROWS[2]


def test_the_last_page_has_no_token() -> None:
    page = PAGES.open(ListDeadLettersRequest(page_size=10))
    assert page.next_token(ROWS, lambda row: row) == ""
    assert list(page.trim(ROWS)) == ROWS


def test_the_page_size_may_change_between_pages() -> None:
    assert PAGES.open(ListDeadLettersRequest(page_size=50, page_token=first_token(3))).after == ROWS[2]


def test_the_page_size_has_a_default_and_a_maximum() -> None:
    assert PAGES.open(ListDeadLettersRequest(), default_size=20).size == 20
    assert PAGES.open(ListDeadLettersRequest(page_size=100_000)).size == 100


@pytest.mark.parametrize("token", ["x", "a.b", ".", "W10.AAAA", "%%%", "😀", first_token()[:-2] + "AA"])
def test_a_forged_token_is_rejected(token: str) -> None:
    with pytest.raises(InvalidArgument):
        PAGES.open(ListDeadLettersRequest(page_token=token))


def test_a_token_signed_with_another_key_is_rejected() -> None:
    with pytest.raises(InvalidArgument):
        PAGES.open(ListDeadLettersRequest(page_token=first_token(pages=Pages(b"other" * 8))))
