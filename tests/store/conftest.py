"""A store that is open and has the schema, on each database in turn, and a rival on the same books."""

from collections.abc import AsyncIterator

import pytest

from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.store import open_store
from tests.store.trade import make_user


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on SQLite and on the real PostgreSQL."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
async def rival(store: Store, database_url: str) -> AsyncIterator[Store]:
    """A second store on the same books, with a writer and connections of its own, as another process has them."""
    assert store is not None  # Only so that the schema is there first.
    opened = open_store(database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def alpha(store: Store) -> User:
    """A user with 1 000 units."""
    return await make_user(store)
