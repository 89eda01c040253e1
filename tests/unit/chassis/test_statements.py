from uuid import UUID

import pytest
from sqlalchemy import ARRAY, Column, Integer, MetaData, Table, Text, Uuid, any_, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import Jsonb, sql, statement

dishes = Table(
    "dishes", MetaData(), Column("id", Uuid), Column("name", Text), Column("tags", JSONB), Column("price", Integer)
)


def test_a_statement_is_compiled_once_with_named_parameters() -> None:
    found = statement(select(dishes.c.name).where(dishes.c.id == bindparam("id")))
    assert b"%(id)s" in found.text
    assert found.bind({"id": UUID(int=1)}) == {"id": UUID(int=1)}


def test_constants_of_the_statement_need_no_parameter() -> None:
    found = statement(select(dishes.c.name).where(dishes.c.price == 5))
    assert 5 in found.bind({}).values()


def test_json_columns_are_wrapped() -> None:
    found = statement(insert(dishes), columns=("id", "tags"))
    assert isinstance(found.bind({"id": UUID(int=1), "tags": ["sweet"]})["tags"], Jsonb)


def test_an_update_names_the_columns_it_sets() -> None:
    found = statement(update(dishes).where(dishes.c.id == bindparam("dish_id")), columns=("name",))
    assert b"SET name=%(name)s" in found.text


def test_lists_are_compared_with_any_and_never_with_in() -> None:
    statement(select(dishes.c.name).where(dishes.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))))
    with pytest.raises(ValueError, match="any_"):
        statement(select(dishes.c.name).where(dishes.c.id.in_(bindparam("ids", expanding=True))))


def test_plain_sql_runs_as_it_is() -> None:
    assert sql("SELECT %(x)s::int").text == b"SELECT %(x)s::int"
