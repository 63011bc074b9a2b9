"""Limits: how many calls run at once, how many start in a second, whose turn it is, how long to wait."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

WAITING_MAX: Final = 1_000  # calls that wait for one provider; more would only make the last ones too late
WAIT_SECONDS_MAX: Final = 30.0  # for a turn
BURST_SECONDS: Final = 1.0  # so much of the rate may be used at once after a quiet time
HOUSE: Final = 0  # for whom a call is that no user asked for; no user has this id


class NoTurn(Exception):
    """A call did not get its turn in time; nothing was sent."""


class _Waiting(asyncio.Future[None]):
    """One call that waits: its result is its turn."""


class Gate:
    """The turns of one provider's calls of one kind.

    While calls wait, turns are dealt to their users in rotation, one each, so that somebody with a thousand orders is
    behind everybody else who has one. The rate is waited for by one call at a time: a call that came later, of
    somebody who had less, overtakes what is not at its turn yet.
    """

    def __init__(self, concurrency: int, pacer: "Pacer", *, wait_max: float = WAIT_SECONDS_MAX) -> None:
        self._free = concurrency
        self._wait_max = wait_max  # seconds
        self._pacer = pacer
        self._pacing = False  # whether a call that has its slot waits for the rate
        self._queues: OrderedDict[int, deque[_Waiting]] = OrderedDict()  # by user; whose turn is next stands first
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, user: int = HOUSE) -> AsyncIterator[None]:
        """Wait for a slot and for the rate, then hold the slot; raises NoTurn."""
        if self._waiting or self._pacing or not self._free:
            await self._wait(user)
        else:
            self._take()
        try:
            try:
                await self._pacer.pace()
            finally:
                self._pacing = False
                self._deal()
            yield
        finally:
            self._free += 1
            self._deal()

    async def _wait(self, user: int) -> None:
        """Stand in the user's queue until the turn comes; raises NoTurn when it takes too long."""
        self._make_room(user)
        mine = _Waiting()
        self._queues.setdefault(user, deque()).append(mine)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_max):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self._give_back()  # The turn came in the moment in which its call was cancelled.
            else:
                self._leave(user, mine)
            if isinstance(error, TimeoutError):
                raise NoTurn(f"no free slot within {self._wait_max:g} s") from error
            raise

    def _make_room(self, user: int) -> None:
        """Keep the queue bounded; who has the most in it gives way to somebody who has less. Raises NoTurn."""
        if self._waiting < WAITING_MAX:
            return
        most = max(self._queues, key=lambda each: len(self._queues[each]))
        if len(self._queues[most]) <= len(self._queues.get(user, ())) + 1:
            raise NoTurn(f"{WAITING_MAX} calls are waiting already")
        last = self._queues[most][-1]
        self._leave(most, last)
        last.set_exception(NoTurn(f"{WAITING_MAX} calls are waiting, and others have fewer of them"))

    def _leave(self, user: int, waiting: _Waiting) -> None:
        """Take a call out of the queue; one that was put out is gone already."""
        queue = self._queues.get(user)
        if queue is None or waiting not in queue:
            return
        queue.remove(waiting)
        self._waiting -= 1
        if not queue:
            del self._queues[user]

    def _deal(self) -> None:
        """Give the next turn, if there is one to give and somebody to have it."""
        while self._waiting and self._free and not self._pacing:
            user, queue = next(iter(self._queues.items()))
            first = queue.popleft()
            self._waiting -= 1
            if queue:
                self._queues.move_to_end(user)
            else:
                del self._queues[user]
            if not first.done():  # Otherwise it is being cancelled just now.
                self._take()
                first.set_result(None)

    def _take(self) -> None:
        self._free -= 1
        self._pacing = True

    def _give_back(self) -> None:
        self._free += 1
        self._pacing = False
        self._deal()


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
