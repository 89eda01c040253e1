"""The tables of the chassis in every service's database: outbox, inbox, dead letters, idempotency keys, leases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

ENCRYPTED = "encrypted"
# A column that the field cipher encrypts with `table.column` as its context; `rotate-keys` finds it by this mark.
Encrypted: TypeAlias = Annotated[bytes, mapped_column(LargeBinary, info={ENCRYPTED: True})]

# What `Mapped[...]` means in a model, unless mapped_column says otherwise.
type_annotations = {UUID: Uuid(), datetime: DateTime(timezone=True), str: Text(), bytes: LargeBinary()}


def service_metadata() -> MetaData:
    """Metadata for a service's model, with the tables of the chassis."""
    metadata = MetaData()
    Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False, unique=True),
        Column("type", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("version", Integer, nullable=False, server_default=text("0")),
        Column("payload", LargeBinary, nullable=False),
        Column("trace_parent", Text),
        Column("occurred_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("published_at", DateTime(timezone=True)),
        Index("idx_outbox_unpublished", "seq", postgresql_where=text("published_at IS NULL")),
    )
    Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("idx_inbox_handled_at", "handled_at"),
    )
    Table(
        "dead_letters",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("type", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("version", Integer, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
        Column("dead_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("attempts", Integer, nullable=False),
        Column("error", Text, nullable=False),
        Index("idx_dead_letters_dead_at", "dead_at", "event_id"),
    )
    Table(
        "idempotency_keys",
        metadata,
        Column("caller", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("body_hash", LargeBinary, nullable=False),
        Column("result_id", Uuid),
        Column("refusal", LargeBinary),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("caller", "method", "key"),
        Index("idx_idempotency_keys_created_at", "created_at"),
    )
    Table(
        "leases",
        metadata,
        Column("name", Text, primary_key=True),
        Column("holder", Uuid, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
    )
    return metadata


def table_of(model: type[DeclarativeBase]) -> Table:
    """The table of a mapped class, for Core statements."""
    return cast(Table, model.__table__)
