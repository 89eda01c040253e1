"""The local post office keeps the newest mails, finds them by recipient, and still has them after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP

from devstack.mailbox import Mailbox, Server

MAIL = b"From: shop@example.org\r\nTo: asha@example.org\r\nSubject: %d\r\n\r\nhello\r\n"


def filled(directory: Path, mails: int, keep: int = 100) -> Mailbox:
    mailbox = Mailbox(directory, keep)
    for number in range(mails):
        mailbox.put([f"asha+{number % 2}@example.org"], MAIL % number)
    return mailbox


def subjects(mailbox: Mailbox, to: str = "") -> list[str]:
    return [mail.as_json()["subject"] for mail in mailbox.newest(to)]


def test_the_newest_mails_are_kept(tmp_path: Path) -> None:
    assert subjects(filled(tmp_path, 5, keep=3)) == ["4", "3", "2"]


def test_a_recipient_is_found_in_whatever_case_and_not_by_a_part_of_the_address(tmp_path: Path) -> None:
    mailbox = filled(tmp_path, 4)
    assert subjects(mailbox, "ASHA+1@example.org") == ["3", "1"]
    assert subjects(mailbox, "1@example.org") == []
    mailbox.put(["ravi@example.org", "asha+1@example.org"], MAIL % 9)
    assert subjects(mailbox, "asha+1@example.org")[0] == "9"


def test_mails_survive_a_restart_and_go_when_they_are_cleared(tmp_path: Path) -> None:
    mail_id = filled(tmp_path, 1).put(["ravi@example.org"], MAIL % 1)
    again = Mailbox(tmp_path)
    mail = again.get(mail_id)
    assert mail is not None
    assert (mail.to, mail.as_json()["text"].strip()) == (["ravi@example.org"], "hello")
    again.clear()
    assert again.newest() == []
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
def test_an_address_is_read_as_the_library_reads_it(argument: str) -> None:
    assert Server(None)._getaddr(argument) == SMTP(None)._getaddr(argument)
