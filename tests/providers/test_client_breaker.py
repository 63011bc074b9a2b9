"""The client spares a provider that fails: reads at once, orders where there is another; a balance opens it again."""

import asyncio
import time

import pytest

from gateway.core.dialects import ProviderDialect
from gateway.core.messages import BalanceReply, BalanceRequest, CancelRequest, ServicesRequest
from gateway.core.outcome import NotSent, Unknown
from gateway.providers.breaker import FAILURES_MAX, Breaker, BreakerState
from gateway.providers.client import ORDERS, READS
from gateway.providers.said import Failed
from tests.providers import misdeeds
from tests.providers.clients import BALANCE, Client, no, place
from tests.providers.misdeeds import Line, Misdeed, misdoer, whole

NOBODY = "http://127.0.0.1:1/"


class Switched:
    """A panel that can be mended."""

    def __init__(self, broken: Misdeed, mended: Misdeed) -> None:
        self.good = False
        self._broken = broken
        self._mended = mended

    async def __call__(self, line: Line) -> None:
        """As it is now."""
        await (self._mended if self.good else self._broken)(line)


def wait_over(client: Client, kind: str) -> Breaker:
    """Let the time of a breaker be over: the only thing here that would take half a minute."""
    breaker = client._breakers[kind]
    breaker._until = asyncio.get_running_loop().time()
    return breaker


async def test_orders_that_cannot_connect_open_it_and_a_balance_closes_it() -> None:
    """Refills and cancels are spared too; an order is still sent if somebody insists: it may be the last route."""
    client = Client(NOBODY)
    for _ in range(FAILURES_MAX):
        assert not client.tripped
        assert isinstance(await place(client), NotSent)
    assert client.tripped
    assert client.told.breakers[-1] == (ORDERS, "open")
    said = await client.tell(CancelRequest("5"))
    assert isinstance(said, Failed)
    assert (said.sent, client.told.calls[-1]) == (False, ("cancel", "policy_spared"))
    outcome = await place(client)
    assert isinstance(outcome, NotSent)
    assert outcome.why.startswith("ConnectError")
    await client.probe()
    assert client.told.calls[-1] == ("add", "panel_unreachable")  # its time is not over: nobody was asked
    wait_over(client, ORDERS)
    await client.probe()
    assert client.told.calls[-1] == ("balance", "panel_unreachable")
    assert client.told.breakers[-1] == (ORDERS, "open")
    await client.aclose()


async def test_server_errors_open_it_and_one_balance_is_asked_for_not_an_order() -> None:
    """Half-open is one read; after it orders go again."""
    panel = Switched(whole(b"<html>", b"503 Busy"), whole(BALANCE))
    async with misdoer(panel) as there:
        client = Client(there.url)
        for _ in range(FAILURES_MAX):
            assert isinstance(await place(client), Unknown)
        assert client._breakers[ORDERS].state is BreakerState.OPEN
        panel.good = True
        breaker = wait_over(client, ORDERS)
        before = len(there.heard)
        await asyncio.gather(*(client.probe() for _ in range(5)))
        assert [b"action=balance" in request for request in there.heard[before:]] == [True]
        assert not breaker.tripped
        assert client.told.breakers[-1] == (ORDERS, "closed")
        await client.aclose()


async def test_panel_without_a_balance_is_asked_for_its_list() -> None:
    """Its answer to `balance` could be anything, also a failure for ever."""
    panel = Switched(whole(b"", b"502 Bad Gateway"), whole(b"[]"))
    async with misdoer(panel) as there:
        client = Client(there.url, dialect=ProviderDialect(balance=False))
        for _ in range(FAILURES_MAX):
            await place(client)
        panel.good = True
        breaker, before = wait_over(client, ORDERS), len(there.heard)
        await client.probe()
        assert [b"action=services" in request for request in there.heard[before:]] == [True]
        assert not breaker.tripped
        await client.aclose()


async def test_reads_and_orders_fail_apart() -> None:
    """A panel whose list is broken still takes orders; its reads are spared until a balance comes."""
    panel = Switched(whole(b"", b"500 Oops"), whole(BALANCE))
    async with misdoer(panel) as there:
        client = Client(there.url)
        while not client._breakers[READS].tripped:
            await client.ask(ServicesRequest())
        assert not client.tripped
        heard = len(there.heard)
        said = await client.ask(BalanceRequest())
        assert isinstance(said, Failed)
        assert len(there.heard) == heard
        panel.good = True
        wait_over(client, READS)
        await client.probe()
        assert await client.ask(BalanceRequest()) == BalanceReply("5", "USD")
        await client.aclose()


async def test_provider_that_was_away_and_is_back_is_called_again_with_the_first_look() -> None:
    """Both breakers are open for minutes yet; a look answered after one that was not ends that, and tells so."""
    panel = Switched(whole(b"", b"502 Bad Gateway"), whole(BALANCE))
    async with misdoer(panel) as there:
        client = Client(there.url)
        for _ in range(FAILURES_MAX):
            await place(client)
        while not client.reads_tripped:
            assert isinstance(await client.look(), Failed)
        heard = len(there.heard)
        assert isinstance(await client.look(), Failed)
        assert len(there.heard) == heard + 1  # once: what is spared is not tried three times
        assert (client.tripped, client.reads_tripped) == (True, True)
        panel.good = True
        assert await client.look() == BalanceReply("5", "USD")
        assert (client.tripped, client.reads_tripped) == (False, False)
        assert client.told.breakers[-2:] == [(ORDERS, "closed"), (READS, "closed")]
        await client.aclose()


async def test_look_that_was_always_answered_ends_no_pause() -> None:
    """A panel whose list alone is broken is spared for as long as its breaker says."""

    async def broken_list(line: Line) -> None:
        await line.read_all()
        if b"action=balance" in line.last:
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BALANCE) + BALANCE)
        else:
            await line.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    async with misdoer(broken_list) as there:
        client = Client(there.url)
        assert await client.look() == BalanceReply("5", "USD")
        while not client.reads_tripped:
            await client.ask(ServicesRequest())
        assert await client.look() == BalanceReply("5", "USD")
        assert client._breakers[READS].state is BreakerState.OPEN
        await client.aclose()


@pytest.mark.parametrize(
    "misdeed", [misdeeds.read_then_fin, misdeeds.read_then_silence, whole(b"{}"), whole(b"x", b"404 No")]
)
async def test_what_is_no_failure_of_the_line_opens_nothing(misdeed: Misdeed) -> None:
    """A silence may hold an order and is another brake's business; a refusal is an answer."""
    async with misdoer(misdeed) as there:
        client = Client(there.url)
        await asyncio.gather(*(place(client) for _ in range(2 * FAILURES_MAX)))
        assert not client.tripped
        await client.aclose()


async def test_arming_that_fails_says_nothing_of_the_provider() -> None:
    """The books are away, or somebody else has the attempt: the connection stood."""

    async def broken() -> bool:
        raise RuntimeError("the books are away")

    async with misdoer(whole(BALANCE)) as there:
        client = Client(there.url)
        for _ in range(FAILURES_MAX):
            await place(client, broken)
            await place(client, no)
        assert not client.tripped


@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Service Unavailable"])
async def test_read_that_is_told_to_wait_is_not_made_until_then(status: bytes) -> None:
    """Neither again at once nor by the next job, nor to try a breaker; then it is, and orders went on meanwhile."""
    panel = Switched(whole(b"{}", status, b"\r\nRetry-After: 100"), whole(BALANCE))
    async with misdoer(panel) as there:
        client = Client(there.url)
        said = await client.ask(BalanceRequest())
        assert isinstance(said, Failed)
        assert (said.passing, client.reads_tripped, client.tripped) == (False, True, False)
        wait_over(client, READS)
        await client.probe()
        spared = await client.ask(ServicesRequest())
        assert isinstance(spared, Failed)
        assert (spared.sent, spared.why) == (False, "it asked to be left alone")
        assert len(there.heard) == 1
        panel.good = True
        assert 95 < client._rests_until - time.monotonic() <= 100
        client._rests_until = 0.0  # a hundred seconds later
        assert await client.ask(BalanceRequest()) == BalanceReply("5", "USD")
        await client.aclose()


async def test_read_that_is_not_told_for_how_long_is_made_again_at_once() -> None:
    """As any that may pass."""
    async with misdoer(whole(b"{}", b"429 Too Many Requests", b"\r\nRetry-After: soon")) as there:
        client = Client(there.url)
        assert isinstance(await client.ask(BalanceRequest()), Failed)
        assert (len(there.heard), client.reads_tripped) == (3, False)
        await client.aclose()
