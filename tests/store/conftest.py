"""A store that is open and has the schema, on each database in turn."""

from collections.abc import AsyncIterator

import pytest

from gateway.store.engine import Store
from gateway.store.store import open_store


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on SQLite and on the real PostgreSQL."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()
