"""The clock in for events that are to be told: claim, tell, mark; again until nothing is left or nothing is taken.

A consumer that takes nothing is asked after pauses that grow to a quarter of a minute, whatever waits. Each event has
its own time of trying again besides (gateway/store/outbox.py), so that one which the consumer chokes on holds up only
the later events of its own order.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from gateway.core.webhook import Happened
from gateway.metrics import Metrics
from gateway.points import point
from gateway.providers.webhook import TOGETHER_MAX, Webhook
from gateway.store.engine import Store
from gateway.store.outbox import Told, claim_events, mark_failed, mark_published

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
PAUSE_MAX_SECONDS: Final = 15.0


class Publisher:
    """Tells a consumer what happened; any number of them may work on the same books."""

    def __init__(self, store: Store, webhook: Webhook, metrics: Metrics, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._webhook = webhook
        self._metrics = metrics
        self._clock = clock  # ms since the epoch
        self._pause = PAUSE_SECONDS

    async def run(self) -> None:
        """Tell what is due, until nothing is left or the consumer takes nothing."""
        while True:
            claimed = await self._store.run(partial(claim_events, now=self._clock()))
            if not claimed:
                self._pause = PAUSE_SECONDS
                return
            if not await self._tell_all(claimed):
                self._pause = min(2 * self._pause, PAUSE_MAX_SECONDS)
                return

    def pause(self) -> float:
        """Seconds until the next run."""
        return self._pause

    async def _tell_all(self, claimed: Sequence[Told]) -> bool:
        """Tell a claim's events, which are of different orders, several at a time; answers whether any was taken."""
        gate = asyncio.Semaphore(TOGETHER_MAX)

        async def tell(told: Told) -> str | None:
            async with gate:
                return await self._webhook.tell(_happened(told), at=self._clock() // 1000)

        problems = await asyncio.gather(*(tell(told) for told in claimed))
        point("told", "events")
        taken = [told.id for told, problem in zip(claimed, problems, strict=True) if problem is None]
        if taken:
            await self._store.run(partial(mark_published, taken, now=self._clock()))
        self._metrics.events_told("taken", len(taken))
        for told, problem in zip(claimed, problems, strict=True):
            if problem is not None:
                await self._failed(told, problem)
        return bool(taken)

    async def _failed(self, told: Told, problem: str) -> None:
        dead = await self._store.run(partial(mark_failed, told, problem, now=self._clock()))
        self._metrics.events_told("dead" if dead else "failed", 1)
        if dead:
            log.error("event_given_up", event_id=told.id, kind=told.kind, order_id=told.order_id, problem=problem)
        else:
            log.info("event_not_taken", event_id=told.id, kind=told.kind, tries=told.tries + 1, problem=problem)


def _happened(told: Told) -> Happened:
    return Happened(
        id=told.id,
        kind=told.kind,
        actor=told.actor,
        user_id=told.user_id,
        order_id=told.order_id,
        before=told.before,
        after=told.after,
        reason=told.reason,
        at=datetime.fromtimestamp(told.created_at / 1000, UTC).isoformat(timespec="milliseconds"),
    )
