"""Texts heard of a provider: counted by pattern, bounded, without our key, and only what nobody knows."""

import pytest

from gateway.core.messages import (
    Action,
    BalanceRequest,
    CancelRequest,
    MultiStatusRequest,
    RefillRequest,
    ServicesRequest,
)
from gateway.core.outcome import Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.providers.heard import PATTERNS_MAX, Heard, Noted
from tests.providers.clients import Client, place
from tests.providers.misdeeds import misdoer, whole


def test_text_is_counted_by_its_pattern() -> None:
    """The first example stays; taken, it begins anew."""
    heard = Heard()
    for n in range(1000):
        heard.note(Action.ADD, f"Account {n}\u200b is\x00private")
    pattern = "account # isprivate"
    noted = Noted(pattern=pattern, example="Account 0  is private", action=Action.ADD, seen=1000)
    assert heard.take() == ((noted,), 0)
    assert heard.take() == ((), 0)


def test_new_text_each_time_is_counted_and_not_kept() -> None:
    """A panel decides how many there are, and not how much memory they take."""
    heard = Heard()
    for n in range(PATTERNS_MAX + 7):
        heard.note(Action.STATUS, "x" * (n + 1) + " " + "y" * 100_000)
    noted, beyond = heard.take()
    assert len(noted) <= PATTERNS_MAX
    assert len(noted) + beyond + sum(each.seen - 1 for each in noted) == PATTERNS_MAX + 7
    assert all(len(each.example) <= 300 for each in noted)


async def test_unknown_text_of_an_add_is_heard_without_our_key() -> None:
    """However it was escaped; the outcome is in doubt until somebody says what it means, from then on a refusal."""
    async with misdoer(whole(b'{"error":"Key \\u0073ecret-key: account 17 is private"}')) as there:
        client = Client(there.url)
        assert isinstance(await place(client), Unknown)
        (noted,), _ = client.heard.take()
        assert (noted.example, noted.pattern) == ("Key [key]: account 17 is private", "key [key]: account # is private")
        assert noted.action is Action.ADD
    async with misdoer(whole(b'{"error":"Account 17 is private"}')) as there:
        client = Client(there.url)
        assert isinstance(await place(client), Unknown)
        client.classified = {"account # is private": RejectKind.LINK}
        assert await place(client) == Rejected(RejectKind.LINK, "Account 17 is private")
        assert [each.seen for each in client.heard.take()[0]] == [1]
        client.classified = {"account # is private": None}
        assert isinstance(await place(client), Unknown)
        assert client.heard.take() == ((), 0)


@pytest.mark.parametrize(
    "body",
    [
        b'{"order":7}',
        b'{"error":"Bad link"}',
        b'{"error":"Not enough funds"}',
        b"<html>Blub</html>",
        b"",
        b"[]",
        b"null",
    ],
)
async def test_what_is_known_or_is_no_text_is_not_heard(body: bytes) -> None:
    """An acceptance, a text of the table, a page, nothing."""
    async with misdoer(whole(body)) as there:
        client = Client(there.url)
        await place(client)
        assert client.heard.take() == ((), 0)


async def test_texts_of_reads_refills_and_cancels_are_heard() -> None:
    """For the whole call, or for some of the ids."""
    async with misdoer(whole(b'{"error":"Account is sleeping"}')) as there:
        client = Client(there.url)
        await client.ask(ServicesRequest())
        await client.ask(BalanceRequest())
        await client.tell(RefillRequest(order="7"))
        await client.tell(CancelRequest(order="7"))
        (noted,), _ = client.heard.take()
        assert (noted.seen, noted.action) == (4, Action.SERVICES)
        await client.aclose()
    rows = b'{"1":{"error":"Incorrect order ID"},"2":{"error":"Gone fishing"},"3":{"status":"Pending","remains":"1"}}'
    async with misdoer(whole(rows)) as there:
        client = Client(there.url, errors={"Gone hunting": RejectKind.ORDER})
        await client.ask(MultiStatusRequest(("1", "2", "3")))
        assert [each.pattern for each in client.heard.take()[0]] == ["gone fishing"]
        await client.aclose()
