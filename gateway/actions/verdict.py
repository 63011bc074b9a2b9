"""Verdicts on their way to the books: brought until they are taken, and kept on the disk while they are not.

A verdict is known to one process alone. When the books cannot take it, it goes to the spool before anything else is
done, and is brought again and again; a process that dies meanwhile leaves it to the next one on its data folder.
What was never sent needs no keeping: the books say so, because its attempt was never armed.
"""

import asyncio
from functools import partial
from typing import Final

import msgspec
import structlog

from gateway.actions.cancel import tell_cancel
from gateway.actions.desk import Desk
from gateway.core.attempt import Attempt
from gateway.core.errors import GatewayError
from gateway.core.outcome import NotSent
from gateway.store.attempts import Decided, Verdict, decide, decide_again
from gateway.store.engine import StoreUnavailable
from gateway.store.spool import Spooled

log = structlog.get_logger(__name__)

# The pause before a verdict is brought again: the first, and the longest.
PAUSE_FIRST_SECONDS: Final = 0.5
PAUSE_MAX_SECONDS: Final = 5.0


async def bring(desk: Desk, attempt: Attempt, verdict: Verdict) -> Decided | None:
    """Bring a verdict until the books take it; ``None`` when they refuse it for good, which a person has to see.

    A caller that is cancelled meanwhile does not take the verdict along: it is brought once more, or spooled.
    """
    record = Spooled(attempt=attempt, verdict=verdict)
    pause, away = PAUSE_FIRST_SECONDS, False
    try:
        while True:
            try:
                return await _once(desk, record)
            except StoreUnavailable as error:
                if not away:
                    away = True
                    await _keep(desk, record, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_MAX_SECONDS)
    except asyncio.CancelledError:
        await rescue(desk, record)
        raise
    except GatewayError as error:
        await _keep(desk, record, error)
        return None


async def rescue(desk: Desk, record: Spooled) -> None:
    """Bring a verdict once, for a caller that is being cancelled: its row is read again, or the spool has it."""
    try:
        await _once(desk, record)
    except GatewayError as error:
        _keep_now(desk, record, error)
    except asyncio.CancelledError:
        _keep_now(desk, record, None)
        raise


async def replay(desk: Desk) -> None:
    """Bring what nobody is bringing: of dead processes on this data folder, and of our own tasks that were cut off.

    Raises StoreUnavailable when the books are away; what was not taken stays where it is.
    """
    for record in desk.spool.waiting:
        if record.attempt.order_id not in desk.dispatching:
            await _replay(desk, record)
    with desk.spool.left_behind() as left_behind:
        for left in left_behind:
            taken = [await _replay(desk, record) for record in left.records]
            if left.unreadable:
                log.critical("spool_unreadable", file=str(left.path), lines=left.unreadable)
            if all(taken):
                desk.spool.forget(left)


async def _replay(desk: Desk, record: Spooled) -> bool:
    """Bring one verdict as this process's own; answers whether the books have it."""
    attempt = record.attempt
    if attempt.id in desk.spool.refused:
        return False
    mine = msgspec.structs.replace(record, verdict=msgspec.structs.replace(record.verdict, owner=desk.owner))
    try:
        # An attempt that follows from it is planned as ours: the sweep, which comes next, sends it.
        decided = await desk.store.run(partial(decide_again, attempt, mine.verdict, now=desk.clock()))
    except StoreUnavailable:
        raise
    except GatewayError as error:
        desk.spool.refused.add(attempt.id)
        log.critical("verdict_refused", order_id=attempt.order_id, attempt=attempt.id, error=str(error))
        return False
    desk.spool.settled(attempt.id)
    desk.metrics.attempt_decided(attempt.provider, record.verdict.outcome)
    log.warning(
        "verdict_replayed",
        order_id=attempt.order_id,
        attempt=attempt.id,
        outcome=type(record.verdict.outcome).__name__,
        state=decided.state.value,
    )
    if decided.cancel is not None:
        told = tell_cancel(desk, attempt.order_id, attempt.provider)
        desk.spawn(told, name=f"cancel:{attempt.order_id}")
    return True


async def _once(desk: Desk, record: Spooled) -> Decided:
    decided = await desk.store.run(partial(decide, record.attempt, record.verdict, now=desk.clock()))
    desk.spool.settled(record.attempt.id)
    return decided


async def _keep(desk: Desk, record: Spooled, error: GatewayError) -> None:
    """The same, beside the event loop: a disk may take its time."""
    await asyncio.to_thread(_keep_now, desk, record, error)


def _keep_now(desk: Desk, record: Spooled, error: GatewayError | None) -> None:
    """Spool a verdict; where that fails too it is known to this process alone, and somebody has to know that."""
    attempt, outcome = record.attempt, record.verdict.outcome
    told = log.bind(order_id=attempt.order_id, attempt=attempt.id, outcome=repr(outcome), error=error or "cut off")
    if isinstance(outcome, NotSent):
        told.warning("verdict_waits")
        return
    try:
        desk.spool.keep(record)
    except OSError as failure:
        told.critical("verdict_unspooled", failure=str(failure))
    else:
        told.warning("verdict_spooled")
