"""The clock in for the verification of the books: at start, then hourly; what breaks an invariant stops new orders.

Each process verifies for itself, for each decides for itself whether it takes orders. A start looks at the last day:
what a crash may have broken is there, and the rest was seen before. It waits for that a moment, not longer, so that
large books delay no start; the run then goes on beside the serving. The whole is verified a minute later and each hour
while that takes no more than a minute (some 15 million transfers); larger books have their last day verified hourly,
and all of them once a day.

New orders stop at the first violation, reads never (better stop than go on wrong). They are taken again when all of the
books were verified and nothing was found: a clean last day proves nothing about an older row. While stopped, all of
the books are verified again every minute, so a repair is noticed without a restart, and said in the log.
"""

import asyncio
from functools import partial
from typing import Final

import structlog

from gateway.actions.desk import Desk
from gateway.core.errors import GatewayError
from gateway.store.engine import StoreError, StoreUnavailable
from gateway.store.verify import Found, Invariant, Progress, in_words, verify

log = structlog.get_logger(__name__)

DAY_MS: Final = 24 * 3600 * 1000
# A restart is to be ready within 5 s (RELIABILITY.md section 4); less than half of it is this one's.
START_SECONDS_MAX: Final = 2.0
# A run of all the books keeps one core busy for so long; beyond it once a day is enough.
WHOLE_SECONDS_MAX: Final = 60.0
# Between runs of a stopped process, in times of what a run takes: verifying must not become all that the machine does.
STOPPED_SHARE: Final = 10
# Rows of one invariant in a log line; `gateway ledger verify` lists more.
ROWS_LOGGED_MAX: Final = 20


class Stopped(GatewayError):
    """The process ends: a verification under way is given up between two slices."""


class Verification:
    """One process's verification: what it last found, and when it is next due."""

    def __init__(self, desk: Desk, *, pause: float, stopped_pause: float) -> None:
        self._desk = desk
        self._usual_pause = pause  # seconds between runs
        self._stopped_pause = stopped_pause  # the same while orders are stopped, and from the start to the first run
        self._stopped = False  # whether it was us who stopped the placing
        self._told: dict[Invariant, int] = {}  # what the log has been told of
        self._whole_seconds = 0.0  # how long the last run over all of the books took
        self._whole_at = 0  # when it was, ms
        self._pause = stopped_pause
        self._first: asyncio.Task[None] | None = None
        self._ended = False

    async def at_start(self) -> None:
        """Verify the last day and wait for it, at most START_SECONDS_MAX; raises StoreError where it is unreadable."""
        self._first = asyncio.create_task(self._verify(whole=False), name="verify:start")
        done, _ = await asyncio.wait({self._first}, timeout=START_SECONDS_MAX)
        if done:
            await self._first
        else:
            log.info("verification_goes_on", seconds=START_SECONDS_MAX)

    async def run(self) -> None:
        """Verify what is due; the first run is the start's own."""
        first, self._first = self._first, None
        if first is not None:
            return await first
        day_ago = self._desk.clock() - DAY_MS
        whole = self._stopped or self._whole_seconds <= WHOLE_SECONDS_MAX or self._whole_at < day_ago
        await self._verify(whole=whole)
        stopped = max(self._stopped_pause, STOPPED_SHARE * self._whole_seconds)
        self._pause = stopped if self._stopped else self._usual_pause
        return None

    async def stop(self) -> None:
        """Give up what is under way: a process that ends does not wait for a thread that reads all of the books."""
        self._ended = True
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)

    def pause(self) -> float:
        """Seconds until the next run."""
        return self._pause

    async def _verify(self, *, whole: bool) -> None:
        desk, loop = self._desk, asyncio.get_running_loop()
        began = loop.time()
        since = None if whole else desk.clock() - DAY_MS
        try:
            found = await desk.store.read_at_length(partial(verify, since=since, listener=self._heard))
        except StoreUnavailable:
            raise  # The books are away: nothing can be ordered either, and the next run comes.
        except StoreError as error:
            log.critical("books_unreadable", error=str(error))
            self._stopped = True
            self._place(on=False)
            raise
        seconds = loop.time() - began
        if whole:
            self._whole_seconds, self._whole_at = seconds, desk.clock()
        counts = {each.value: found.counts.get(each, 0) for each in Invariant}
        desk.metrics.books_verified(counts, whole=whole, at_seconds=desk.clock() / 1000)
        self._judge(found, seconds)

    def _heard(self, progress: Progress) -> None:
        """Called after each slice, in the reading thread."""
        if self._ended:
            raise Stopped(f"after {progress.done} {progress.part}")

    def _judge(self, found: Found, seconds: float) -> None:
        told = {"orders": found.orders, "transfers": found.transfers, "seconds": round(seconds, 3)}
        if not found.sound:
            if dict(found.counts) != self._told:
                self._tell(found)
            self._stopped = True
            self._place(on=False)
            return
        log.info("books_verified", scope="all" if found.since is None else "day", **told)
        if self._stopped and found.since is None:
            self._stopped, self._told = False, {}
            self._place(on=True)
            log.warning("placing_again", why="all of the books were verified and are sound", **told)

    def _place(self, *, on: bool) -> None:
        self._desk.placing = on
        self._desk.metrics.placing_is(on=on)

    def _tell(self, found: Found) -> None:
        """A line for each broken invariant, with its rows."""
        self._told = dict(found.counts)
        for invariant, rows in found.counts.items():
            named = [each for each in found.violations if each.invariant is invariant][:ROWS_LOGGED_MAX]
            log.critical("books_violated", invariant=invariant.value, rows=rows, named=in_words(named), placing=False)
