"""The benchmark's monolith can be started: uvicorn finds its app by name."""

from __future__ import annotations

from uvicorn.importer import import_from_string

from bench.baseline.__main__ import APP


def test_the_name_of_the_app_is_a_function() -> None:
    assert callable(import_from_string(APP))
