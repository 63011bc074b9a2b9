"""Somebody else's session that holds a lock, in a thread of its own, so that a test may stand still meanwhile."""

import asyncio
import threading
from types import TracebackType
from typing import Final, Self

import asyncpg

JOIN_SECONDS: Final = 20.0


class Holding:
    """A statement in an open transaction, from `begin` or the entry of the context until its end."""

    def __init__(self, url: str, statement: str) -> None:
        self._url = url
        self._statement = statement
        self._held = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._hold()), name="holding", daemon=True)

    def begin(self, *, seconds: float) -> bool:
        """Ask for the lock and wait so long for it; answers whether it is held."""
        self._thread.start()
        return self._held.wait(seconds)

    def end(self) -> None:
        """Let go."""
        self._end.set()
        self._thread.join(JOIN_SECONDS)

    def __enter__(self) -> Self:
        assert self.begin(seconds=JOIN_SECONDS), "the lock was not to be had"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()

    async def _hold(self) -> None:
        connection = await asyncpg.connect(self._url)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(self._statement)
        self._held.set()
        await asyncio.to_thread(self._end.wait)
        await transaction.rollback()
        await connection.close()
