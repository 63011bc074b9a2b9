"""The clock in for what processes leave behind: take over what was never sent, doubt what may have been."""

from functools import partial
from time import monotonic
from typing import Final

import structlog

from gateway.actions.desk import Desk
from gateway.actions.dispatch import dispatch
from gateway.actions.safe_mode import keep_safe
from gateway.actions.shared_clock import SharedClock
from gateway.actions.verdict import replay
from gateway.store.owners import beat, doubt, left_planned, stale, take_over
from gateway.store.polls import recall
from gateway.store.refills import doubt_refills

log = structlog.get_logger(__name__)

# A sending attempt older than the longest upstream deadline by this much is nobody's, whoever owns it (RELIABILITY
# 1.13).
STALE_GRACE_MS: Final = 30_000


async def sweep(desk: Desk) -> None:
    """Say that we live, bring verdicts left lying, take over what was planned and send it, doubt what was sent."""
    await keep_time(desk)
    now = desk.clock()
    quiet = monotonic() < desk.quiet_until
    heard = await desk.store.run(partial(beat, desk.owner, now=now))
    if heard < desk.beaten_at and not quiet and not desk.unfenced:
        _stop_sending(desk, heard)
    desk.beaten_at = now
    await keep_safe(desk)
    await replay(desk)
    if not desk.unfenced and not desk.safe_mode:  # Otherwise they are left to a process that can send them.
        await _take_up(desk, now=now, quiet=quiet)
    if quiet:
        return
    deadline = now - desk.longest_add_ms - STALE_GRACE_MS
    for attempt in await desk.store.read(partial(stale, now=now, deadline=deadline)):
        if await desk.store.run(partial(doubt, attempt, actor=desk.owner, now=now)):
            log.warning("attempt_in_doubt", order_id=attempt.order_id, attempt=attempt.id, provider=attempt.provider)
    await desk.store.run(partial(doubt_refills, before=deadline, now=now))


def _stop_sending(desk: Desk, heard: int) -> None:
    """The books lack a sign of life that was committed: what else they lack, panels may have. Only people can tell.

    So it is after a failover to a replica that lagged, or with an older copy in the books' place (row D11).
    """
    desk.unfenced = "the books lack what was committed in them: reconcile with the panels, then start anew"
    desk.metrics.placing_is(on=False)
    log.critical("books_went_back", by_ms=desk.beaten_at - heard, placing=False)


async def keep_time(desk: Desk) -> None:
    """Ask the books what time it is; after a jump nobody is thought dead until all have said when they live now."""
    if not isinstance(desk.clock, SharedClock):
        return
    jump = await desk.clock.read(desk.store)
    if jump:
        desk.quiet_until = monotonic() + (desk.longest_add_ms + STALE_GRACE_MS) / 1000
        log.warning("clock_jumped", ms=jump, quiet_seconds=int(desk.quiet_until - monotonic()))
    if jump < 0:
        await desk.store.run(partial(recall, now=desk.clock()))


async def _take_up(desk: Desk, *, now: int, quiet: bool) -> None:
    """Send what was planned and not sent: by processes that are dead, and by ourselves."""
    taken = () if quiet else await desk.store.run(partial(take_over, desk.owner, now=now))
    for attempt in taken:
        log.info("attempt_taken_over", order_id=attempt.order_id, attempt=attempt.id, provider=attempt.provider)
        desk.spawn(dispatch(desk, attempt), name=f"dispatch:{attempt.order_id}")
    for attempt in await desk.store.read(partial(left_planned, desk.owner, now=now)):
        # Ours, and nobody is at it: its dispatch ended while the books were away.
        if attempt.order_id not in desk.dispatching and attempt not in taken:
            log.info("attempt_taken_up", order_id=attempt.order_id, attempt=attempt.id, provider=attempt.provider)
            desk.spawn(dispatch(desk, attempt), name=f"dispatch:{attempt.order_id}")
