"""The clock in for the event loop's own pulse: how late it turns to what is due, felt by sleeping a little."""

import asyncio
from typing import Final

from gateway.metrics import Metrics

NAP_SECONDS: Final = 0.1
PAUSE_SECONDS: Final = 0.15  # four naps a second: a stall of half a second is never missed, and the cost is none


async def feel_lag(metrics: Metrics) -> None:
    """Sleep for a moment and tell how much longer it was."""
    clock = asyncio.get_running_loop().time
    due = clock() + NAP_SECONDS
    await asyncio.sleep(NAP_SECONDS)
    metrics.loop_lagged(max(clock() - due, 0.0))
