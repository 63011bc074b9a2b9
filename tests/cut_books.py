"""Books behind a line that can be cut: real ones, which now and then nobody can reach, or which nobody hears from."""

import asyncio
from collections.abc import Callable
from functools import partial
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
        self._hold: Callable[..., object] | None = None  # the command whose next answer is held
        self._free = asyncio.Event()
        self.tried = 0  # commands that came while it was away

    @property
    def trouble(self) -> str:
        """Why nothing could be written the last time, as this side of the line knows it."""
        return "the line is cut" if self.away else self._store.trouble

    @trouble.setter
    def trouble(self, why: str) -> None:
        self._store.trouble = why

    def hold(self, command: Callable[..., object]) -> None:
        """Have the next answer to a command, which is committed, not come until it is let go."""
        self._hold, self._free = command, asyncio.Event()

    def let_go(self) -> None:
        """Give the answer that is held, and hold none."""
        self._hold = None
        self._free.set()

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
        if isinstance(command, partial) and command.func is self._hold:
            self._hold = None
            await self._free.wait()
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
