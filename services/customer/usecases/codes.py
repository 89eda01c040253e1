"""Codes that are sent by email: issued in a transaction, delivered to the notification service after its commit."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import DomainError
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.clients import OutgoingCode, send_code
from services.customer.errors import InvalidCode
from services.customer.model.codes import (
    EMAIL_VERIFICATION,
    PASSWORD_RESET,
    STAFF_INVITATION,
    CodeKind,
    generate_code,
    hash_code,
)
from services.customer.model.personal_data import CODE, EMAIL, format_name
from services.customer.rows import CodeDeliveryRow, CodeRow, NewCode

_BATCH = 20


async def issue_code(
    app: CustomerApp, tx: Transaction, customer_id: UUID, kind: CodeKind, store_id: UUID | None = None
) -> None:
    """Replaces the code of this kind and queues its delivery. The transaction must have locked the account."""
    code = generate_code()
    await delete_code(tx, customer_id, kind, store_id)
    new = NewCode(
        customer_id=customer_id,
        kind=kind,
        store_id=store_id,
        code_hash=hash_code(app.signing_key, code, customer_id, kind),
        expires_at=now() + _lifetime(app, kind),
    )
    code_id = await tx.one(queries.codes.INSERT_CODE, **parameters(new))
    await tx.run(queries.codes.INSERT_DELIVERY, code_id=code_id, code=app.cipher.encrypt(code, CODE))
    tx.after_commit(app.codes_waiting.set)


def _lifetime(app: CustomerApp, kind: CodeKind) -> timedelta:
    seconds = {
        EMAIL_VERIFICATION: app.settings.verification_code_seconds,
        PASSWORD_RESET: app.settings.reset_code_seconds,
        STAFF_INVITATION: app.settings.invitation_code_seconds,
    }[kind]
    return timedelta(seconds=seconds)


async def delete_code(tx: Transaction, customer_id: UUID, kind: CodeKind, store_id: UUID | None = None) -> None:
    """Deletes the account's code of this kind, if there is one."""
    await tx.run(queries.codes.DELETE_CODE_OF_KIND, customer_id=customer_id, kind=kind, store_id=store_id)


def match_code(app: CustomerApp, candidates: Sequence[CodeRow], code: str) -> CodeRow:
    """The candidate that has this code. Raises InvalidCode."""
    for row in candidates:
        expected = hash_code(app.signing_key, code, row.customer_id, row.kind)
        if hmac.compare_digest(bytes(row.code_hash), expected):
            return row
    raise InvalidCode


async def redeem_code(tx: Transaction, code: CodeRow) -> None:
    """Deletes the code. Raises InvalidCode when a concurrent request has redeemed it."""
    if not await tx.run(queries.codes.REDEEM_CODE, id=code.id):
        raise InvalidCode


async def deliver_codes(app: CustomerApp) -> None:
    """Passes waiting codes to the notification service; failed deliveries are repeated until the code expires."""
    await app.db.run(queries.codes.PURGE_CODES)
    while waiting := await app.db.all(queries.codes.CLAIM_DELIVERIES, limit=_BATCH):
        for row in waiting:
            try:
                await send_code(app.channels, _decrypt_delivery(app, row))
            except DomainError as error:
                app.log.warning("code delivery failed", kind=row.kind, attempts=row.attempts, error=str(error))
            else:
                await app.db.run(queries.codes.DELETE_DELIVERY, code_id=row.code_id)


def _decrypt_delivery(app: CustomerApp, row: CodeDeliveryRow) -> OutgoingCode:
    return OutgoingCode(
        customer_id=row.customer_id,
        kind=row.kind,
        email=app.cipher.decrypt(row.email, EMAIL),
        name=format_name(row),
        code=app.cipher.decrypt(row.code, CODE),
        expires_at=row.expires_at,
        locale=row.locale,
    )
