"""Running a job again and again: one loop for all of them, which outlives every fault of a single run."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.metrics import Metrics
from gateway.store.engine import StoreError

log = structlog.get_logger(__name__)


async def every(
    seconds: Callable[[], float], work: Callable[[], Awaitable[object]], *, name: str, metrics: Metrics
) -> None:
    """Run ``work``, sleep, and so on until cancelled; a run that fails is logged and counted, and the next one comes.

    This is the second of the two places that catch everything: a job that dies silently would be worse than any fault
    it meets.
    """
    while True:
        try:
            await work()
        except StoreError as error:  # The world's, not ours, and it may be the same for an hour: no traceback.
            metrics.job_failed(name)
            log.warning("job_waits", job=name, error=str(error))
        except Exception:
            metrics.job_failed(name)
            log.exception("job_failed", job=name)
        await asyncio.sleep(seconds())
