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
from gateway.core.order import UNDER_WAY
from gateway.core.refill import RefillState, read_word
from gateway.points import point
from gateway.providers.client import ProviderClient
from gateway.providers.said import Failed
from gateway.store.children import apply_child, claim_all, hand_back_children, miss_children
from gateway.store.polls import apply, hand_back, miss
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
    """Ask one provider about the orders that are due and about what it made for some of them, a batch of each.

    Answers how many there were, of whichever were more. A process that does not reach the panel leaves the orders to
    one that does: it takes none while its breaker is open, and hands back what it could not ask about. That is no
    silence of the panel, and no order waits longer for it.
    """
    client = desk.providers[provider]
    if client.reads_tripped:
        return 0
    limit = batch_of(desk, provider)
    dues, children = await desk.store.run(partial(claim_all, provider, desk.owner, limit=limit, now=desk.clock()))
    if not dues and not children:
        return 0
    point("before", "ASKED")
    ids = [*(due.upstream_order for due in dues), *(child.upstream_order for child in children)]
    said, unasked = await _ask(client, ids, limit)
    point("after", "ASKED")
    if unasked:
        await desk.store.run(partial(hand_back, [due for due in dues if due.upstream_order in unasked], desk.owner))
        kept = [child for child in children if child.upstream_order in unasked]
        await desk.store.run(partial(hand_back_children, kept, desk.owner))
        dues = tuple(due for due in dues if due.upstream_order not in unasked)
        children = tuple(child for child in children if child.upstream_order not in unasked)
    now, pace = desk.clock(), desk.paces[provider]
    silent = [due for due in dues if due.upstream_order not in said]
    quiet = [child for child in children if child.upstream_order not in said]
    tell = partial(apply, provider=provider, pace=pace, now=now, confirmations=client.upstream.refund_confirmations)
    tell_child = partial(apply_child, provider=provider, pace=pace, now=now)
    # Children first: an order that has ended is settled by what was heard of them just now.
    heard = [one for one in children if one.upstream_order in said]
    await asyncio.gather(*(desk.store.run(partial(tell_child, one, said[one.upstream_order])) for one in heard))
    known = [due for due in dues if due.upstream_order in said]
    for due in known:
        status = said[due.upstream_order].status
        if due.terminal_at is not None and status in UNDER_WAY:  # It moves no money and no word of ours (Q84).
            log.info("status_went_back", order_id=due.order_id, provider=provider, status=status.value)
    ended = await asyncio.gather(*(desk.store.run(partial(tell, due, said[due.upstream_order])) for due in known))
    for took in filter(None, ended):
        desk.metrics.order_dearer()
        charged, agreed = f"{took.charged:f} {took.currency}", f"{took.agreed:f} {took.currency}"
        log.error("cost_above_list", order_id=took.order_id, provider=provider, charged=charged, agreed=agreed)
    unheard = [*(await desk.store.run(partial(miss, silent, pace=pace, now=now)) if silent else ())]
    unheard += await desk.store.run(partial(miss_children, quiet, pace=pace, now=now)) if quiet else ()
    for order_id in unheard:
        log.error("order_silent", order_id=order_id, provider=provider)
    desk.metrics.orders_tracked(provider, heard=len(known), silent=len(silent))
    return max(len(dues), len(children))


async def track_refills(desk: Desk, provider: str) -> int:
    """Ask one provider about its open refills that are due, one batch; answers how many there were."""
    client = desk.providers[provider]
    if client.reads_tripped:
        return 0
    now = desk.clock()
    dialect = client.upstream.dialect
    limit = min(BATCH_MAX if dialect.multi_refill_status else SINGLES_MAX, dialect.batch)
    refills = await desk.store.run(partial(claim_refills, provider, desk.owner, limit=limit, now=now))
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


async def _ask(client: ProviderClient, ids: Sequence[str], limit: int) -> tuple[dict[str, StatusReply], frozenset[str]]:
    """What the panel says, by its own id, asked in calls of `limit`; and the ids no question about got to the panel.

    Only ids that were asked for, and only what is a status.
    """
    said: dict[str, StatusReply] = {}
    unasked: set[str] = set()
    for start in range(0, len(ids), limit):
        call = tuple(ids[start : start + limit])
        told = await _ask_once(client, call)
        said |= told or {}
        unasked.update(call if told is None else ())
    return said, frozenset(unasked)


async def _ask_once(client: ProviderClient, asked: tuple[str, ...]) -> dict[str, StatusReply] | None:
    """What one call brings, or several at once to a panel that is asked about each by itself; None: none got there."""
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
