"""From an event of another service to the email in the mailbox of its recipient."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import UUID

import pytest
from jainshikanji.inventory.v1.events_pb2 import StockLow
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned
from jainshikanji.notification.v1.notification_pb2 import Channel, Dispatch, DispatchState, Notification
from jainshikanji.order.v1 import events_pb2 as order_events
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis import clock
from chassis.database import sql
from chassis.events.bus import EventMeta
from chassis.ids import new_id
from services.notification.model.dispatches import Outcome
from services.notification.model.notification_types import EMAIL
from services.notification.providers import DeliveryResult, OutgoingMessage
from services.notification.usecases import deliveries
from tests.integration.notification.conftest import Account, World, until

STORE_ID = str(new_id())


class AttemptRow(NamedTuple):
    outcome: str
    reply: str | None


class StateRow(NamedTuple):
    state: str
    reason: str | None
    attempts: int


COUNT_ENCRYPTED_FACTS = sql(
    "SELECT count(*) FROM sealed_facts JOIN notifications ON id = notification_id WHERE user_id = %(user_id)s",
    value=int,
)
DUMP_NOTIFICATIONS = sql("SELECT to_jsonb(notifications)::text FROM notifications", value=str)
DELETE_FROM_INBOX = sql("DELETE FROM inbox WHERE event_id = %(event_id)s")
COUNT_NOTIFICATIONS = sql("SELECT count(*) FROM notifications WHERE event_id = %(event_id)s", value=int)
COUNT_PENDING = sql(
    "SELECT count(*) FROM dispatches JOIN notifications ON id = notification_id "
    "WHERE event_id = %(event_id)s AND state = 'pending'",
    value=int,
)
LIST_ATTEMPTS = sql(
    "SELECT outcome, reply FROM deliveries WHERE notification_id = %(id)s ORDER BY attempt", row=AttemptRow
)
GET_STATE = sql("SELECT state, reason, attempts FROM dispatches WHERE notification_id = %(id)s", row=StateRow)
GET_STATE_OF_ORDER_EMAIL = sql(
    "SELECT state, reason, attempts FROM dispatches JOIN notifications ON id = notification_id "
    "WHERE user_id = %(user_id)s AND template = 'order_confirmed' AND channel = 'email'",
    row=StateRow,
)
# The state after another replica claimed the expired claim and died.
CLAIM_FOR_ANOTHER_REPLICA = sql(
    "UPDATE dispatches SET claim = uuidv7(), due_at = now() + interval '1 hour' FROM notifications "
    "WHERE id = notification_id AND user_id = %(user_id)s AND channel = 'email' AND state = 'pending'"
)
COUNT_POSTPONED = sql(
    "SELECT count(*) FROM dispatches JOIN notifications ON id = notification_id "
    "WHERE user_id = %(user_id)s AND channel = 'email' AND state = 'pending' AND due_at > now() + interval '2 s'",
    value=int,
)
MAKE_DUE = sql("UPDATE dispatches SET due_at = now() WHERE state = 'pending' AND claim IS NULL")
# The state after a process died between SENDING and the reply of the relay.
INSERT_INTERRUPTED = sql(
    """
    WITH notification AS (
        INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
        VALUES (uuidv7(), %(user_id)s, 'welcome', 'account', '{}', now()) RETURNING id
    )
    INSERT INTO dispatches (notification_id, channel, state, attempts, expires_at, claim, sending_at)
    SELECT id, 'email', 'sending', 1, now() + interval '1 day', uuidv7(), now() - interval '1 hour' FROM notification
    RETURNING notification_id
    """,
    value=UUID,
)
# The state after a process died between its claim and SENDING.
INSERT_CLAIMED = sql(
    """
    WITH notification AS (
        INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
        VALUES (uuidv7(), %(user_id)s, 'announcement', 'account', '{"title": "Late", "body": "b"}', now())
        RETURNING id
    )
    INSERT INTO dispatches (notification_id, channel, expires_at, claim, due_at)
    SELECT id, 'email', now() + interval '1 day', uuidv7(), now() + interval '1 second' FROM notification
    """
)


def order_created(account: Account, number: str, order_id: str) -> order_events.OrderCreated:
    event = order_events.OrderCreated(
        order_id=order_id,
        version=1,
        order_number=number,
        customer_id=str(account.id),
        store_id=STORE_ID,
        fulfilment_type=FulfilmentType.DELIVERY,
        payment_method=PaymentMethod.COD,
    )
    event.items.add(product_id=str(new_id()), name="Jain Pav Bhaji", quantity=2).subtotal.minor_units = 49800
    event.tax.minor_units = 2490
    event.total.minor_units = 52290
    event.occurred_at.GetCurrentTime()
    return event


def order_event(event_type: Any, account: Account, number: str, order_id: str) -> Any:
    event = event_type(
        order_id=order_id,
        version=2,
        order_number=number,
        customer_id=str(account.id),
        store_id=STORE_ID,
        fulfilment_type=FulfilmentType.DELIVERY,
        payment_method=PaymentMethod.COD,
    )
    event.total.minor_units = 52290
    event.occurred_at.GetCurrentTime()
    return event


def get_dispatch(notification: Notification, channel: Channel.Value.ValueType) -> Dispatch:
    (dispatch,) = [dispatch for dispatch in notification.dispatches if dispatch.channel == channel]
    return dispatch


async def test_a_new_account_gets_a_welcome_and_a_code_that_is_deleted_once_sent(world: World) -> None:
    account = await world.register()
    await world.mailbox.wait_for_email(account.email, "Welcome")
    email = await world.mailbox.wait_for_email(account.email, "verification code")
    assert "Namaste Asha" in email["text"]
    assert email["html"]

    async def is_deleted() -> bool:
        return await world.app.db.one(COUNT_ENCRYPTED_FACTS, user_id=account.id) == 0

    await until(is_deleted)


async def test_a_code_is_neither_stored_in_plain_text_nor_listed(world: World) -> None:
    account = await world.register()
    email = await world.mailbox.wait_for_email(account.email, "verification code")
    code = next(line for line in email["text"].splitlines() if len(line) == 9 and line[4] == "-")
    notification = await world.wait_for_notification(account, "welcome")
    assert notification.title == "Welcome to Jain Shikanji"
    dump = await world.app.db.all(DUMP_NOTIFICATIONS)
    assert not any(code in row or account.email in row for row in dump)


async def test_a_confirmed_order_is_emailed_once_with_its_lines_when_its_event_is_redelivered(world: World) -> None:
    account = await world.register()
    order_id = str(new_id())
    await world.consume(order_created(account, "ORD-AAAA", order_id))
    await world.consume(order_event(order_events.OrderConfirmed, account, "ORD-AAAA", order_id), times=3)
    email = await world.mailbox.wait_for_email(account.email, "ORD-AAAA")
    assert "2 x Jain Pav Bhaji: ₹498.00" in email["text"]
    assert "₹522.90" in email["text"]
    assert email["messageId"].endswith("@jainshikanji.local>")
    notification = await world.wait_for_notification(account, "order_confirmed")
    states = {item.channel: (item.state, item.reason) for item in notification.dispatches}
    assert states == {
        Channel.EMAIL: (DispatchState.SENT, ""),
        Channel.SMS: (DispatchState.SKIPPED, "PROVIDER_OFF"),
        Channel.PUSH: (DispatchState.SKIPPED, "PROVIDER_OFF"),
    }
    assert await world.mailbox.count_emails(account.email, "ORD-AAAA") == 1


async def test_orders_of_one_batch_are_each_emailed_with_their_lines(world: World) -> None:
    accounts = [await world.register() for _ in range(3)]
    events: list[Any] = []
    for number, account in enumerate(accounts):
        order_id = str(new_id())
        events += [
            order_created(account, f"ORD-F{number:03}", order_id),
            order_event(order_events.OrderConfirmed, account, f"ORD-F{number:03}", order_id),
        ]
    await world.consume_batch(events)
    for number, account in enumerate(accounts):
        email = await world.mailbox.wait_for_email(account.email, f"ORD-F{number:03}")
        assert "2 x Jain Pav Bhaji: ₹498.00" in email["text"]


async def test_an_event_that_is_redelivered_after_the_inbox_was_purged_has_no_second_effect(
    world: World,
) -> None:
    account = await world.register()
    event = order_event(order_events.OrderDelivered, account, "ORD-BBBB", str(new_id()))
    event_id = await world.consume(event)
    await world.mailbox.wait_for_email(account.email, "ORD-BBBB")
    app = world.app
    await app.db.run(DELETE_FROM_INBOX, event_id=event_id)
    meta = EventMeta(event_id, event.DESCRIPTOR.full_name, "order", "", 2, clock.now())
    await world.process.consumer.apply([(event, meta)])
    assert await app.db.one(COUNT_NOTIFICATIONS, event_id=event_id) == 1
    assert await app.db.one(COUNT_PENDING, event_id=event_id) == 0
    assert await world.mailbox.count_emails(account.email, "ORD-BBBB") == 1


async def test_every_step_of_an_order_causes_a_notification(world: World) -> None:
    account = await world.register(locale="hi")
    order_id = str(new_id())
    await world.consume(order_created(account, "ORD-CCCC", order_id))
    for event_type in (
        order_events.OrderConfirmed,
        order_events.OrderPreparing,
        order_events.OrderReady,
        order_events.OrderDispatched,
        order_events.OrderDelivered,
    ):
        await world.consume(order_event(event_type, account, "ORD-CCCC", order_id))
    points = PointsEarned(customer_id=str(account.id), order_id=order_id, points=51, balance=230)
    await world.consume(points)
    refund = RefundProcessed(refund_id=str(new_id()), order_id=order_id, customer_id=str(account.id), store_id=STORE_ID)
    refund.amount.minor_units = 10000
    await world.consume(refund)
    for subject in ("पक्का हो गया", "रास्ते में है", "आनंद से खाइए", "51 पॉइंट", "₹100.00"):
        await world.mailbox.wait_for_email(account.email, subject)
    # Notifications without an email are listed too.
    assert (await world.wait_for_notification(account, "order_preparing")).order_id == order_id
    assert (await world.wait_for_notification(account, "order_ready")).read is False


async def test_low_stock_notifies_only_the_managers_of_the_store(world: World) -> None:
    manager, chef, former = await world.register(), await world.register(), await world.register()
    store_id = str(new_id())
    for account, job in ((manager, StaffJob.MANAGER), (chef, StaffJob.CHEF), (former, StaffJob.MANAGER)):
        staff_id = str(new_id())
        grant = StaffGranted(staff_id=staff_id, version=1, account_id=str(account.id), store_id=store_id, job=job)
        await world.consume(grant)
        if account is former:
            revoked = StaffRevoked(staff_id=staff_id, version=2, account_id=str(account.id), store_id=store_id, job=job)
            await world.consume(revoked)
    await world.consume(
        StockLow(product_id=str(new_id()), store_id=store_id, product_name="Kokum", current_stock=4, min_stock=5)
    )
    email = await world.mailbox.wait_for_email(manager.email, "Stock is low: Kokum")
    assert "4 left" in email["text"]
    for other in (chef, former):
        assert await world.mailbox.count_emails(other.email, "Kokum") == 0


async def test_a_rejected_email_fails_at_once_and_a_deferred_one_is_retried(world: World) -> None:
    bounced = await world.register(email=f"bounce+{new_id().hex[-8:]}@example.org")
    notification = await world.wait_for_notification(bounced, "welcome")
    assert [(item.state, item.reason, item.attempts) for item in notification.dispatches] == [
        (DispatchState.FAILED, "REJECTED", 1)
    ]
    busy = await world.register(email=f"busy+{new_id().hex[-8:]}@example.org")
    notification = await world.wait_for_notification(busy, "welcome")
    assert [(item.state, item.reason, item.attempts) for item in notification.dispatches] == [
        (DispatchState.FAILED, "ATTEMPTS_EXHAUSTED", 3)
    ]
    attempts = await world.app.db.all(LIST_ATTEMPTS, id=UUID(notification.id))
    assert attempts == [AttemptRow(Outcome.DEFERRED, "451")] * 3


async def test_emails_that_are_sent_in_parallel_have_their_own_outcomes(world: World) -> None:
    accounts = [
        await world.register(email=f"{local_part}+{new_id().hex[-8:]}@example.org")
        for local_part in ("bounce", "fine", "busy", "good")
    ]
    for account in accounts:
        await world.wait_for_notification(account, "welcome")
    events = [order_event(order_events.OrderConfirmed, account, "ORD-GGGG", str(new_id())) for account in accounts]
    await world.consume_batch(events)
    outcomes = []
    for account in accounts:
        notification = await world.wait_for_notification(account, "order_confirmed")
        email = get_dispatch(notification, Channel.EMAIL)
        outcomes.append((email.state, email.reason, email.attempts))
    sent = (DispatchState.SENT, "", 1)
    failed = DispatchState.FAILED
    assert outcomes == [(failed, "REJECTED", 1), sent, (failed, "ATTEMPTS_EXHAUSTED", 3), sent]


async def test_an_email_whose_claim_has_expired_is_left_to_the_replica_that_claimed_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [await world.register() for _ in range(3)]
    for account in accounts:
        await world.wait_for_notification(account, "welcome")
    app, prepare = world.app, world.app.providers[EMAIL].prepare

    async def prepare_too_slowly() -> None:
        await prepare()
        await app.db.run(CLAIM_FOR_ANOTHER_REPLICA, user_id=accounts[1].id)

    monkeypatch.setattr(app.providers[EMAIL], "prepare", prepare_too_slowly)
    events = [order_event(order_events.OrderConfirmed, account, "ORD-HHHH", str(new_id())) for account in accounts]
    await world.consume_batch(events)
    for account in (accounts[0], accounts[2]):
        await world.mailbox.wait_for_email(account.email, "ORD-HHHH")
        await world.wait_for_notification(account, "order_confirmed")
    state = await app.db.one(GET_STATE_OF_ORDER_EMAIL, user_id=accounts[1].id)
    assert state == StateRow("pending", None, 0)
    assert await world.mailbox.count_emails(accounts[1].email, "ORD-HHHH") == 0


async def test_an_unexpected_failure_of_one_attempt_does_not_change_the_outcome_of_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, account = await world.register(), await world.register()
    for recipient in (failing, account):
        await world.wait_for_notification(recipient, "welcome")
    provider = world.app.providers[EMAIL]
    send = provider.send

    async def fail_for_one(message: OutgoingMessage) -> DeliveryResult:
        if message.recipient.email == failing.email:
            raise RuntimeError
        return await send(message)

    monkeypatch.setattr(provider, "send", fail_for_one)
    events = [
        order_event(order_events.OrderConfirmed, recipient, "ORD-JJJJ", str(new_id()))
        for recipient in (failing, account)
    ]
    await world.consume_batch(events)
    outcomes = []
    for recipient in (failing, account):
        notification = await world.wait_for_notification(recipient, "order_confirmed")
        email = get_dispatch(notification, Channel.EMAIL)
        outcomes.append((email.state, email.reason))
    assert outcomes == [(DispatchState.UNKNOWN, "INTERRUPTED"), (DispatchState.SENT, "")]


async def test_emails_are_postponed_while_the_relay_is_unreachable_and_then_sent_once(world: World) -> None:
    account = await world.register()
    await world.mailbox.wait_for_email(account.email, "Welcome")
    await world.mailbox.stop()
    for number in ("ORD-DDD1", "ORD-DDD2"):
        await world.consume(order_event(order_events.OrderConfirmed, account, number, str(new_id())))

    async def are_postponed() -> bool:
        return await world.app.db.one(COUNT_POSTPONED, user_id=account.id) == 2

    await until(are_postponed)
    await world.mailbox.start()
    await world.app.db.run(MAKE_DUE)
    for number in ("ORD-DDD1", "ORD-DDD2"):
        await world.mailbox.wait_for_email(account.email, number)
        assert await world.mailbox.count_emails(account.email, number) == 1


async def test_an_interrupted_attempt_becomes_unknown_is_logged_and_is_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await world.register()
    await world.mailbox.wait_for_email(account.email, "Welcome")
    app = world.app
    log = Mock()
    monkeypatch.setattr(deliveries, "log", log)
    notification_id = await app.db.one(INSERT_INTERRUPTED, user_id=account.id)
    await deliveries.mark_interrupted(app)
    # The loop of the process may have marked it before.
    await until(lambda: log.warning.called)
    log.warning.assert_called_once_with("delivery attempts were interrupted and are not repeated", attempts=1)
    assert await app.db.one(GET_STATE, id=notification_id) == StateRow("unknown", "INTERRUPTED", 1)
    assert await world.mailbox.count_emails(account.email, "Welcome") == 1


async def test_a_claim_of_a_process_that_died_before_sending_expires(world: World) -> None:
    account = await world.register()
    await world.mailbox.wait_for_email(account.email, "Welcome")
    app = world.app
    await app.db.run(INSERT_CLAIMED, user_id=account.id)
    await world.mailbox.wait_for_email(account.email, "Late")


async def test_two_replicas_send_each_email_once(world: World) -> None:
    other = await world.platform.launch(
        "notification", smtp_host="127.0.0.1", smtp_port=world.mailbox.smtp_port, smtp_tls="none"
    )
    try:
        account = await world.register()
        for number in range(20):
            await world.consume(order_event(order_events.OrderConfirmed, account, f"ORD-E{number:03}", str(new_id())))
        await asyncio.gather(
            *(deliveries.send_due(process.app) for process in (world.process, other) for _ in range(3))
        )
        for number in range(20):
            await world.mailbox.wait_for_email(account.email, f"ORD-E{number:03}")
        subjects = [email["subject"] for email in await world.mailbox.list_emails(account.email)]
        assert len(subjects) == len(set(subjects))
    finally:
        await other.stop()
