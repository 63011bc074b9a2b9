"""Verdicts reach the books: at once, when they are back, from a dead process's file, and through any cancelling."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.actions.desk import Desk
from gateway.actions.verdict import bring, replay, rescue
from gateway.core.attempt import AttemptState
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected
from gateway.core.rejections import RejectKind
from gateway.core.user import User
from gateway.jobs.sweep import sweep
from gateway.store.attempts import Verdict
from gateway.store.engine import StoreUnavailable
from gateway.store.owners import OWNER_DEAD_MS, beat, doubt, stale
from gateway.store.spool import Spooled
from tests.cut_books import CutBooks
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import ME, ask, attempts_of, make_planned, money_of, order_of, sending
from tests.world import until

ACCEPTED = Accepted("up-1")


def verdict(outcome: Outcome = ACCEPTED, *, owner: str = ME) -> Verdict:
    """A verdict of a process."""
    return Verdict(outcome=outcome, evidence="{}", go_on=False, failure="no", owner=owner, poll_at=NOW)


@pytest.fixture
async def desk(cut_books: CutBooks, tmp_path: Path) -> AsyncIterator[Desk]:
    """A living process on these books, with a data folder."""
    made = make_desk(cut_books, {"panel-a": NOBODY}, Time(), folder=tmp_path, owner=ME)
    yield made
    made.spool.close()
    await close_desk(made)


@pytest.fixture
async def other(cut_books: CutBooks, tmp_path: Path) -> AsyncIterator[Desk]:
    """Another process on the same books and the same folder."""
    made = make_desk(cut_books, {"panel-a": NOBODY}, Time(), folder=tmp_path, owner="later")
    yield made
    made.spool.close()
    await close_desk(made)


async def state_of(books: CutBooks) -> tuple[AttemptState, str | None]:
    """How the order's first attempt stands."""
    attempt = (await attempts_of(books))[0]
    return attempt.state, attempt.upstream_order


def files(folder: Path) -> list[str]:
    """What lies in the spool's folder."""
    return sorted(each.suffix for each in (folder / "spool").glob("*"))


async def test_verdict_waits_on_the_disk_and_reaches_the_books_when_they_are_back(
    desk: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """It is known here and nowhere else, so it is kept before anything is tried again; then nothing is left of it."""
    attempt = await sending(cut_books, alpha)
    cut_books.away = True
    bringing = asyncio.create_task(bring(desk, attempt, verdict()))

    async def kept() -> bool:
        return files(tmp_path) == [".spool"]

    await until(kept)
    assert cut_books.tried == 1
    assert [each.attempt.id for each in desk.spool.waiting] == [attempt.id]
    cut_books.away = False
    decided = await bringing
    assert decided is not None
    assert decided.state is OrderState.ACTIVE
    assert await state_of(cut_books) == (AttemptState.ACCEPTED, "up-1")
    assert (files(tmp_path), list(desk.spool.waiting)) == ([], [])
    assert await money_of(cut_books) == (900, 0)


async def test_commit_nobody_heard_of_is_found_done(
    desk: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """The line broke after the commit: bringing it again changes nothing, and money moved once."""
    attempt = await sending(cut_books, alpha)
    cut_books.keeps = True
    decided = await bring(desk, attempt, verdict())
    assert decided is not None
    assert decided.state is OrderState.ACTIVE
    assert await money_of(cut_books) == (900, 0)
    assert files(tmp_path) == []


async def test_dead_processs_verdict_is_brought_by_the_next(
    desk: Desk, other: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """The one that knew it died while the books were away."""
    attempt = await sending(cut_books, alpha)
    desk.spool.keep(Spooled(attempt=attempt, verdict=verdict()))
    await sweep(other)
    assert (await state_of(cut_books))[0] is AttemptState.SENDING  # the other one lives and has its file
    desk.spool.close()
    await sweep(other)
    assert await state_of(cut_books) == (AttemptState.ACCEPTED, "up-1")
    assert files(tmp_path) == []
    assert await money_of(cut_books) == (900, 0)


async def test_late_acceptance_wins_over_what_another_replica_made_unknown(
    desk: Desk, other: Desk, cut_books: CutBooks, alpha: User
) -> None:
    """Row N2: cut off after arming; the other one doubted it meanwhile; one order, captured once."""
    attempt = await sending(cut_books, alpha)
    desk.spool.keep(Spooled(attempt=attempt, verdict=verdict()))
    desk.spool.close()
    later = NOW + OWNER_DEAD_MS + 1
    await cut_books.run(partial(beat, "later", now=later))
    (lost,) = await cut_books.read(partial(stale, now=later, deadline=NOW - 1))
    assert await cut_books.run(partial(doubt, lost, actor="later", now=later))
    assert (await order_of(cut_books)).order.state is OrderState.UNKNOWN
    for _ in range(2):
        await replay(other)
    assert await state_of(cut_books) == (AttemptState.ACCEPTED, "up-1")
    assert (await order_of(cut_books)).order.state is OrderState.ACTIVE
    assert await money_of(cut_books) == (900, 0)


async def test_replayed_refusal_goes_on_with_the_next_route_as_ours(
    desk: Desk, other: Desk, cut_books: CutBooks, alpha: User
) -> None:
    """The dead process's name would have nobody send it."""
    routes = (make_planned(), make_planned("panel-b"))
    attempt = await sending(cut_books, alpha, routes=routes)
    desk.spool.keep(Spooled(attempt=attempt, verdict=verdict(Rejected(RejectKind.FUNDS, "no"))))
    desk.spool.close()
    await replay(other)
    first, second = await attempts_of(cut_books)
    assert (first.state, second.state) == (AttemptState.REJECTED, AttemptState.PLANNED)
    assert (second.provider, second.owner) == ("panel-b", "later")


async def test_books_that_are_still_away_leave_the_file_where_it_is(
    desk: Desk, other: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """Nothing is forgotten that the books have not taken."""
    attempt = await sending(cut_books, alpha)
    desk.spool.keep(Spooled(attempt=attempt, verdict=verdict()))
    desk.spool.close()
    cut_books.away = True
    with pytest.raises(StoreUnavailable):
        await replay(other)
    assert files(tmp_path) == [".spool"]
    cut_books.away = False
    await replay(other)
    assert files(tmp_path) == []


async def test_verdict_of_other_books_touches_nothing(
    desk: Desk, other: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """A data folder before new or restored books: the same numbers, another order; told once, kept for a person."""
    attempt = await sending(cut_books, alpha)
    stranger = msgspec.structs.replace(attempt, owner="somebody-of-old")
    nobody = msgspec.structs.replace(attempt, id=99, order_id=99)
    for each in (stranger, nobody):
        desk.spool.keep(Spooled(attempt=each, verdict=verdict()))
    desk.spool.close()
    with capture_logs() as logs:
        for _ in range(3):
            await replay(other)
    assert (await state_of(cut_books))[0] is AttemptState.SENDING
    assert files(tmp_path) == [".spool"]
    refused = [each for each in logs if each["event"] == "verdict_refused"]
    assert [each["log_level"] for each in refused] == ["critical"] * 2


@pytest.mark.parametrize("away", [False, True])
async def test_cancelled_while_bringing_loses_nothing(
    desk: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path, *, away: bool
) -> None:
    """At every moment of it: the books have the verdict, or the disk has, and the sweep brings it from there."""
    attempt = await sending(cut_books, alpha)
    cut_books.away = away
    bringing = asyncio.create_task(bring(desk, attempt, verdict()))
    await asyncio.sleep(0.2 if away else 0)
    bringing.cancel()
    await asyncio.wait({bringing})
    if away:
        assert bringing.cancelled()
        assert files(tmp_path) == [".spool"]
    cut_books.away = False
    await sweep(desk)
    assert await state_of(cut_books) == (AttemptState.ACCEPTED, "up-1")
    assert (files(tmp_path), list(desk.spool.waiting)) == ([], [])
    assert await money_of(cut_books) == (900, 0)


@pytest.mark.parametrize("moment", range(8))
async def test_rescue_that_is_cancelled_too_keeps_the_verdict(
    desk: Desk, cut_books: CutBooks, alpha: User, moment: int
) -> None:
    """A process that is torn down cancels everything, more than once."""
    attempt = await sending(cut_books, alpha)
    rescuing = asyncio.create_task(rescue(desk, Spooled(attempt=attempt, verdict=verdict())))
    for _ in range(moment):
        await asyncio.sleep(0)
    rescuing.cancel()
    await asyncio.wait({rescuing})
    await sweep(desk)
    assert (await state_of(cut_books))[0] in (AttemptState.ACCEPTED, AttemptState.SENDING)
    if moment:  # Before its first step a task is cancelled without a trace: nothing had been handed to it.
        assert (await state_of(cut_books))[0] is AttemptState.ACCEPTED


async def test_disk_that_cannot_be_written_is_told_and_the_verdict_still_brought(
    cut_books: CutBooks, alpha: User
) -> None:
    """Critical, because now one process alone knows it; it goes on bringing it."""
    desk = make_desk(cut_books, {"panel-a": NOBODY}, Time(), owner=ME)
    attempt = await sending(cut_books, alpha)
    cut_books.away = True
    with capture_logs() as logs:
        bringing = asyncio.create_task(bring(desk, attempt, verdict()))
        await asyncio.sleep(0.2)
    assert [each["log_level"] for each in logs if each["event"] == "verdict_unspooled"] == ["critical"]
    assert len(list(desk.spool.waiting)) == 1
    cut_books.away = False
    assert await bringing is not None
    assert await state_of(cut_books) == (AttemptState.ACCEPTED, "up-1")
    assert not list(desk.spool.waiting)
    await close_desk(desk)


async def test_what_was_never_sent_needs_no_disk(desk: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """Its attempt stands planned in the books, which says the same."""
    attempt = await sending(cut_books, alpha)
    cut_books.away = True
    bringing = asyncio.create_task(bring(desk, attempt, verdict(NotSent("away"))))
    await asyncio.sleep(0.2)
    assert files(tmp_path) == []
    cut_books.away = False
    await bringing


async def test_verdict_the_books_refuse_is_kept_and_told(
    desk: Desk, cut_books: CutBooks, alpha: User, tmp_path: Path, database_url: str
) -> None:
    """A mistake of ours (here an order that is given up while its attempt is out) loses no panel's word."""
    attempt = await sending(cut_books, alpha)
    await ask(database_url, "UPDATE orders SET state = 'failed'")
    with capture_logs() as logs:
        assert await bring(desk, attempt, verdict()) is None
        for _ in range(3):
            await replay(desk)
    assert [each["event"] for each in logs] == ["verdict_spooled", "verdict_refused"]
    assert files(tmp_path) == [".spool"]
