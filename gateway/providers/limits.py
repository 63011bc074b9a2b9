"""Limits: how many calls to one provider run at once, how many start in a second, how long one waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

WAITING_MAX: Final = 1_000  # calls that wait for one provider; more would only make the last ones too late
WAIT_SECONDS_MAX: Final = 30.0  # for a turn
BURST_SECONDS: Final = 1.0  # so much of the rate may be used at once after a quiet time


class NoTurn(Exception):
    """A call did not get its turn in time; nothing was sent."""


class Gate:
    """The turns of one provider's calls of one kind."""

    def __init__(self, concurrency: int, pacer: "Pacer", *, wait_max: float = WAIT_SECONDS_MAX) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._wait_max = wait_max  # seconds
        self._pacer = pacer
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a slot and for the rate, then hold the slot; raises NoTurn."""
        if self._waiting >= WAITING_MAX:
            raise NoTurn(f"{WAITING_MAX} calls are waiting already")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_max):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NoTurn(f"no free slot within {self._wait_max:g} s") from error
        finally:
            self._waiting -= 1
        try:
            await self._pacer.pace()
            yield
        finally:
            self._slots.release()


class Pacer:
    """A generic cell rate algorithm: `per_second` starts a second, with a burst after a quiet time."""

    def __init__(self, per_second: Decimal) -> None:
        self._gap = float(1 / per_second)
        self._next = 0.0  # the theoretical time of the next start

    async def pace(self) -> None:
        """Wait until a call may start; raises NoTurn when that is too far away."""
        now = asyncio.get_running_loop().time()
        # A rate below one a second has no burst, but its first call need not wait.
        planned = max(self._next, now - max(BURST_SECONDS - self._gap, 0.0))
        wait = max(planned - now, 0.0)
        if wait > WAIT_SECONDS_MAX:
            raise NoTurn(f"the rate allows the next call in {wait:.0f} s")
        self._next = planned + self._gap
        if wait:
            await asyncio.sleep(wait)
