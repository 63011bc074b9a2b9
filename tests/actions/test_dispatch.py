"""Dispatch: armed before the first byte, judged by what is seen, and whole whenever it is cut off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.actions.desk import Desk
from gateway.actions.dispatch import Result, dispatch
from gateway.core.attempt import AttemptState
from gateway.core.exchange import read_exchange
from gateway.core.order import OrderState
from gateway.core.user import User
from gateway.jobs.sweep import sweep
from gateway.providers.breaker import FAILURES_MAX
from gateway.store.attempts import arm, decide
from gateway.store.owners import OWNER_DEAD_MS, beat, take_over
from tests.cut_books import CutBooks
from tests.providers.misdeeds import GOOD, Line, Misdeed, Misdoer, misdoer, whole
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import ME, ask, attempts_of, make_planned, money_of, order_of, planned
from tests.world import until

OUR_KEY = "panel-a-key"  # as tests/stocked.py gives it to every client


@asynccontextmanager
async def desk_at(books: CutBooks, folder: Path, url: str, *, b: str = NOBODY) -> AsyncIterator[Desk]:
    """A process with two providers."""
    desk = make_desk(books, {"panel-a": url, "panel-b": b}, Time(), folder=folder, owner=ME)
    try:
        yield desk
    finally:
        books.away = False
        books.let_go()
        await desk.drain(5)
        desk.spool.close()
        await close_desk(desk)


def slowly(seconds: float) -> Misdeed:
    """Read the order, think, answer."""

    async def misdeed(line: Line) -> None:
        await line.read_all()
        await asyncio.sleep(seconds)
        await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD))

    return misdeed


async def until_true(what: Callable[[], bool]) -> None:
    """Wait for something."""

    async def found() -> bool:
        return what()

    await until(found)


async def stands(books: CutBooks) -> tuple[AttemptState, OrderState]:
    """How the last attempt and its order stand."""
    return (await attempts_of(books))[-1].state, (await order_of(books)).order.state


async def test_order_is_armed_before_its_first_byte(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """The books say `sending` while nothing has arrived: whoever dies in between leaves doubt, not a second order."""
    attempt = await planned(cut_books, alpha)
    async with misdoer(whole(GOOD)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        cut_books.hold(arm)
        sending = asyncio.create_task(dispatch(desk, attempt))

        async def armed() -> bool:
            return (await attempts_of(cut_books))[0].state is AttemptState.SENDING

        await until(armed)
        assert there.heard == []
        cut_books.let_go()
        assert await sending == Result(OrderState.ACTIVE)
        assert len(there.heard) == 1


async def test_attempt_that_was_taken_over_is_not_sent(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """The compare-and-set is lost: not one byte, and no verdict on what is another's."""
    attempt = await planned(cut_books, alpha)
    later = NOW + OWNER_DEAD_MS + 1
    await cut_books.run(partial(beat, "other", now=later))
    assert await cut_books.run(partial(take_over, "other", now=later))
    async with misdoer(whole(GOOD)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        assert await dispatch(desk, attempt) == Result(OrderState.PLACING)
        assert there.heard == []
    assert await stands(cut_books) == (AttemptState.PLANNED, OrderState.RESERVED)


async def test_books_that_are_away_while_arming_send_nothing(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """The order waits, planned; it is sent once when they are back."""
    attempt = await planned(cut_books, alpha)
    async with misdoer(whole(GOOD)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        work = asyncio.create_task(dispatch(desk, attempt))
        await asyncio.sleep(0)
        cut_books.away = True
        await asyncio.wait({work}, timeout=1)
        assert there.heard == []
        cut_books.away = False
        await asyncio.wait({work})
        if work.exception() is not None:  # It had not even read what to send: the sweep takes it up.
            await sweep(desk)
            await desk.drain(5)
        assert len(there.heard) == 1
    assert await stands(cut_books) == (AttemptState.ACCEPTED, OrderState.ACTIVE)


async def test_cut_off_before_arming_leaves_it_planned_and_it_is_sent_once(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """Waiting for its turn: nothing was sent, the books say so, and the sweep sends it."""
    attempt = await planned(cut_books, alpha)
    async with misdoer(whole(GOOD)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        gate = desk.providers["panel-a"]._orders
        async with AsyncExitStack() as taken:
            for _ in range(desk.providers["panel-a"].upstream.concurrency):
                await taken.enter_async_context(gate.turn())
            work = asyncio.create_task(dispatch(desk, attempt))
            await until_true(lambda: gate._waiting == 1)
            work.cancel()
            await asyncio.wait({work})
        assert work.cancelled()
        assert await stands(cut_books) == (AttemptState.PLANNED, OrderState.RESERVED)
        await sweep(desk)
        await desk.drain(5)
        assert len(there.heard) == 1
    assert await stands(cut_books) == (AttemptState.ACCEPTED, OrderState.ACTIVE)


async def test_cut_off_while_arming_counts_as_armed(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """Nothing has left, but the commit may stand: in doubt, and never sent again."""
    attempt = await planned(cut_books, alpha)
    async with misdoer(whole(GOOD)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        cut_books.hold(arm)
        work = asyncio.create_task(dispatch(desk, attempt))

        async def armed() -> bool:
            return (await attempts_of(cut_books))[0].state is AttemptState.SENDING

        await until(armed)
        work.cancel()
        await asyncio.wait({work})
        assert work.cancelled()
        cut_books.let_go()
        await sweep(desk)
        await desk.drain(5)
        assert there.heard == []
    assert await stands(cut_books) == (AttemptState.UNKNOWN, OrderState.UNKNOWN)
    assert await money_of(cut_books) == (900, 100)


@pytest.mark.parametrize("away", [False, True])
async def test_cut_off_while_the_panel_thinks_is_in_doubt(
    cut_books: CutBooks, alpha: User, tmp_path: Path, *, away: bool
) -> None:
    """The panel has it, once; the doubt is in the books at once, or on the disk until they are back."""
    attempt = await planned(cut_books, alpha)
    async with misdoer(slowly(5)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        work = asyncio.create_task(dispatch(desk, attempt))
        await until_true(lambda: len(there.heard) == 1)
        cut_books.away = away
        work.cancel()
        await asyncio.wait({work})
        assert work.cancelled()
        cut_books.away = False
        await sweep(desk)
        assert len(there.heard) == 1
    assert await stands(cut_books) == (AttemptState.UNKNOWN, OrderState.UNKNOWN)
    assert await money_of(cut_books) == (900, 100)


async def test_cut_off_while_the_verdict_is_written_keeps_it(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """The commit goes on without its caller; the row is read again, and money moved once."""
    attempt = await planned(cut_books, alpha)

    async with misdoer(slowly(0.3)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        work = asyncio.create_task(dispatch(desk, attempt))
        await until_true(lambda: len(there.heard) == 1)
        cut_books.hold(decide)

        async def decided() -> bool:
            return (await attempts_of(cut_books))[0].state is AttemptState.ACCEPTED

        await until(decided)
        work.cancel()
        cut_books.let_go()
        await asyncio.wait({work})
        await sweep(desk)
        assert list(desk.spool.waiting) == []
    assert await stands(cut_books) == (AttemptState.ACCEPTED, OrderState.ACTIVE)
    assert await money_of(cut_books) == (900, 0)


async def test_exchange_stands_beside_its_verdict_without_our_key(
    cut_books: CutBooks, alpha: User, tmp_path: Path, database_url: str
) -> None:
    """What was asked, what came back, and when; a person can judge by it."""
    attempt = await planned(cut_books, alpha)
    answer = b'{"error":"Blub, ' + OUR_KEY.encode() + b'"}'
    async with misdoer(whole(answer)) as there, desk_at(cut_books, tmp_path, there.url) as desk:
        assert (await dispatch(desk, attempt)).state is OrderState.UNKNOWN
    ((evidence,),) = await ask(database_url, "SELECT evidence FROM attempts")
    assert OUR_KEY not in evidence
    kept = read_exchange(evidence)
    assert (kept.status, kept.body) == (200, '{"error":"Blub, [key]"}')
    assert kept.asked == (("link", "https://example.com/a"), ("quantity", "10"))
    assert kept.at == NOW


async def test_redirect_to_another_spelling_pauses_the_provider(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """It is misconfigured: the order goes to the next route, and no other goes there until an operator looks."""
    attempt = await planned(cut_books, alpha, routes=(make_planned(), make_planned("panel-b")))
    moved = whole(b"", b"301 Moved", b"\r\nLocation: https://www.panel-a.example/api/v2/")
    async with misdoer(moved) as a, misdoer(whole(GOOD)) as b:
        async with desk_at(cut_books, tmp_path, a.url, b=b.url) as desk:
            assert await dispatch(desk, attempt) == Result(OrderState.ACTIVE)
            assert desk.condition("panel-a").held == "request"
        assert (len(a.heard), len(b.heard)) == (1, 1)


async def test_failing_provider_is_passed_by_where_there_is_another_and_used_where_there_is_none(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """An open breaker spares a provider; it never leaves an order without one."""
    async with (
        misdoer(whole(GOOD)) as a,
        misdoer(whole(GOOD.replace(b"12345", b"777"))) as b,
        desk_at(cut_books, tmp_path, a.url, b=b.url) as desk,
    ):
        breaker = desk.providers["panel-a"]._breakers["orders"]
        for _ in range(FAILURES_MAX):
            breaker.failed(asyncio.get_running_loop().time())
        assert desk.condition("panel-a").tripped
        both = await planned(cut_books, alpha, routes=(make_planned(), make_planned("panel-b")))
        assert await dispatch(desk, both) == Result(OrderState.ACTIVE)
        assert _heard(a, b) == (0, 1)
        alone = await planned(cut_books, alpha, 100_002)
        assert await dispatch(desk, alone) == Result(OrderState.ACTIVE)
        assert _heard(a, b) == (1, 1)
        assert not desk.condition("panel-a").tripped  # it answered


async def test_order_in_doubt_whose_panel_asks_for_rest_is_the_last_for_a_while(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """A 503 may have been processed, so it is in doubt; the next order goes elsewhere until the time is over."""
    async with (
        misdoer(whole(b"{}", b"503 Service Unavailable", b"\r\nRetry-After: 60")) as a,
        misdoer(whole(GOOD)) as b,
        desk_at(cut_books, tmp_path, a.url, b=b.url) as desk,
    ):
        routes = (make_planned(), make_planned("panel-b"))
        first = await planned(cut_books, alpha, routes=routes)
        assert (await dispatch(desk, first)).state is OrderState.UNKNOWN
        assert desk.conditions.held_until("panel-a") == desk.clock() + 60_000
        assert await dispatch(desk, await planned(cut_books, alpha, 100_002, routes=routes)) == Result(
            OrderState.ACTIVE
        )
        assert _heard(a, b) == (1, 1)


def _heard(*panels: Misdoer) -> tuple[int, ...]:
    return tuple(len(panel.heard) for panel in panels)
