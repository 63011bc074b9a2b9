"""What the wire proves: one misdeed a row, its class, and how much the other side really had."""

import asyncio
import logging
import resource

import httpx
import pytest

from gateway.core.fields import HttpRequest
from gateway.core.outcome import Accepted, Evidence, Unknown, classify_add
from gateway.providers.upstream import Upstream
from gateway.providers.wire import Closed, Limits, exchange, open_transport, tls_context
from tests.providers import misdeeds
from tests.providers.misdeeds import GOOD, misdoer, whole

LIMITS = Limits(connect=0.3, write=0.5, total=0.5, bytes_max=1024 * 1024)


def upstream(url: str, **changes: object) -> Upstream:
    """A provider at an address."""
    values: dict[str, object] = {"allow_private": True, **changes}
    return Upstream(name="panel-a", url=url, key="secret-key", currency="USD", **values)  # type: ignore[arg-type] # by name


async def open_fence() -> None:
    """Let everything through."""


async def sent_to(url: str, **changes: object) -> Evidence:
    """The evidence of one fenced exchange."""
    there = upstream(url, **changes)
    transport = open_transport(there, connections=1, keep=False, tls=tls_context(there))
    try:
        return await exchange(transport, there, HttpRequest(body=b"key=secret-key"), limits=LIMITS, fence=open_fence)
    finally:
        await transport.aclose()


async def test_bomb_stays_packed() -> None:
    """A compressed answer is never unpacked: memory stays as it was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with misdoer(misdeeds.gzip_bomb) as there:
        evidence = await sent_to(there.url)
    assert len(evidence.body) < 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
async def test_redirect_is_never_followed(status: bytes) -> None:
    """Neither the order nor our key goes anywhere else."""
    async with misdoer(whole(GOOD)) as elsewhere:
        location = b"\r\nLocation: " + elsewhere.url.encode().replace(b"api", b"other")
        async with misdoer(whole(b"", status, location)) as there:
            evidence = await sent_to(there.url)
            assert isinstance(classify_add(evidence), Unknown)
            assert len(there.heard) == 1
        assert elsewhere.connections == 0


async def test_closed_fence_lets_not_one_byte_leave() -> None:
    """The connection stands, the fence says no, and the other side has heard nothing."""

    async def closed() -> None:
        raise Closed

    async with misdoer(whole(GOOD)) as there:
        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        with pytest.raises(Closed):
            await exchange(transport, panel, HttpRequest(body=b"key=secret-key"), limits=LIMITS, fence=closed)
        await transport.aclose()
        await asyncio.sleep(0.05)
        assert (there.connections, there.heard) == (1, [])


async def test_fence_is_asked_before_the_first_byte() -> None:
    """While the store commits, nothing has arrived."""
    seen: list[int] = []
    async with misdoer(whole(GOOD)) as there:

        async def fence() -> None:
            await asyncio.sleep(0.1)
            seen.append(len(there.heard))

        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        evidence = await exchange(transport, panel, HttpRequest(body=b"k"), limits=LIMITS, fence=fence)
        await transport.aclose()
    assert seen == [0]
    assert classify_add(evidence) == Accepted("12345")


async def test_deadline_while_arming_lets_the_commit_end_and_counts_as_sent() -> None:
    """A verdict cannot overtake the arming, and what was armed may not be called never sent."""
    committed: list[bool] = []

    async def slow() -> None:
        await asyncio.sleep(0.7)
        committed.append(True)

    async with misdoer(whole(GOOD)) as there:
        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        evidence = await exchange(transport, panel, HttpRequest(body=b"k"), limits=LIMITS, fence=slow)
        await transport.aclose()
        assert committed == [True]
        assert there.heard == []
    assert isinstance(classify_add(evidence), Unknown)


async def test_fence_that_closes_after_a_deadline_is_still_closed() -> None:
    """If the store said no in the end, somebody else has the attempt; "never sent" would be a verdict on theirs."""

    async def slow_no() -> None:
        await asyncio.sleep(0.7)
        raise Closed

    async with misdoer(whole(GOOD)) as there:
        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        with pytest.raises(Closed):
            await exchange(transport, panel, HttpRequest(body=b"k"), limits=LIMITS, fence=slow_no)
        await transport.aclose()
        assert there.heard == []


async def test_what_was_armed_too_long_ago_is_not_sent() -> None:
    """A process that stood still may have been judged dead meanwhile: unknown, and not one byte."""
    limits = Limits(connect=0.3, write=0.5, total=0.5, bytes_max=1024, armed_max=0.02)

    async def slow() -> None:
        await asyncio.sleep(0.05)

    async with misdoer(whole(GOOD)) as there:
        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        evidence = await exchange(transport, panel, HttpRequest(body=b"k"), limits=limits, fence=slow)
        await transport.aclose()
        await asyncio.sleep(0.02)
        assert there.heard == []
    assert classify_add(evidence) == Unknown("arming took longer than 0.02 s")


async def test_arming_that_was_cut_off_is_in_doubt_and_not_sent() -> None:
    """Nobody knows whether it was committed."""

    async def cut_off() -> None:
        raise asyncio.CancelledError

    async with misdoer(whole(GOOD)) as there:
        panel = upstream(there.url)
        transport = open_transport(panel, connections=1, keep=False, tls=tls_context(panel))
        evidence = await exchange(transport, panel, HttpRequest(body=b"k"), limits=LIMITS, fence=cut_off)
        await transport.aclose()
        await asyncio.sleep(0.02)
        assert there.heard == []
    assert classify_add(evidence) == Unknown("arming was cut off")


class SendingTwice(httpx.AsyncBaseTransport):
    """A library that has become clever: it begins a request a second time."""

    def __init__(self) -> None:
        self.begun = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Begin twice."""
        for _ in range(2):
            await request.extensions["trace"]("http11.send_request_headers.started", {})
            self.begun += 1
        return httpx.Response(200, content=GOOD)


async def test_second_send_of_an_order_is_stopped() -> None:
    """A redirect, a replay, any cleverness: the order may have arrived by the first, so it is unknown."""
    transport = SendingTwice()
    panel = upstream("http://panel-a.example/api/v2")
    evidence = await exchange(transport, panel, HttpRequest(body=b"k"), limits=LIMITS, fence=open_fence)
    assert transport.begun == 1
    assert classify_add(evidence) == Unknown("the request would have been sent twice")


def test_libraries_log_no_addresses() -> None:
    """They write whole URLs, which may have a key in them, at INFO."""
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore").isEnabledFor(logging.INFO)
