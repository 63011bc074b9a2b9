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


@pytest.fixture
async def desk(books: Silent) -> AsyncIterator[Desk]:
    """A desk that sells one service of a panel nobody can reach."""
    time = Time()
    made = make_desk(books, {"panel-a": NOBODY}, time)
    wanted = make_wanted(Declared(id=7, routes=(("panel-a", "101"),)))
    catalogue = build_catalogue(wanted, {"panel-a": make_list("panel-a", make_row("101"))}, {})
    made.snapshot = Snapshot(catalogue, MemoryCache(), complete=True)
    await made.order_ids.take()  # so that its block is here before the line breaks
    yield made
    time.pass_by(3600)  # what waits for its panel is given up at its next try
    await made.drain(5)
    await close_desk(made)


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
