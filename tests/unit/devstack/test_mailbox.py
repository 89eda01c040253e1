"""The local mailbox stores the newest mails, finds them by recipient, and keeps them after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from devstack.mailbox import Mailbox, Server

MAIL = b"From: shop@example.org\r\nTo: asha@example.org\r\nSubject: %d\r\n\r\nhello\r\n"


def make_mailbox(directory: Path, mails: int, keep: int = 100) -> Mailbox:
    mailbox = Mailbox(directory, keep)
    for number in range(mails):
        mailbox.store([f"asha+{number % 2}@example.org"], MAIL % number)
    return mailbox


def list_subjects(mailbox: Mailbox, to: str = "") -> list[str]:
    return [mail.as_json()["subject"] for mail in mailbox.list_newest(to)]


def test_the_newest_mails_are_kept(tmp_path: Path) -> None:
    assert list_subjects(make_mailbox(tmp_path, 5, keep=3)) == ["4", "3", "2"]


def test_a_recipient_is_matched_case_insensitively_and_by_the_whole_address(tmp_path: Path) -> None:
    mailbox = make_mailbox(tmp_path, 4)
    assert list_subjects(mailbox, "ASHA+1@example.org") == ["3", "1"]
    assert list_subjects(mailbox, "1@example.org") == []
    mailbox.store(["ravi@example.org", "asha+1@example.org"], MAIL % 9)
    assert list_subjects(mailbox, "asha+1@example.org")[0] == "9"


def test_mails_survive_a_restart_until_they_are_deleted(tmp_path: Path) -> None:
    mail_id = make_mailbox(tmp_path, 1).store(["ravi@example.org"], MAIL % 1)
    again = Mailbox(tmp_path)
    mail = again.get(mail_id)
    assert mail is not None
    assert (mail.to, mail.as_json()["text"].strip()) == (["ravi@example.org"], "hello")
    again.clear()
    assert again.list_newest() == []
    assert again.get(mail_id) is None


@pytest.mark.parametrize(
    "argument",
    [
        "<asha@example.org>",
        "<asha+1@example.org> SIZE=1024 BODY=8BITMIME",
        "  <asha.vora-1@mail.example.org>  SMTPUTF8",
        "<>",
        "asha@example.org",
        '<"asha vora"@example.org>',
        "<अशा@example.org>",
        "<asha@example.org",
        "<asha@>",
        "",
    ],
)
def test_an_address_is_parsed_as_by_the_library(argument: str) -> None:
    assert Server(None)._getaddr(argument) == SMTP(None)._getaddr(argument)
