"""Safe mode as a process knows it: read from the books with each sweep, so that it begins and ends in every replica."""

import structlog

from gateway.actions.desk import Desk
from gateway.store.safety import safety

log = structlog.get_logger(__name__)


async def keep_safe(desk: Desk) -> None:
    """Learn whether the books may be traded on; said once when that changes."""
    found = await desk.store.read(safety)
    before = desk.safe_mode
    desk.safe_mode = found.reason if found.on else ""
    desk.by_hand_until = found.by_hand_until
    if desk.safe_mode == before:
        return
    desk.metrics.placing_is(on=desk.placing and not desk.unfenced and not desk.safe_mode)
    if desk.safe_mode:
        log.critical("safe_mode", reason=found.reason, books_known_until_ms=found.known_until, do="gateway reconcile")
    else:
        log.warning("safe_mode_ended")
