"""The rpcs: lists, read marks, preferences, announcements, texts."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned
from jainshikanji.notification.v1 import notification_service_pb2 as pb
from jainshikanji.notification.v1.notification_pb2 import Category, Channel, DispatchState

from chassis import clock
from chassis.database import sql
from chassis.ids import new_id
from tests.harness import admin, customer, nobody, refusal, service
from tests.integration.notification.conftest import World, until

MARKETING, ACCOUNT = Category.MARKETING, Category.ACCOUNT


def announcement(user_id: object, **more: object) -> pb.SendNotificationRequest:
    words = {"title": "A new dish", "body": "Come & <taste> it.", "reason": "launch of the new dish"}
    return pb.SendNotificationRequest(**{"user_id": str(user_id), "category": ACCOUNT, **words, **more})  # type: ignore[arg-type]


async def test_an_announcement_reaches_one_person_and_keeps_its_reason(world: World) -> None:
    person, boss = await world.register(), admin()
    told = await world.asking(boss).SendNotification(announcement(person.id))
    assert (told.title, told.body, told.template) == ("A new dish", "Come & <taste> it.", "announcement")
    mail = await world.mailbox.mail(person.email, "A new dish")
    assert "Come & <taste> it." in mail["text"]
    assert "Come &amp; &lt;taste&gt; it." in mail["html"]
    kept = await world.process.app.db.one(
        sql("SELECT sent_because, sent_by FROM notifications WHERE id = %(id)s"), id=told.id
    )
    assert kept.sent_because == "launch of the new dish"
    assert kept.sent_by is not None


async def test_the_same_key_announces_once(world: World) -> None:
    person = await world.register()
    boss = admin().sending(idempotency_key="once-please")
    first = await world.asking(boss).SendNotification(announcement(person.id))
    again = await world.asking(boss).SendNotification(announcement(person.id))
    assert first.id == again.id


async def test_nobody_but_an_administrator_announces_and_only_to_accounts_that_exist(world: World) -> None:
    person = await world.register()
    for caller, code in (
        (customer(person.id), grpc.StatusCode.PERMISSION_DENIED),
        (nobody(), grpc.StatusCode.UNAUTHENTICATED),
        (service("order"), grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await world.asking(caller).SendNotification(announcement(person.id))
        assert refused.value.code() == code
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await world.asking(admin()).SendNotification(announcement(new_id()))
    assert missing.value.code() == grpc.StatusCode.NOT_FOUND


async def test_offers_go_only_to_those_who_asked_for_them(world: World) -> None:
    person = await world.register()
    await world.asking(admin()).SendNotification(announcement(person.id, category=MARKETING))
    told = await world.told(person, "announcement")
    assert [(item.state, item.reason) for item in told.dispatches] == [(DispatchState.SKIPPED, "MARKETING_OFF")]
    mine = world.asking(customer(person.id))
    await mine.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(person.id), marketing=True))
    await world.asking(admin()).SendNotification(announcement(person.id, category=MARKETING, title="Half price"))
    await world.mailbox.mail(person.email, "Half price")


async def test_preferences_start_from_the_defaults_and_change_one_by_one(world: World) -> None:
    person = await world.register()
    mine = world.asking(customer(person.id))
    read = pb.GetPreferencesRequest(user_id=str(person.id))
    before = await mine.GetPreferences(read)
    assert (before.email, before.sms, before.push, before.marketing) == (True, True, True, False)
    change = pb.UpdatePreferencesRequest(user_id=str(person.id), sms=False)
    change.quiet_hours.start, change.quiet_hours.end = "22:00", "07:30"
    await mine.UpdatePreferences(change)
    after = await mine.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(person.id), language="hi"))
    assert (after.email, after.sms, after.push, after.marketing) == (True, False, True, False)
    assert (after.quiet_hours.start, after.quiet_hours.end, after.quiet_hours.time_zone) == (
        "22:00",
        "07:30",
        "Asia/Kolkata",
    )
    assert await mine.GetPreferences(read) == after
    cleared = await mine.UpdatePreferences(pb.UpdatePreferencesRequest(user_id=str(person.id), clear_quiet_hours=True))
    assert not cleared.HasField("quiet_hours")


@pytest.mark.parametrize(
    ("start", "end", "zone", "field"),
    [
        ("22:00", "22:00", "", "quietHours.end"),
        ("24:00", "08:00", "", "quietHours.start"),
        ("22:00", "08:00", "Mars/Olympus", "quietHours.timeZone"),
        ("22:00", "08:00", "../../etc/passwd", "quietHours.timeZone"),
    ],
)
async def test_quiet_hours_that_are_none_are_refused(world: World, start: str, end: str, zone: str, field: str) -> None:
    request = pb.UpdatePreferencesRequest(user_id=str(new_id()))
    request.quiet_hours.start, request.quiet_hours.end, request.quiet_hours.time_zone = start, end, zone
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.asking(admin()).UpdatePreferences(request)
    assert refusal(refused.value).code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal(refused.value).violations) == [field]


async def test_points_wait_for_the_end_of_quiet_hours(world: World) -> None:
    person = await world.register()
    here = clock.now() + timedelta(hours=5, minutes=30)
    change = pb.UpdatePreferencesRequest(user_id=str(person.id))
    change.quiet_hours.start = f"{here - timedelta(hours=1):%H:%M}"
    change.quiet_hours.end = f"{here + timedelta(hours=2):%H:%M}"
    await world.asking(customer(person.id)).UpdatePreferences(change)
    await world.publish(PointsEarned(customer_id=str(person.id), points=7, balance=7))
    waiting = sql(
        "SELECT due_at FROM dispatches JOIN notifications ON id = notification_id WHERE user_id = %(user_id)s "
        "AND template = 'points_earned' AND channel = 'email' AND state = 'pending' AND claim IS NULL "
        "AND due_at > now() + interval '30 minutes'"
    )
    due_at = await until(lambda: world.process.app.db.value(waiting, user_id=person.id))
    assert timedelta(minutes=100) < due_at - clock.now() < timedelta(minutes=121)
    assert not [mail for mail in await world.mailbox.mails(person.email) if "points" in mail["subject"]]


async def test_a_notification_is_read_once_and_by_its_owner(world: World) -> None:
    person, stranger = await world.register(), await world.register()
    told = await world.told(person, "welcome")
    request = pb.MarkNotificationReadRequest(id=told.id)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await world.asking(customer(stranger.id)).MarkNotificationRead(request)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    first = await world.asking(customer(person.id)).MarkNotificationRead(request)
    again = await world.asking(customer(person.id)).MarkNotificationRead(request)
    assert first.read
    assert first.read_at == again.read_at
    unread = await world.asking(customer(person.id)).ListNotifications(
        pb.ListNotificationsRequest(user_id=str(person.id), unread_only=True)
    )
    assert told.id not in [notification.id for notification in unread.notifications]


async def test_another_person_s_list_is_not_found(world: World) -> None:
    for ask in ("ListNotifications", "GetPreferences", "UpdatePreferences"):
        request = {
            "ListNotifications": pb.ListNotificationsRequest,
            "GetPreferences": pb.GetPreferencesRequest,
            "UpdatePreferences": pb.UpdatePreferencesRequest,
        }[ask](user_id=str(new_id()))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await getattr(world.asking(customer(new_id())), ask)(request)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_the_list_comes_in_pages_newest_first(world: World) -> None:
    person = await world.register()
    await world.told(person, "welcome")
    for number in range(5):
        await world.asking(admin()).SendNotification(announcement(person.id, title=f"News {number}"))
    mine, token, titles = world.asking(customer(person.id)), "", []
    while True:
        request = pb.ListNotificationsRequest(user_id=str(person.id), page_size=2, page_token=token)
        page = await mine.ListNotifications(request)
        titles += [notification.title for notification in page.notifications]
        token = page.next_page_token
        if not token:
            break
    assert titles == [*(f"News {number}" for number in reversed(range(5))), "Welcome to Jain Shikanji"]


async def test_the_same_code_is_mailed_once_and_another_one_again(world: World) -> None:
    person, own = await world.register(), world.asking(service("customer"))

    def code(word: str) -> pb.SendCodeRequest:
        request = pb.SendCodeRequest(customer_id=str(person.id), kind=2, email=person.email, name="Asha", code=word)
        request.expires_at.FromDatetime(clock.now() + timedelta(minutes=15))
        return request

    first, again = await own.SendCode(code("AAAA-2222")), await own.SendCode(code("AAAA-2222"))
    assert first == again
    assert await own.SendCode(code("BBBB-3333")) != first

    async def both() -> bool:
        mails = await world.mailbox.mails(person.email)
        return sum("Reset" in mail["subject"] for mail in mails) == 2

    await until(both)


async def test_a_code_that_has_expired_is_refused_and_strangers_send_none(world: World) -> None:
    request = pb.SendCodeRequest(customer_id=str(new_id()), kind=1, email="a@example.org", code="AAAA-2222")
    request.expires_at.FromDatetime(clock.now() - timedelta(minutes=1))
    with pytest.raises(grpc.aio.AioRpcError) as late:
        await world.asking(service("customer")).SendCode(request)
    assert refusal(late.value).violations == {"expiresAt": "lies in the past"}
    for caller in (service("order"), admin(), nobody()):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await world.asking(caller).SendCode(request)
        assert refused.value.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


async def test_an_administrator_replaces_a_text_and_takes_it_back(world: World) -> None:
    boss = world.asking(admin())
    every = await boss.ListTemplates(pb.ListTemplatesRequest(channel=Channel.EMAIL, language="en"))
    assert "review_answered" in [template.name for template in every.templates]
    name = {"name": "announcement", "channel": Channel.EMAIL, "language": "en"}
    changed = await boss.UpdateTemplate(
        pb.UpdateTemplateRequest(**name, subject="Hear: {{ title }}", text="{{ body }} Bye.", html="<i>{{ body }}</i>")
    )
    assert changed.overridden
    try:
        person = await world.register()
        await boss.SendNotification(announcement(person.id))
        mail = await world.mailbox.mail(person.email, "Hear: A new dish")
        assert "Come & <taste> it. Bye." in mail["text"]
        assert "<i>Come &amp; &lt;taste&gt; it.</i>" in mail["html"]
    finally:
        await boss.ResetTemplate(pb.ResetTemplateRequest(**name))
    after = await boss.ListTemplates(pb.ListTemplatesRequest(channel=Channel.EMAIL, language="en"))
    assert not any(template.overridden for template in after.templates)


async def test_a_text_that_cannot_be_rendered_is_refused(world: World) -> None:
    boss = world.asking(admin())
    name = {"name": "welcome", "channel": Channel.EMAIL, "language": "en"}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await boss.UpdateTemplate(
            pb.UpdateTemplateRequest(**name, subject="Hi", text="{{ ''.__class__.__mro__ }}", html="<p>x</p>")
        )
    assert (refusal(refused.value).reason, list(refusal(refused.value).violations)) == (
        "TEMPLATE_NOT_RENDERED",
        ["text"],
    )
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await boss.UpdateTemplate(
            pb.UpdateTemplateRequest(name="nothing_such", channel=1, language="en", subject="x", text="x", html="x")
        )
    assert refusal(unknown.value).reason == "UNKNOWN_TEMPLATE"


async def test_an_erased_account_is_forgotten(world: World) -> None:
    person = await world.register()
    await world.told(person, "welcome")
    change = pb.UpdatePreferencesRequest(user_id=str(person.id), sms=False)
    await world.asking(customer(person.id)).UpdatePreferences(change)
    await world.publish(CustomerErased(customer_id=str(person.id)))
    count = sql(
        "SELECT (SELECT count(*) FROM notifications WHERE user_id = %(user_id)s) "
        "+ (SELECT count(*) FROM preferences WHERE user_id = %(user_id)s)"
    )

    async def is_forgotten() -> bool:
        return await world.process.app.db.value(count, user_id=person.id) == 0

    await until(is_forgotten)
