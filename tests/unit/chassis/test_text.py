"""Text of a request: composed Unicode, without NUL, with few combining marks per letter."""

from __future__ import annotations

import time
import unicodedata

import pytest
from jainshikanji.customer.v1.auth_service_pb2 import RegisterRequest

from chassis.contract import service_methods
from chassis.errors import InvalidArgument
from chassis.rpc.call import Call
from chassis.rpc.interceptors.text import MAX_MARKS, normalise_text

SERVICE = "jainshikanji.customer.v1.AuthService"


def call(**fields: str) -> Call:
    request = RegisterRequest(**fields)
    method = service_methods(SERVICE)[f"/{SERVICE}/Register"]
    return Call(method=method, context=None, metadata={}, raw_request=request.SerializeToString(), request=request)


@pytest.mark.parametrize("marks", ["\u0344\u0316", "\u0316\u0301", "\u0301\u0315\u0316"])
def test_thousands_of_combining_marks_are_rejected_quickly_with_their_field(marks: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(InvalidArgument) as failed:
        normalise_text(call(first_name="a" + marks * 40_000))
    assert [field for field, _ in failed.value.violations] == ["firstName"]
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        "e\u0301",
        "\u0915\u094d\u0937\u093f" * 200,
        "\U0001f469\u200d\U0001f467" * 100,
        "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd" * 50,
        "a" + "\u0301" * MAX_MARKS,
        "Vi\u1ec7t Nam" * 50,
    ],
    ids=["accent", "Devanagari", "emoji", "Hebrew", "maximum of marks", "Vietnamese"],
)
def test_text_of_real_languages_is_composed_and_otherwise_unchanged(text: str) -> None:
    made = call(first_name=unicodedata.normalize("NFD", text))
    normalise_text(made)
    assert made.request.first_name == unicodedata.normalize("NFC", text)  # type: ignore[union-attr]
