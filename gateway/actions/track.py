"""Following what panels do with our orders: ask in batches, apply what they say, treat silence as no news."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from gateway.actions.desk import Desk
from gateway.core.messages import (
    ErrorReply,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    RefillStatusReply,
    RefillStatusRequest,
    StatusReply,
    StatusRequest,
)
from gateway.core.refill import RefillState, read_word
from gateway.points import point
from gateway.providers.client import ProviderClient
from gateway.providers.said import Failed
from gateway.store.polls import Due, apply, claim, hand_back, miss
from gateway.store.refills import OpenRefill, claim_refills, settle

log = structlog.get_logger(__name__)

# Ids in one multi-status call; a dialect may say fewer.
BATCH_MAX: Final = 100
# Ids at a time of a panel that is asked about each by itself: few enough that a slow one is done within the lease.
SINGLES_MAX: Final = 12
# Refills are asked about this often.
REFILL_PACE_MS: Final = 10 * 60_000


def batch_of(desk: Desk, provider: str) -> int:
    """How many orders a provider is asked about at a time."""
    dialect = desk.providers[provider].upstream.dialect
    return min(BATCH_MAX if dialect.multi_status else SINGLES_MAX, dialect.batch)


async def track(desk: Desk, provider: str) -> int:
    """Ask one provider about the orders that are due, one batch; answers how many there were.

    A process that does not reach the panel leaves the orders to one that does: it takes none while its breaker is open,
    and hands back what it could not ask about. That is no silence of the panel, and no order waits longer for it.
    """
    client = desk.providers[provider]
    if client.reads_tripped:
        return 0
    limit = batch_of(desk, provider)
    dues = await desk.store.run(partial(claim, provider, desk.owner, limit=limit, now=desk.clock()))
    if not dues:
        return 0
    point("before", "ASKED")
    said = await _ask(client, dues)
    point("after", "ASKED")
    if said is None:
        await desk.store.run(partial(hand_back, dues, desk.owner))
        return 0
    now, pace = desk.clock(), desk.paces[provider]
    silent = [due for due in dues if due.upstream_order not in said]
    told = partial(apply, provider=provider, pace=pace, now=now, confirmations=client.upstream.refund_confirmations)
    heard = [desk.store.run(partial(told, due, said[due.upstream_order])) for due in dues if due.upstream_order in said]
    await asyncio.gather(*heard)
    for order_id in await desk.store.run(partial(miss, silent, pace=pace, now=now)) if silent else ():
        log.error("order_silent", order_id=order_id, provider=provider)
    desk.metrics.orders_tracked(provider, heard=len(dues) - len(silent), silent=len(silent))
    return len(dues)


async def track_refills(desk: Desk, provider: str) -> int:
    """Ask one provider about its open refills that are due, one batch; answers how many there were."""
    client = desk.providers[provider]
    if client.reads_tripped:
        return 0
    now = desk.clock()
    dialect = client.upstream.dialect
    limit = min(BATCH_MAX if dialect.multi_refill_status else SINGLES_MAX, dialect.batch)
    refills = await desk.store.run(partial(claim_refills, provider, limit=limit, now=now))
    if not refills:
        return 0
    words = await _ask_refills(client, refills)
    pace = min(REFILL_PACE_MS, desk.paces[provider] * 10)
    for refill in refills:
        state, shown = read_word(words.get(refill.upstream_refill, "")) or (RefillState.OPEN, "Pending")
        await desk.store.run(
            partial(settle, refill.id, state, shown=shown, upstream_refill=None, due_at=now + pace, now=now)
        )
    return len(refills)


async def _ask(client: ProviderClient, dues: Sequence[Due]) -> dict[str, StatusReply] | None:
    """What the panel says, by its own id; only ids that were asked for, and only what is a status.

    ``None`` when no question got as far as the panel.
    """
    asked = tuple(due.upstream_order for due in dues)
    if len(asked) == 1 or not client.upstream.dialect.multi_status:
        heard = await asyncio.gather(*(client.ask(StatusRequest(order=one)) for one in asked))
        if all(map(_unsent, heard)):
            return None
        return {one: reply for one, reply in zip(asked, heard, strict=True) if isinstance(reply, StatusReply)}
    answer = await client.ask(MultiStatusRequest(orders=asked))
    if not isinstance(answer, MultiStatusReply):
        log.warning("status_no_news", provider=client.upstream.name, orders=len(asked), answer=type(answer).__name__)
        return None if _unsent(answer) else {}
    wanted = set(asked)
    return {one: reply for one, reply in answer.orders if one in wanted and isinstance(reply, StatusReply)}


def _unsent(said: object) -> bool:
    return isinstance(said, Failed) and not said.sent


async def _ask_refills(client: ProviderClient, refills: Sequence[OpenRefill]) -> dict[str, str]:
    """What the panel says of refills, by its own id."""
    asked = tuple(refill.upstream_refill for refill in refills)
    if len(asked) == 1 or not client.upstream.dialect.multi_refill_status:
        heard = await asyncio.gather(*(client.ask(RefillStatusRequest(refill=one)) for one in asked))
        return {
            one: reply.status for one, reply in zip(asked, heard, strict=True) if isinstance(reply, RefillStatusReply)
        }
    answer = await client.ask(MultiRefillStatusRequest(refills=asked))
    if not isinstance(answer, MultiRefillStatusReply):
        return {}
    return {one: reply.status for one, reply in answer.refills if not isinstance(reply, ErrorReply)}
