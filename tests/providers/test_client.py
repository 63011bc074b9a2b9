"""The client of a provider: reads are repeated within a budget, orders never, and its key stays out of what is kept."""

import asyncio
from decimal import Decimal

import pytest

from gateway.core.messages import (
    BalanceReply,
    BalanceRequest,
    CancelReply,
    CancelRequest,
    ErrorReply,
    ServicesReply,
    ServicesRequest,
    Unreadable,
)
from gateway.core.outcome import Accepted, NotSent, Unknown
from gateway.providers.said import Failed, Fenced
from gateway.providers.upstream import Timeouts
from tests.providers import misdeeds
from tests.providers.clients import BALANCE, Client, no, place, yes
from tests.providers.misdeeds import GOOD, Line, Misdeed, misdoer, whole


def in_turn(*misdeeds_in_turn: Misdeed) -> Misdeed:
    """Another misdeed for each connection, the last one from then on."""
    left = list(misdeeds_in_turn)

    async def misdeed(line: Line) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(line)

    return misdeed


def silence() -> tuple[Misdeed, asyncio.Event]:
    """Read everything and say nothing; the event is set when it has been read."""
    arrived = asyncio.Event()

    async def misdeed(line: Line) -> None:
        await line.read_all()
        arrived.set()
        await asyncio.sleep(60)

    return misdeed, arrived


async def test_order_is_placed_once_on_a_connection_of_its_own() -> None:
    """The panel gets one whole request that asks to close, uncompressed."""
    async with misdoer(whole(GOOD)) as there:
        client = Client(there.url)
        assert await place(client) == Accepted("12345")
        assert client.told.calls == [("add", "ok")]
        (request,) = there.heard
        lower = request.lower()
        assert b"connection: close" in lower
        assert b"accept-encoding: identity" in lower
        assert request.endswith(
            b"key=secret-key&action=add&service=101&link=https%3A%2F%2Fsocial.example%2F1&quantity=100"
        )
        await client.aclose()


async def test_order_that_somebody_else_has_is_not_sent() -> None:
    """The compare-and-set was lost: not one byte."""
    async with misdoer(whole(GOOD)) as there:
        client = Client(there.url)
        assert await place(client, no) == Fenced()
        await asyncio.sleep(0.05)
        assert there.heard == []


@pytest.mark.parametrize("misdeed", [misdeeds.read_then_fin, misdeeds.read_then_silence, whole(b"x", b"503 Busy")])
async def test_order_is_never_repeated(misdeed: Misdeed) -> None:
    """However tempting the error."""
    async with misdoer(misdeed) as there:
        client = Client(there.url)
        assert isinstance(await place(client), Unknown)
        assert (there.connections, client.told.retries) == (1, 0)


async def test_unreachable_panel_is_never_sent() -> None:
    """And arming was never asked for."""
    asked: list[bool] = []

    async def arm() -> bool:
        asked.append(True)
        return True

    assert isinstance(await place(Client("http://127.0.0.1:1/"), arm), NotSent)
    assert asked == []


async def test_order_whose_arming_fails_is_never_sent() -> None:
    """The books are away: not one byte, and the answer says why."""

    async def arm() -> bool:
        raise RuntimeError("the books are away")

    async with misdoer(whole(GOOD)) as there:
        outcome = await place(Client(there.url), arm)
        assert outcome == NotSent("arming failed: RuntimeError: the books are away")
        await asyncio.sleep(0.05)
        assert there.heard == []


async def test_cancelling_while_arming_lets_the_commit_end_and_sends_nothing() -> None:
    """The attempt is armed in the books, so it is in doubt there; the panel has heard nothing."""
    began, committed = asyncio.Event(), asyncio.Event()

    async def arm() -> bool:
        began.set()
        await asyncio.sleep(0.05)
        committed.set()
        return True

    async with misdoer(whole(GOOD)) as there:
        placing = asyncio.create_task(place(Client(there.url), arm))
        await began.wait()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        assert committed.is_set()
        await asyncio.sleep(0.05)
        assert there.heard == []


async def test_cancelling_while_waiting_sends_nothing_again() -> None:
    """The panel has the order once, and its attempt stays armed in the books."""
    silent, arrived = silence()
    async with misdoer(silent) as there:
        placing = asyncio.create_task(place(Client(there.url), yes))
        await arrived.wait()
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        assert (there.connections, len(there.heard)) == (1, 1)


async def test_reads_that_are_cancelled_leave_no_slot_behind() -> None:
    """At whatever moment it happens: a slot that httpx's pool loses is lost for ever."""

    async def kept(line: Line) -> None:
        while True:
            await line.read_all()
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BALANCE), BALANCE))

    async with misdoer(kept) as there:
        client = Client(there.url, requests_per_second=Decimal(100_000))
        for moment in [*range(60)] * 4:
            asking = asyncio.create_task(client.ask(BalanceRequest()))
            for _ in range(moment):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking})
        answers = await asyncio.gather(*(client.ask(BalanceRequest()) for _ in range(8)))
        assert set(answers) == {BalanceReply("5", "USD")}
        assert there.connections <= 4
        await client.aclose()


async def test_closing_ends_reads_that_nobody_waits_for() -> None:
    """A client that leaves keeps nobody waiting for a silent panel."""
    silent, arrived = silence()
    async with misdoer(silent) as there:
        client = Client(there.url, timeouts=Timeouts(total_read=60))
        asking = asyncio.create_task(client.ask(BalanceRequest()))
        await arrived.wait()
        asking.cancel()
        async with asyncio.timeout(1):
            await client.aclose()


async def test_read_is_repeated_until_it_comes() -> None:
    """Two failures that pass, then the answer; each repeat is counted."""
    async with misdoer(in_turn(misdeeds.read_then_fin, whole(b"", b"503 Busy"), whole(BALANCE))) as there:
        client = Client(there.url)
        assert await client.ask(BalanceRequest()) == BalanceReply("5", "USD")
        assert (client.told.retries, client.told.calls[-1]) == (2, ("balance", "ok"))
        await client.aclose()


async def test_read_gives_up_after_three_tries() -> None:
    """And says why, without an exception."""
    async with misdoer(misdeeds.read_then_fin) as there:
        client = Client(there.url)
        said = await client.ask(BalanceRequest())
        assert isinstance(said, Failed)
        assert there.connections == 3


async def test_budget_of_repeats_runs_out() -> None:
    """A panel in trouble is not asked three times by everybody."""
    async with misdoer(whole(b"", b"500 Oops")) as there:
        client = Client(there.url)
        for _ in range(10):
            await client.ask(BalanceRequest())
        assert len(there.heard) <= 10 + 3 + 2
        await client.aclose()


@pytest.mark.parametrize(
    ("misdeed", "said"),
    [
        (whole(b'{"error":"Invalid API key"}', b"401 No"), ErrorReply("Invalid API key")),
        (whole(b"<html>", b"404 No"), Failed(why="HTTP 404", sent=True)),
        (
            whole(b"", b"301 Moved", b"\r\nLocation: https://x.example/"),
            Failed(why="HTTP 301, redirected to https://x.example/: configure that address", sent=True),
        ),
        (whole(b"{}"), Unreadable("JSON, but no answer to this question", "{}")),
    ],
)
async def test_clear_answer_is_not_asked_for_again(misdeed: Misdeed, said: object) -> None:
    """The body first, then the status (Q66); a redirect is a mistake of configuration (Q79)."""
    async with misdoer(misdeed) as there:
        client = Client(there.url)
        assert await client.ask(BalanceRequest()) == said
        assert len(there.heard) == 1
        await client.aclose()


async def test_reads_share_a_connection_that_is_kept() -> None:
    """Where the panel keeps it."""

    async def kept(line: Line) -> None:
        for _ in range(3):
            await line.read_all()
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BALANCE), BALANCE))

    async with misdoer(kept) as there:
        client = Client(there.url)
        for _ in range(3):
            assert await client.ask(BalanceRequest()) == BalanceReply("5", "USD")
        assert (there.connections, len(there.heard)) == (1, 3)
        await client.aclose()


async def test_calls_that_ran_out_of_time_leave_no_slot_behind() -> None:
    """Fifty deadlines later the client still works: httpx's pool keeps no phantom."""
    async with misdoer(in_turn(*[misdeeds.read_then_silence] * 24, whole(BALANCE))) as there:
        client = Client(there.url, timeouts=Timeouts(connect=0.5, write=0.5, total=0.2, total_read=0.2))
        await asyncio.gather(*(client.ask(BalanceRequest()) for _ in range(20)))
        answers = [await client.ask(BalanceRequest()) for _ in range(10)]
        assert answers[-1] == BalanceReply("5", "USD")
        await client.aclose()


async def test_cancel_is_told_once() -> None:
    """A repeat proves nothing and may annoy; a silence may have been heard."""
    async with misdoer(whole(b'{"success":"ok"}')) as there:
        assert await Client(there.url).tell(CancelRequest("5")) == CancelReply()
    async with misdoer(misdeeds.read_then_fin) as there:
        said = await Client(there.url).tell(CancelRequest("5"))
        assert isinstance(said, Failed)
        assert (said.sent, there.connections) == (True, 1)


async def test_long_list_is_read_and_an_endless_one_cut() -> None:
    """Several megabytes are a list; everything else is capped at one."""
    rows = ",".join(f'{{"service":{n},"name":"{"x" * 400}","rate":"1","min":1,"max":9}}' for n in range(5000))
    async with misdoer(whole(f"[{rows}]".encode())) as there:
        client = Client(there.url, timeouts=Timeouts(total_read=5))
        said = await client.ask(ServicesRequest())
        assert isinstance(said, ServicesReply)
        assert len(said.services) == 5000
        assert isinstance(await client.ask(BalanceRequest()), Failed)
        await client.aclose()


async def test_private_address_is_refused_unless_it_is_allowed() -> None:
    """A provider's name must not lead into our own network (security, item 32)."""
    async with misdoer(whole(GOOD)) as there:
        for url in (
            there.url,
            there.url.replace("127.0.0.1", "localhost"),
            there.url.replace("127.0.0.1", "2130706433"),
        ):
            client = Client(url, allow_private=False)
            outcome = await place(client)
            assert isinstance(outcome, NotSent), url
            assert "private" in outcome.why
        assert there.connections == 0


async def test_orders_wait_for_their_turn() -> None:
    """No more at once than the provider's concurrency."""
    running: list[int] = [0, 0]

    async def slow(line: Line) -> None:
        running[0] += 1
        running[1] = max(running)
        await line.read_all()
        await asyncio.sleep(0.05)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + GOOD)
        running[0] -= 1

    async with misdoer(slow) as there:
        client = Client(there.url, concurrency=2)
        await asyncio.gather(*(place(client) for _ in range(8)))
    assert running[1] == 2
