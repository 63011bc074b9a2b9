"""What tests of sending orders share: books that can be cut off, on each database, and a panel that misbehaves."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from gateway.core.user import User
from gateway.store.owners import beat
from gateway.store.store import open_store
from tests.cut_books import CutBooks
from tests.stocked import NOW
from tests.store.trade import ME, make_user


@pytest.fixture
async def cut_books(database_url: str) -> AsyncIterator[CutBooks]:
    """The books, with a user `alpha` in them."""
    books = CutBooks(open_store(database_url))
    await books.open()
    await books.migrate()
    await books.run(partial(beat, ME, now=NOW))
    yield books
    books.away = books.keeps = False
    await books.close()


@pytest.fixture
async def alpha(cut_books: CutBooks) -> User:
    """A user with 1 000 units."""
    return await make_user(cut_books)
