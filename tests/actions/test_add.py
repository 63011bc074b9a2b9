"""The action `add` while the books cannot say whether an order was kept: its caller comes again and must find it."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from gateway.actions.add import add
from gateway.actions.desk import Desk
from gateway.actions.snapshot import Snapshot
from gateway.cache.memory import MemoryCache
from gateway.core.catalogue import Declared, build_catalogue
from gateway.core.messages import AddReply, AddRequest, ErrorReply
from gateway.core.user import User
from gateway.store.engine import Command, Store, StoreBusy, StoreUnavailable
from gateway.store.ledger import balance_of
from gateway.store.owners import beat, leave
from gateway.store.sqlite import SqliteStore
from tests.makers import make_list, make_row, make_wanted
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import make_user
from tests.world import until

T = TypeVar("T")


class Silent(SqliteStore):
    """Books whose line breaks: what was asked is kept or not, and nobody is told; then they are away."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.keeps = True
        self.broken = False
        self.error: type[StoreUnavailable] = StoreUnavailable

    async def run(self, command: Command[T]) -> T:
        """Run it, unless the line is broken: then the first command may be kept, and no other is."""
        if not self.broken:
            return await super().run(command)
        if self.keeps:
            self.keeps = False
            await super().run(command)
        raise self.error("the line is broken")


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Silent]:
    """Real books in a file."""
    store = Silent(tmp_path / "books.db")
    await store.open()
    await store.migrate()
    await store.run(partial(beat, "me", now=NOW))
    yield store
    store.broken = False
    await store.close()


async def selling(books: Silent) -> Desk:
    """A desk that sells one service of a panel nobody can reach."""
    made = make_desk(books, {"panel-a": NOBODY}, Time())
    wanted = make_wanted(Declared(id=7, routes=(("panel-a", "101"),)))
    catalogue = build_catalogue(wanted, {"panel-a": make_list("panel-a", make_row("101"))}, {})
    made.snapshot = Snapshot(catalogue, MemoryCache(), complete=True)
    await made.order_ids.take()  # so that its block is here before the line breaks
    return made


async def closed(desk: Desk) -> None:
    """What waits for its panel is given up at its next try."""
    assert isinstance(desk.clock, Time)
    desk.clock.pass_by(3600)
    await desk.drain(5)
    await close_desk(desk)


@pytest.fixture
async def desk(books: Silent) -> AsyncIterator[Desk]:
    """A desk in front of those books."""
    made = await selling(books)
    yield made
    await closed(made)


def wish(link: str = "https://social.example/p/1") -> AddRequest:
    """A hundred of it."""
    return AddRequest(service="7", fields=(("link", link), ("quantity", "100")), idempotency_key=None)


async def spent(store: Store, user: User) -> int:
    """Units that are gone from what the user can spend."""
    found = await store.read(partial(balance_of, user.avail_account))
    assert found is not None
    return 10**9 - found.balance


@pytest.fixture
async def user(books: Silent) -> User:
    """A user with money."""
    return await make_user(books, money=10**9)


@pytest.mark.parametrize("kept", [True, False])
async def test_order_nobody_could_tell_about_is_found_again(
    desk: Desk, books: Silent, user: User, *, kept: bool
) -> None:
    """The caller had no id; the same wish again is one order and one charge, whether or not the first was kept."""
    books.broken, books.keeps = True, kept
    with pytest.raises(StoreUnavailable):
        await add(desk, user, wish())
    again = asyncio.create_task(add(desk, user, wish()))
    await asyncio.sleep(0.1)
    assert not again.done()
    books.broken = False
    reply = await again
    assert isinstance(reply, AddReply)
    assert await spent(books, user) == 9_000_000
    assert not desk.unanswered


@pytest.mark.parametrize("obstacle", ["seats", "stopped"])
async def test_refusal_waits_until_it_is_known_whether_the_order_is_there(
    desk: Desk, books: Silent, user: User, obstacle: str
) -> None:
    """Who comes again for an order that may have been stored is refused nothing by a limit or a stop meanwhile."""
    books.broken, books.keeps = True, True
    with pytest.raises(StoreUnavailable):
        await add(desk, user, wish())
    if obstacle == "seats":
        desk.seats[user.id] = 10**6
    else:
        desk.placing = False
    with pytest.raises(StoreUnavailable):
        await add(desk, user, wish())
    again = asyncio.create_task(add(desk, user, wish()))
    await asyncio.sleep(0.1)
    books.broken = False
    assert isinstance(await again, AddReply)
    assert await spent(books, user) == 9_000_000


async def test_wish_is_turned_away_while_nobody_can_tell(desk: Desk, books: Silent, user: User) -> None:
    """Books that stay away: the same wish is told so, never stored beside an order that may be there."""
    books.broken = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await add(desk, user, wish())
    assert len(desk.unanswered) == 1
    books.broken = False
    await asyncio.gather(*desk.unanswered.values())


async def test_other_wishes_wait_for_nothing(desk: Desk, books: Silent, user: User) -> None:
    """Only the very same order of the same user is held up."""
    books.broken = True
    with pytest.raises(StoreUnavailable):
        await add(desk, user, wish())
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(add(desk, user, wish("https://social.example/p/2")), 0.5)
    books.broken = False
    await asyncio.gather(*desk.unanswered.values())


@pytest.mark.parametrize("key", [None, "k-1"])
async def test_order_is_answered_though_nothing_is_sold(desk: Desk, books: Silent, user: User, key: str | None) -> None:
    """Its first answer was lost with the process; after the restart nothing is on sale yet, or no orders are taken."""
    first = msgspec.structs.replace(wish(), idempotency_key=key)
    reply = await add(desk, user, first)
    desk.owner = "after-the-restart"
    await books.run(partial(leave, "me"))
    sold, desk.snapshot = desk.snapshot, None
    assert await add(desk, user, first) == reply
    assert isinstance(await add(desk, user, wish("https://social.example/p/2")), ErrorReply)
    await books.run(partial(leave, "after-the-restart"))
    desk.snapshot, desk.placing = sold, False
    assert await add(desk, user, first) == reply
    assert await spent(books, user) == 9_000_000


async def test_key_of_another_order_is_told_though_nothing_is_sold(desk: Desk, user: User) -> None:
    """A key that came back with other parameters is an error of its own, whatever else stands in the way."""
    await add(desk, user, msgspec.structs.replace(wish(), idempotency_key="k-1"))
    desk.snapshot = None
    other = msgspec.structs.replace(wish("https://social.example/p/2"), idempotency_key="k-1")
    assert await add(desk, user, other) == ErrorReply("Idempotency key was used with other parameters")


async def test_full_queue_leaves_no_doubt(desk: Desk, books: Silent, user: User) -> None:
    """Nothing was kept, so there is nothing to be marked."""
    books.broken, books.keeps, books.error = True, False, StoreBusy
    with pytest.raises(StoreBusy):
        await add(desk, user, wish())
    assert not desk.unanswered


async def test_id_of_no_service_is_refused_without_a_question(desk: Desk, books: Silent, user: User) -> None:
    """Nothing is asked of the books for what is not sold."""
    before = books.counts.commands
    reply = await add(desk, user, AddRequest(service="8", fields=wish().fields, idempotency_key=None))
    assert reply == ErrorReply("Incorrect service ID")
    assert books.counts.commands == before


class Queued(Silent):
    """Books whose writer is busy: commands wait until it is let go, or what came of them does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.free = asyncio.Event()
        self.free.set()
        self.told = asyncio.Event()
        self.told.set()

    async def run(self, command: Command[T]) -> T:
        """Run it when its turn comes; say so when that is let out."""
        await self.free.wait()
        done = await super().run(command)
        await self.told.wait()
        return done


class Connection:
    """A caller's, which it may close."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self.gone = asyncio.create_task(self._hung_up())

    async def _hung_up(self) -> None:
        await self._closed.wait()

    async def close(self) -> None:
        """Hang up, and let it be known."""
        self._closed.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.fixture
async def busy(tmp_path: Path) -> AsyncIterator[Queued]:
    """Real books with a writer that can be kept busy."""
    store = Queued(tmp_path / "busy.db")
    await store.open()
    await store.migrate()
    await store.run(partial(beat, "me", now=NOW))
    yield store
    store.free.set()
    await store.close()


async def test_caller_who_left_before_its_order_was_stored_has_none(busy: Queued) -> None:
    """It waited for the writer; nobody was told of an order, and whoever comes again gets one, charged once."""
    desk, user = await selling(busy), await make_user(busy, money=10**9)
    busy.free.clear()
    first = Connection()
    waiting = asyncio.create_task(add(desk, user, wish(), gone=first.gone))
    await asyncio.sleep(0.05)
    await first.close()
    again = asyncio.create_task(add(desk, user, wish(), gone=Connection().gone))
    await asyncio.sleep(0.1)
    busy.free.set()
    assert isinstance(await waiting, ErrorReply)
    assert isinstance(await again, AddReply)
    assert await spent(busy, user) == 9_000_000
    await closed(desk)


async def test_caller_who_left_while_its_order_was_stored_is_given_it_again(busy: Queued) -> None:
    """It was stored, and this process has not heard so yet, when its caller left and came again."""
    desk, user = await selling(busy), await make_user(busy, money=10**9)
    first = Connection()
    busy.told.clear()
    waiting = asyncio.create_task(add(desk, user, wish(), gone=first.gone))
    await until(partial(spent, busy, user))
    await first.close()
    again = asyncio.create_task(add(desk, user, wish(), gone=Connection().gone))
    await asyncio.sleep(0.2)
    busy.told.set()
    told = await waiting
    assert isinstance(told, AddReply)
    assert await again == told
    assert await spent(busy, user) == 9_000_000
    await closed(desk)


async def test_caller_who_left_while_its_panel_was_asked_is_given_its_order_again(busy: Queued) -> None:
    """The order is there and not marked yet when the same wish comes: it waits for the mark, and is the same order."""
    desk, user = await selling(busy), await make_user(busy, money=10**9)
    first, second = Connection(), Connection()
    waiting = asyncio.create_task(add(desk, user, wish(), gone=first.gone))
    await until(partial(spent, busy, user))
    busy.free.clear()
    again = asyncio.create_task(add(desk, user, wish(), gone=second.gone))  # before the news that the first has left
    await asyncio.sleep(0)
    await first.close()
    await asyncio.sleep(0.1)
    busy.free.set()
    told, told_again = await waiting, await again
    assert isinstance(told, AddReply)
    assert told_again == told
    assert await spent(busy, user) == 9_000_000
    await closed(desk)


async def test_callers_who_stay_are_two_orders(busy: Queued) -> None:
    """Two identical adds at once are two wishes (rule 4)."""
    desk, user = await selling(busy), await make_user(busy, money=10**9)
    desk.answer_within = 0.2
    told = await asyncio.gather(*(add(desk, user, wish(), gone=Connection().gone) for _ in range(2)))
    assert len({reply.order for reply in told if isinstance(reply, AddReply)}) == 2
    assert await spent(busy, user) == 18_000_000
    await closed(desk)
