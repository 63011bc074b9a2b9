"""Books behind a line that can be cut: real ones, which now and then nobody can reach, or which nobody hears from."""

import asyncio
from typing import TypeVar

from gateway.store.engine import Command, Counts, Store, StoreUnavailable

T = TypeVar("T")


class CutBooks:
    """A store; while `away` nothing reaches it, and with `keeps` the next command does and its answer is lost."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.counts: Counts = store.counts
        self.away = False
        self.keeps = False
        self.late = 0.0  # seconds by which the answer to a command comes after its commit
        self.tried = 0  # commands that came while it was away

    @property
    def trouble(self) -> str:
        """Why nothing could be written the last time, as this side of the line knows it."""
        return "the line is cut" if self.away else self._store.trouble

    @trouble.setter
    def trouble(self, why: str) -> None:
        self._store.trouble = why

    async def open(self) -> None:
        """Open them."""
        await self._store.open()

    async def close(self) -> None:
        """Close them."""
        await self._store.close()

    async def migrate(self) -> int:
        """Bring their schema up to date."""
        return await self._store.migrate()

    async def run(self, command: Command[T]) -> T:
        """Run a command if the line is up."""
        if self.keeps:
            self.keeps = False
            await self._store.run(command)
            raise StoreUnavailable("the line broke")
        self._check()
        done = await self._store.run(command)
        if self.late:
            await asyncio.sleep(self.late)
        return done

    async def read(self, command: Command[T]) -> T:
        """Read if the line is up."""
        self._check()
        return await self._store.read(command)

    async def read_at_length(self, command: Command[T]) -> T:
        """Read at length if the line is up."""
        self._check()
        return await self._store.read_at_length(command)

    def _check(self) -> None:
        if self.away:
            self.tried += 1
            raise StoreUnavailable("the line is cut")
