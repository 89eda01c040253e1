"""Finds every statement of a service and the columns that it returns, as PostgreSQL describes them."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import re
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import psycopg

from chassis.database import Statement
from chassis.database import statements as compiler

# The Python types in which psycopg loads a column, by PostgreSQL's name of its type.
LOADED_AS: dict[str, tuple[Any, ...]] = {
    "uuid": (UUID,),
    "text": (str,),
    "varchar": (str,),
    "bpchar": (str,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "bool": (bool,),
    "float8": (float,),
    "numeric": (Decimal,),
    "timestamptz": (datetime,),
    "date": (date,),
    "time": (time,),
    "interval": (timedelta,),
    "bytea": (bytes,),
    "inet": (object,),
    # Types that psycopg does not know, such as void.
    "?": (object,),
    "json": (dict, list, object),
    "jsonb": (dict, list, object),
}
_PARAMETER = re.compile(r"%\((\w+)\)s")


def statements_of(package: str) -> dict[str, Statement[Any]]:
    """The statements of a package by `module.NAME`; of functions that make statements, every variant."""
    found: dict[str, Statement[Any]] = {}
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if ".migrations" in info.name or info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        if module is compiler:
            continue
        for name, value in vars(module).items():
            for variant, each in _statements(name, value, module.__name__):
                found[f"{module.__name__}.{variant}"] = each
    return found


def _statements(name: str, value: Any, module: str) -> Iterator[tuple[str, Statement[Any]]]:
    if isinstance(value, Statement):
        yield name, value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _statements(f"{name}.{field.name}", getattr(value, field.name), module)
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _statements(f"{name}[{key}]", each, module)
    elif (
        not name.startswith("_")
        and getattr(value, "__module__", None) == module
        and callable(value)
        and not isinstance(value, type)
    ):
        function = inspect.unwrap(value)
        if not isinstance(function, types.FunctionType):
            return
        if "Statement[" in str(function.__annotations__.get("return", "")):
            hints = get_type_hints(function, include_extras=True)
            del hints["return"]
            choices = [[(key, choice) for choice in _choices(hint)] for key, hint in hints.items()]
            for chosen in itertools.product(*choices):
                yield f"{name}({', '.join(f'{key}={choice}' for key, choice in chosen)})", value(**dict(chosen))


def _choices(hint: Any) -> list[Any]:
    """The values of a parameter: both of a bool, all of a Literal, of a set of Literals none, each and all."""
    if hint is bool:
        return [False, True]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) in (frozenset, tuple):
        values = list(get_args(get_args(hint)[0]))
        make = get_origin(hint)
        empty = [make()] if make is frozenset else []
        return [*empty, *(make([value]) for value in values), make(values)]
    raise TypeError(f"a statement may vary by bool, Literal, frozenset[Literal], tuple[Literal, ...], not {hint}")


def result_columns(connection: psycopg.Connection[Any], what: Statement[Any]) -> list[tuple[str, str]]:
    """Name and type of each column that the statement returns; PostgreSQL plans it, nothing runs."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match.group(1) not in names:
            names.append(match.group(1))
        return f"${names.index(match.group(1)) + 1}"

    text = _PARAMETER.sub(number, what.text.decode()).replace("%%", "%")
    prepared = connection.pgconn.prepare(b"", text.encode())
    if prepared.error_message:
        raise AssertionError(prepared.error_message.decode())
    described = connection.pgconn.describe_prepared(b"")
    columns = []
    for place in range(described.nfields):
        name = (described.fname(place) or b"").decode()
        info = connection.adapters.types.get(described.ftype(place))
        is_array = info is not None and described.ftype(place) == info.array_oid
        columns.append((name, f"{info.name}[]" if is_array and info else info.name if info else "?"))
    return columns


def is_loaded_as(hint: Any, sql_type: str) -> bool:
    """Whether a field of this type may hold what psycopg loads for the column's type."""
    if get_origin(hint) is Annotated:
        return is_loaded_as(get_args(hint)[0], sql_type)
    if get_origin(hint) in (Union, types.UnionType):
        return all(is_loaded_as(each, sql_type) for each in get_args(hint) if each is not types.NoneType)
    if hint is Any:
        return sql_type in ("json", "jsonb")
    if sql_type.endswith("[]"):
        return get_origin(hint) is list and is_loaded_as(get_args(hint)[0], sql_type.removesuffix("[]"))
    if get_origin(hint) is Literal:
        return sql_type in ("text", "varchar")
    return (get_origin(hint) or hint) in LOADED_AS.get(sql_type, ())
