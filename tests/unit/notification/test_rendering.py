"""Texts: every message in every language, money and times as people write them, nothing unescaped."""

from __future__ import annotations

import pytest

from services.notification.errors import TemplateNotRendered
from services.notification.messages import KINDS, TOLD
from services.notification.model import LANGUAGES, Channel, merge_order
from services.notification.rendering import Text, Texts, moment, rupees

TEXTS = Texts()
WHEN = "2026-01-14T14:15:00+00:00"


def context(kind: str, **more: object) -> dict[str, object]:
    sample = KINDS[kind].sample
    return {
        **sample,
        "order": merge_order(sample, None),
        "store": {"name": "Andheri"},
        "zone": "Asia/Kolkata",
        "occurred_at": WHEN,
        "name": "Asha",
        **more,
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_message_has_a_text_for_each_of_its_channels_in_every_language(name: str, language: str) -> None:
    for channel in KINDS[name].channels:
        message = TEXTS.render(name, channel, language, context(name))
        assert message.text
        assert "{{" not in message.text + message.html + message.subject
        assert "\n" not in message.subject
        assert bool(message.subject) == (channel is not Channel.SMS)
        assert bool(message.html) == (channel is Channel.EMAIL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_listed_message_has_a_short_form_for_the_list(language: str) -> None:
    listed = [told.kind.name for told in TOLD if Channel.PUSH in told.kind.channels]
    assert all((name, Channel.PUSH, language) in TEXTS.shipped for name in listed)


def test_no_text_lies_about_unused() -> None:
    assert {(name, channel) for name, channel, _ in TEXTS.shipped} >= {
        (kind.name, channel) for kind in KINDS.values() for channel in kind.channels
    }
    assert {name for name, _, _ in TEXTS.shipped} == set(KINDS)


@pytest.mark.parametrize(
    ("paise", "shown"),
    [
        (0, "₹0.00"),
        (5, "₹0.05"),
        (123450, "₹1,234.50"),
        (10000000, "₹1,00,000.00"),
        (123456789012, "₹1,23,45,67,890.12"),
        (-4950, "-₹49.50"),
    ],
)
def test_money_is_grouped_as_in_india(paise: int, shown: str) -> None:
    assert rupees(paise) == shown


def test_times_are_told_in_the_store_s_zone() -> None:
    assert moment(WHEN, "Asia/Kolkata", language="en") == "14 Jan 2026, 7:45 pm"
    assert moment(WHEN, "Asia/Dubai", language="en") == "14 Jan 2026, 6:15 pm"
    assert moment(WHEN, "Asia/Kolkata", language="hi") == "14 जनवरी 2026, 19:45"
    assert moment("2026-01-14T18:35:00+00:00", "Asia/Kolkata", language="en") == "15 Jan 2026, 12:05 am"


def test_the_bill_shows_lines_and_parts_that_lead_to_the_total() -> None:
    message = TEXTS.render("order_confirmed", Channel.EMAIL, "en", context("order_confirmed"))
    for shown in (
        "2 x Jain Pav Bhaji: ₹498.00",
        "GST: ₹24.90",
        "Delivery: ₹40.00",
        "Coupon: -₹50.00",
        "Total: ₹512.90",
    ):
        assert shown in message.text
    assert "₹512.90" in message.html


def test_an_order_whose_lines_are_not_known_still_has_a_mail() -> None:
    order = merge_order({"order": {"number": "ORD-1", "total": 100, "payment_method": "upi"}}, None)
    message = TEXTS.render("order_confirmed", Channel.EMAIL, "en", context("order_confirmed", order=order))
    assert "ORD-1" in message.subject
    assert "Total: ₹1.00" in message.text


def test_what_people_write_is_escaped_in_html_and_left_alone_in_text() -> None:
    trick = "<script>alert(1)</script> & {{ 7 * 7 }}"
    message = TEXTS.render("announcement", Channel.EMAIL, "en", context("announcement", body=trick, name="<b>Asha</b>"))
    assert trick in message.text
    assert "<script>" not in message.html
    assert "<b>Asha</b>" not in message.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7 * 7 }}" in message.html


def test_a_subject_is_one_line_whatever_its_facts_hold() -> None:
    message = TEXTS.render("announcement", Channel.EMAIL, "en", context("announcement", title="Hello\r\nBcc: x@y.z"))
    assert message.subject == "Hello Bcc: x@y.z"


def test_a_replaced_text_is_used() -> None:
    replaced = Text("Your {{ order.number }}", "It costs {{ order.total | rupees }}", "<p>{{ hello }}</p>")
    message = TEXTS.render("order_confirmed", Channel.EMAIL, "en", context("order_confirmed"), replaced)
    assert message.subject == "Your ORD-7K3M-9QX2"
    assert message.text == "It costs ₹512.90"
    assert "Namaste Asha" in message.html


def test_a_replaced_text_that_does_not_fit_gives_way_to_the_shipped_one() -> None:
    replaced = Text("{{ nothing.like.this }}", "x", "x")
    message = TEXTS.render("order_confirmed", Channel.EMAIL, "en", context("order_confirmed"), replaced)
    assert message.subject == "Order ORD-7K3M-9QX2 is confirmed"


@pytest.mark.parametrize(
    "source",
    [
        "{{ unknown_fact }}",
        "{% if %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 10 ** 1000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ range(100000) | join }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{% for a in order.lines %}{% for b in order.lines %}x{% endfor %}{% endfor %}",
        "{% include 'layout.html' %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ pieces.bill_text.__globals__ }}",
    ],
)
def test_a_replacement_that_cannot_be_rendered_or_plays_tricks_is_refused(source: str) -> None:
    with pytest.raises(TemplateNotRendered) as refused:
        TEXTS.check(Text("fine", source, "fine"), "en", context("order_confirmed"))
    assert refused.value.violations[0][0] == "text"


def test_the_shipped_texts_would_pass_as_replacements() -> None:
    for (name, _, language), text in TEXTS.shipped.items():
        if "{'" not in text.subject + text.text:  # tier names are looked up, which replacements need not do
            TEXTS.check(text, language, context(name))
