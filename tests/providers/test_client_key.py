"""The client keeps our key out of everything it hands on, and hands on what a person needs to judge an order."""

import pytest

from gateway.core.exchange import write_exchange
from gateway.core.messages import AddRequest, BalanceRequest, ErrorReply
from gateway.core.outcome import Accepted, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.providers.said import Answered, Failed
from tests.providers import misdeeds
from tests.providers.clients import NOW, ORDER, Client, place, yes
from tests.providers.misdeeds import GOOD, misdoer, whole


async def test_key_is_struck_out_of_everything_that_is_kept() -> None:
    """Panels have been seen to repeat it, in more than one spelling (Q88)."""
    body = b'{"error":"Bad link for secret-key c2VjcmV0LWtleQ=="}'
    async with misdoer(whole(body)) as there:
        client = Client(there.url)
        outcome = await place(client)
        assert isinstance(outcome, Rejected)
        assert outcome.text == "Bad link for [key] [key]"
        assert "secret-key" not in repr(client.upstream)


@pytest.mark.parametrize("body", [b'{"error":"Bad link, se\\/cret+key"}', b'{"error":"Bad link, \\u0073e/cret+key"}'])
async def test_key_that_comes_back_escaped_is_struck_out_as_well(body: bytes) -> None:
    """PHP puts a backslash before a slash, and any letter may be written as a number."""
    async with misdoer(whole(body)) as there:
        client = Client(there.url, key="se/cret+key")
        outcome = await place(client)
        assert outcome == Rejected(RejectKind.LINK, "Bad link, [key]")
        assert await client.ask(BalanceRequest()) == ErrorReply("Bad link, [key]")
        await client.aclose()


async def test_key_in_a_redirect_is_struck_out() -> None:
    """A panel asked by GET sends its whole query along."""
    async with misdoer(whole(b"", b"302 Found", b"\r\nLocation: https://x.example/login?key=se%2fcret%2Bkey")) as there:
        client = Client(there.url, key="se/cret+key")
        said = await client.ask(BalanceRequest())
        assert isinstance(said, Failed)
        assert said.why == "HTTP 302, redirected to https://x.example/login?key=[key]: configure that address"
        outcome = await place(client)
        assert outcome == Unknown("HTTP 302 to 'https://x.example/login?key=[key]'")
        await client.aclose()


async def test_key_is_struck_out_before_a_text_is_cut() -> None:
    """Or half of it would stay at the cut."""
    long = b"\r\nLocation: https://x.example/" + b"a" * 176 + b"secret-key"
    async with misdoer(whole(b"", b"302 Found", long)) as there:
        outcome = await place(Client(there.url), yes)
        assert isinstance(outcome, Unknown)
        assert "aaa[key]" in outcome.why
        assert "secr" not in outcome.why


async def test_exchange_tells_what_was_asked_and_what_came_back() -> None:
    """Without the key in either, with the headers that say something, and when each phase was reached."""
    answer = b'{"error":"Bad link for \\u0073ecret-key and secret-key"}'
    headers = b"\r\nContent-Type: application/json\r\nRetry-After: 7\r\nX-Other: secret-key"
    async with misdoer(whole(answer, headers=headers)) as there:
        said = await Client(there.url).place(ORDER, yes, now=NOW)
    assert isinstance(said, Answered)
    kept = said.exchange
    assert kept is not None
    assert (kept.service, kept.asked, kept.at) == ("101", ORDER.fields, NOW)
    assert (kept.sent, kept.complete, kept.framed, kept.status) == (True, True, True, 200)
    assert (kept.content_type, kept.retry_after, kept.location) == ("application/json", "7", None)
    assert kept.body == '{"error":"Bad link for [key] and [key]"}'
    assert kept.body_bytes == len(answer.replace(b"secret-key", b"[key]"))
    times = kept.timing
    assert times.fence is not None
    assert times.armed is not None
    assert times.answered is not None
    assert times.ended is not None
    assert 0 <= times.fence <= times.armed <= times.answered <= times.ended < 500
    assert "secret-key" not in write_exchange(kept)


async def test_exchange_of_what_was_not_answered_says_how_far_it_came() -> None:
    """Half an answer is kept, an unreachable panel is named, and a long order is cut where it is written."""
    async with misdoer(misdeeds.half_body) as there:
        said = await Client(there.url).place(ORDER, yes, now=NOW)
    assert isinstance(said, Answered)
    assert said.exchange is not None
    assert (said.exchange.sent, said.exchange.complete, said.exchange.body) == (True, False, GOOD[:9].decode())
    assert said.exchange.failure.startswith("RemoteProtocolError")
    long = AddRequest(service="101", fields=(("comments", "x" * 100_000),))
    away = await Client("http://127.0.0.1:1/").place(long, yes, now=NOW)
    assert isinstance(away, Answered)
    assert away.exchange is not None
    assert (away.exchange.sent, away.exchange.status, away.exchange.timing.fence) == (False, None, None)
    assert away.exchange.failure.startswith("ConnectError")
    assert len(write_exchange(away.exchange)) < 1_000
    async with misdoer(whole(GOOD)) as there:
        accepted = await Client(there.url).place(long, yes, now=NOW)
        assert b"x" * 100_000 in there.heard[0]
    assert isinstance(accepted, Answered)
    assert accepted.outcome == Accepted("12345")
