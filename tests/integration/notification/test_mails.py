"""From an event of another service to a mail that somebody can read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jainshikanji.inventory.v1.events_pb2 import StockLow
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned
from jainshikanji.notification.v1.notification_pb2 import Channel, DispatchState
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
from services.notification.providers import Parcel, Report
from tests.integration.notification.conftest import Person, World, until

ORDER_ID, STORE_ID = str(new_id()), str(new_id())


def created(person: Person, number: str, order_id: str) -> order_events.OrderCreated:
    event = order_events.OrderCreated(
        order_id=order_id,
        version=1,
        order_number=number,
        customer_id=str(person.id),
        store_id=STORE_ID,
        fulfilment_type=FulfilmentType.DELIVERY,
        payment_method=PaymentMethod.COD,
    )
    event.items.add(product_id=str(new_id()), name="Jain Pav Bhaji", quantity=2).subtotal.minor_units = 49800
    event.tax.minor_units = 2490
    event.total.minor_units = 52290
    event.occurred_at.GetCurrentTime()
    return event


def later(kind: Any, person: Person, number: str, order_id: str) -> Any:
    event = kind(
        order_id=order_id,
        version=2,
        order_number=number,
        customer_id=str(person.id),
        store_id=STORE_ID,
        fulfilment_type=FulfilmentType.DELIVERY,
        payment_method=PaymentMethod.COD,
    )
    event.total.minor_units = 52290
    event.occurred_at.GetCurrentTime()
    return event


async def test_a_new_account_gets_a_welcome_and_a_code_that_is_kept_nowhere(world: World) -> None:
    person = await world.register()
    await world.mailbox.mail(person.email, "Welcome")
    mail = await world.mailbox.mail(person.email, "verification code")
    assert "Namaste Asha" in mail["text"]
    assert mail["html"]
    left = sql(
        """
        SELECT count(*) FROM sealed_facts JOIN notifications ON id = notification_id WHERE user_id = %(user_id)s
        """
    )
    await until(lambda: _is_zero(world, left, person))


async def _is_zero(world: World, what: Any, person: Person) -> bool:
    return await world.process.app.db.value(what, user_id=person.id) == 0


async def test_a_code_is_never_in_the_database_in_the_clear_nor_in_the_list(world: World) -> None:
    person = await world.register()
    mail = await world.mailbox.mail(person.email, "verification code")
    code = next(line for line in mail["text"].splitlines() if len(line) == 9 and line[4] == "-")
    told = await world.told(person, "welcome")
    assert told.title == "Welcome to Jain Shikanji"
    dump = await world.process.app.db.all(sql("SELECT to_jsonb(notifications)::text AS row FROM notifications"))
    assert not any(code in row.row or person.email in row.row for row in dump)


async def test_a_confirmed_order_is_mailed_with_its_lines_once_though_its_event_comes_thrice(world: World) -> None:
    person = await world.register()
    order_id = str(new_id())
    await world.publish(created(person, "ORD-AAAA", order_id))
    await world.publish(later(order_events.OrderConfirmed, person, "ORD-AAAA", order_id), times=3)
    mail = await world.mailbox.mail(person.email, "ORD-AAAA")
    assert "2 x Jain Pav Bhaji: ₹498.00" in mail["text"]
    assert "₹522.90" in mail["text"]
    assert mail["messageId"].endswith("@jainshikanji.local>")
    told = await world.told(person, "order_confirmed")
    states = {item.channel: (item.state, item.reason) for item in told.dispatches}
    assert states == {
        Channel.EMAIL: (DispatchState.SENT, ""),
        Channel.SMS: (DispatchState.SKIPPED, "PROVIDER_OFF"),
        Channel.PUSH: (DispatchState.SKIPPED, "PROVIDER_OFF"),
    }
    assert len([mail for mail in await world.mailbox.mails(person.email) if "ORD-AAAA" in mail["subject"]]) == 1


async def test_orders_that_are_heard_together_are_each_mailed_with_their_lines(world: World) -> None:
    people = [await world.register() for _ in range(3)]
    events: list[Any] = []
    for number, person in enumerate(people):
        order_id = str(new_id())
        events += [
            created(person, f"ORD-F{number:03}", order_id),
            later(order_events.OrderConfirmed, person, f"ORD-F{number:03}", order_id),
        ]
    await world.publish_together(events)
    for number, person in enumerate(people):
        mail = await world.mailbox.mail(person.email, f"ORD-F{number:03}")
        assert "2 x Jain Pav Bhaji: ₹498.00" in mail["text"]


async def test_an_event_that_the_inbox_has_forgotten_still_tells_nobody_twice(world: World) -> None:
    person = await world.register()
    event = later(order_events.OrderDelivered, person, "ORD-BBBB", str(new_id()))
    event_id = await world.publish(event)
    await world.mailbox.mail(person.email, "ORD-BBBB")
    app = world.process.app
    await app.db.run(sql("DELETE FROM inbox WHERE event_id = %(event_id)s"), event_id=event_id)
    meta = EventMeta(event_id, event.DESCRIPTOR.full_name, "order", "", 2, clock.now())
    await world.process.consumer.apply([(event, meta)])
    rows = sql("SELECT count(*) FROM notifications WHERE event_id = %(event_id)s")
    assert await app.db.value(rows, event_id=event_id) == 1
    pending = sql(
        "SELECT count(*) FROM dispatches JOIN notifications ON id = notification_id "
        "WHERE event_id = %(event_id)s AND state = 'pending'"
    )
    assert await app.db.value(pending, event_id=event_id) == 0
    assert len([mail for mail in await world.mailbox.mails(person.email) if "ORD-BBBB" in mail["subject"]]) == 1


async def test_the_whole_road_of_an_order_is_told(world: World) -> None:
    person = await world.register(locale="hi")
    order_id = str(new_id())
    await world.publish(created(person, "ORD-CCCC", order_id))
    for kind in (
        order_events.OrderConfirmed,
        order_events.OrderPreparing,
        order_events.OrderReady,
        order_events.OrderDispatched,
        order_events.OrderDelivered,
    ):
        await world.publish(later(kind, person, "ORD-CCCC", order_id))
    points = PointsEarned(customer_id=str(person.id), order_id=order_id, points=51, balance=230)
    await world.publish(points)
    refund = RefundProcessed(refund_id=str(new_id()), order_id=order_id, customer_id=str(person.id), store_id=STORE_ID)
    refund.amount.minor_units = 10000
    await world.publish(refund)
    for subject in ("पक्का हो गया", "रास्ते में है", "आनंद से खाइए", "51 पॉइंट", "₹100.00"):
        await world.mailbox.mail(person.email, subject)
    # What has no mail is in the list all the same.
    assert (await world.told(person, "order_preparing")).order_id == order_id
    assert (await world.told(person, "order_ready")).read is False


async def test_low_stock_is_told_to_the_managers_of_that_store_alone(world: World) -> None:
    manager, chef, former = await world.register(), await world.register(), await world.register()
    store_id = str(new_id())
    for person, job in ((manager, StaffJob.MANAGER), (chef, StaffJob.CHEF), (former, StaffJob.MANAGER)):
        staff_id = str(new_id())
        grant = StaffGranted(staff_id=staff_id, version=1, account_id=str(person.id), store_id=store_id, job=job)
        await world.publish(grant)
        if person is former:
            revoked = StaffRevoked(staff_id=staff_id, version=2, account_id=str(person.id), store_id=store_id, job=job)
            await world.publish(revoked)
    await world.publish(
        StockLow(product_id=str(new_id()), store_id=store_id, product_name="Kokum", current_stock=4, min_stock=5)
    )
    mail = await world.mailbox.mail(manager.email, "Stock is low: Kokum")
    assert "4 left" in mail["text"]
    for other in (chef, former):
        assert not [mail for mail in await world.mailbox.mails(other.email) if "Kokum" in mail["subject"]]


async def test_an_address_that_bounces_fails_once_and_one_that_is_busy_is_tried_again(world: World) -> None:
    bounced = await world.register(email=f"bounce+{new_id().hex[-8:]}@example.org")
    told = await world.told(bounced, "welcome")
    assert [(item.state, item.reason, item.attempts) for item in told.dispatches] == [
        (DispatchState.FAILED, "REJECTED", 1)
    ]
    busy = await world.register(email=f"busy+{new_id().hex[-8:]}@example.org")
    told = await world.told(busy, "welcome")
    assert [(item.state, item.reason, item.attempts) for item in told.dispatches] == [
        (DispatchState.FAILED, "ATTEMPTS_EXHAUSTED", 3)
    ]
    log = sql("SELECT outcome, reply FROM deliveries WHERE notification_id = %(id)s ORDER BY attempt")
    attempts = await world.process.app.db.all(log, id=told.id)
    assert [tuple(row) for row in attempts] == [("refused", "451")] * 3


async def test_mails_that_go_out_together_come_to_different_ends(world: World) -> None:
    people = [
        await world.register(email=f"{word}+{new_id().hex[-8:]}@example.org")
        for word in ("bounce", "fine", "busy", "good")
    ]
    for person in people:
        await world.told(person, "welcome")
    events = [later(order_events.OrderConfirmed, person, "ORD-GGGG", str(new_id())) for person in people]
    await world.publish_together(events)
    ends = []
    for person in people:
        told = await world.told(person, "order_confirmed")
        ends += [(item.state, item.reason, item.attempts) for item in told.dispatches if item.channel == Channel.EMAIL]
    sent = (DispatchState.SENT, "", 1)
    failed = DispatchState.FAILED
    assert ends == [(failed, "REJECTED", 1), sent, (failed, "ATTEMPTS_EXHAUSTED", 3), sent]


async def test_of_mails_that_go_out_together_one_whose_claim_ran_out_is_left_to_its_new_owner(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await world.register() for _ in range(3)]
    for person in people:
        await world.told(person, "welcome")
    app, prepare = world.process.app, world.process.app.providers["email"].prepare
    # As another replica leaves it that came after the claim had run out, and died.
    taken_over = sql(
        "UPDATE dispatches SET claim = uuidv7(), due_at = now() + interval '1 hour' FROM notifications "
        "WHERE id = notification_id AND user_id = %(user_id)s AND channel = 'email' AND state = 'pending'"
    )

    async def prepare_too_slowly() -> None:
        await prepare()
        await app.db.run(taken_over, user_id=people[1].id)

    monkeypatch.setattr(app.providers["email"], "prepare", prepare_too_slowly)
    events = [later(order_events.OrderConfirmed, person, "ORD-HHHH", str(new_id())) for person in people]
    await world.publish_together(events)
    for person in (people[0], people[2]):
        await world.mailbox.mail(person.email, "ORD-HHHH")
        await world.told(person, "order_confirmed")
    left = sql(
        "SELECT state, attempts FROM dispatches JOIN notifications ON id = notification_id "
        "WHERE user_id = %(user_id)s AND template = 'order_confirmed' AND channel = 'email'"
    )
    assert tuple(await app.db.one(left, user_id=people[1].id)) == ("pending", 0)
    assert not [mail for mail in await world.mailbox.mails(people[1].email) if "ORD-HHHH" in mail["subject"]]


async def test_a_hand_over_that_breaks_off_leaves_the_others_as_they_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlucky, person = await world.register(), await world.register()
    for somebody in (unlucky, person):
        await world.told(somebody, "welcome")
    provider = world.process.app.providers["email"]
    hand_over = provider.hand_over

    async def break_off(parcel: Parcel) -> Report:
        if parcel.recipient.email == unlucky.email:
            raise RuntimeError
        return await hand_over(parcel)

    monkeypatch.setattr(provider, "hand_over", break_off)
    events = [later(order_events.OrderConfirmed, somebody, "ORD-JJJJ", str(new_id())) for somebody in (unlucky, person)]
    await world.publish_together(events)
    ends = []
    for somebody in (unlucky, person):
        told = await world.told(somebody, "order_confirmed")
        ends += [(item.state, item.reason) for item in told.dispatches if item.channel == Channel.EMAIL]
    assert ends == [(DispatchState.UNKNOWN, "INTERRUPTED"), (DispatchState.SENT, "")]


async def test_mails_wait_while_the_relay_is_away_and_none_is_lost_or_doubled(world: World) -> None:
    person = await world.register()
    await world.mailbox.mail(person.email, "Welcome")
    await world.mailbox.stop()
    for number in ("ORD-DDD1", "ORD-DDD2"):
        await world.publish(later(order_events.OrderConfirmed, person, number, str(new_id())))
    waiting = sql(
        "SELECT count(*) FROM dispatches JOIN notifications ON id = notification_id "
        "WHERE user_id = %(user_id)s AND channel = 'email' AND state = 'pending' AND due_at > now() + interval '2 s'"
    )

    async def both_wait() -> bool:
        return bool(await world.process.app.db.value(waiting, user_id=person.id) == 2)

    await until(both_wait)
    await world.mailbox.start()
    await world.process.app.db.run(
        sql("UPDATE dispatches SET due_at = now() WHERE state = 'pending' AND claim IS NULL")
    )
    for number in ("ORD-DDD1", "ORD-DDD2"):
        await world.mailbox.mail(person.email, number)
        assert len([mail for mail in await world.mailbox.mails(person.email) if number in mail["subject"]]) == 1


async def test_a_hand_over_that_was_cut_off_becomes_unknown_and_is_not_repeated(world: World) -> None:
    person = await world.register()
    await world.mailbox.mail(person.email, "Welcome")
    app = world.process.app
    # As a process leaves it that died between SENDING and the relay's answer.
    cut_off = sql(
        """
        WITH told AS (
            INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
            VALUES (uuidv7(), %(user_id)s, 'welcome', 'account', '{}', now()) RETURNING id
        )
        INSERT INTO dispatches (notification_id, channel, state, attempts, expires_at, claim, sending_at)
        SELECT id, 'email', 'sending', 1, now() + interval '1 day', uuidv7(), now() - interval '1 hour' FROM told
        RETURNING notification_id
        """
    )
    notification_id = await app.db.value(cut_off, user_id=person.id)
    state = sql("SELECT state, reason FROM dispatches WHERE notification_id = %(id)s")

    async def is_unknown() -> bool:
        row = await app.db.one(state, id=notification_id)
        return tuple(row) == ("unknown", "INTERRUPTED")

    from services.notification.usecases.sending import give_up_interrupted

    await give_up_interrupted(app)
    await until(is_unknown)
    assert len([mail for mail in await world.mailbox.mails(person.email) if "Welcome" in mail["subject"]]) == 1


async def test_a_claim_of_a_process_that_died_before_sending_comes_free(world: World) -> None:
    person = await world.register()
    await world.mailbox.mail(person.email, "Welcome")
    app = world.process.app
    claimed = sql(
        """
        WITH told AS (
            INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
            VALUES (uuidv7(), %(user_id)s, 'announcement', 'account', '{"title": "Late", "body": "b"}', now())
            RETURNING id
        )
        INSERT INTO dispatches (notification_id, channel, expires_at, claim, due_at)
        SELECT id, 'email', now() + interval '1 day', uuidv7(), now() + interval '1 second' FROM told
        """
    )
    await app.db.run(claimed, user_id=person.id)
    await world.mailbox.mail(person.email, "Late")


async def test_two_replicas_mail_each_message_once(world: World) -> None:
    other = await world.platform.launch(
        "notification", smtp_host="127.0.0.1", smtp_port=world.mailbox.smtp_port, smtp_tls="none"
    )
    try:
        person = await world.register()
        from services.notification.usecases.sending import send_due

        for number in range(20):
            await world.publish(later(order_events.OrderConfirmed, person, f"ORD-E{number:03}", str(new_id())))
        await asyncio.gather(*(send_due(process.app) for process in (world.process, other) for _ in range(3)))
        for number in range(20):
            await world.mailbox.mail(person.email, f"ORD-E{number:03}")
        subjects = [mail["subject"] for mail in await world.mailbox.mails(person.email)]
        assert len(subjects) == len(set(subjects))
    finally:
        await other.stop()
