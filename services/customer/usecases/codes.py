"""Codes that prove a mailbox: made here, kept as a keyed hash, handed to notification once they are committed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from jainshikanji.notification.v1 import notification_service_pb2 as notification
from jainshikanji.notification.v1.notification_service_pb2_grpc import NotificationServiceStub

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import DomainError
from chassis.security.encryption import keyed_digest
from chassis.timestamps import timestamp_to_proto
from services.customer import model, wire
from services.customer.app import CustomerApp
from services.customer.model import InvalidCode
from services.customer.queries import codes as q

# No letter or digit that is taken for another one. Eight of them are 40 bits against five tries.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8
TRIES = 5
_GROUP = 4
_BATCH = 20
_HAND_OVER_SECONDS = 5.0
SEALED_AS = "code_deliveries.code"

_KINDS = {
    model.EMAIL_VERIFICATION: notification.CodeKind.EMAIL_VERIFICATION,
    model.PASSWORD_RESET: notification.CodeKind.PASSWORD_RESET,
    model.STAFF_INVITATION: notification.CodeKind.STAFF_INVITATION,
}


def generate() -> str:
    """A fresh code, as the mail shows it: `7KQM-2XPD`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{code[:_GROUP]}-{code[_GROUP:]}"


def normalise(code: str) -> str:
    """What was typed, without dashes, blanks and case."""
    return "".join(letter for letter in code.upper() if letter in ALPHABET)


def hashed(app: CustomerApp, code: str, customer_id: UUID, kind: str) -> bytes:
    """Keyed, because 40 bits can be searched through; bound to account and kind, because codes are not exchangeable."""
    return keyed_digest(app.signing_key, "code", customer_id, kind, normalise(code))


async def issue(app: CustomerApp, tx: Transaction, customer_id: UUID, kind: str, store_id: UUID | None = None) -> None:
    """Makes a code in place of the one before and queues it. The account's row must be held by the transaction."""
    code = generate()
    life = {
        model.EMAIL_VERIFICATION: app.settings.verification_code_seconds,
        model.PASSWORD_RESET: app.settings.reset_code_seconds,
        model.STAFF_INVITATION: app.settings.invitation_code_seconds,
    }[kind]
    await tx.run(q.DROP_CODE, customer_id=customer_id, kind=kind, store_id=store_id)
    code_id = await tx.value(
        q.INSERT_CODE,
        customer_id=customer_id,
        kind=kind,
        store_id=store_id,
        code_hash=hashed(app, code, customer_id, kind),
        expires_at=now() + timedelta(seconds=life),
    )
    await tx.run(q.INSERT_DELIVERY, code_id=code_id, code=app.cipher.encrypt(code, SEALED_AS))
    tx.after_commit(app.codes_wait.set)


def matching(app: CustomerApp, tried: Sequence[Row], code: str) -> Row:
    """Which of the codes that were tried it is. Raises InvalidCode."""
    found = [
        row for row in tried if hmac.compare_digest(bytes(row.code_hash), hashed(app, code, row.customer_id, row.kind))
    ]
    if not found:
        raise InvalidCode
    return found[0]


async def use(tx: Transaction, code: Row) -> None:
    """Spends the code. Raises InvalidCode when somebody else was faster."""
    if not await tx.run(q.USE_CODE, id=code.id):
        raise InvalidCode


async def hand_over(app: CustomerApp) -> None:
    """Gives waiting codes to notification. What it does not take now is tried again until the code expires."""
    await app.db.run(q.FORGET_CODES)
    while waiting := await app.db.all(q.CLAIM_DELIVERIES, limit=_BATCH):
        for row in waiting:
            try:
                await _send(app, row)
            except DomainError as error:
                app.log.warning("a code waits for notification", kind=row.kind, tries=row.attempts, error=str(error))
            else:
                await app.db.run(q.DELIVERED, code_id=row.code_id)


async def _send(app: CustomerApp, row: Row) -> None:
    request = notification.SendCodeRequest(
        customer_id=str(row.customer_id),
        kind=_KINDS[row.kind],
        email=wire.opened(app.cipher, row.email, wire.EMAIL),
        name=wire.name(row),
        code=app.cipher.decrypt(row.code, SEALED_AS),
        expires_at=timestamp_to_proto(row.expires_at),
        locale=row.locale,
    )
    await app.channels.stub("notification", NotificationServiceStub).SendCode(request, timeout=_HAND_OVER_SECONDS)
