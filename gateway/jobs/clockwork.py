"""Running a job again and again: one loop for all of them, which outlives every fault of a single run."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.metrics import Metrics
from gateway.store.engine import StoreError

log = structlog.get_logger(__name__)


async def every(
    seconds: Callable[[], float],
    work: Callable[[], Awaitable[object]],
    *,
    name: str,
    metrics: Metrics,
    provider: str | None = None,
) -> None:
    """Run ``work``, sleep, and so on until cancelled; a run that fails is logged and counted, and the next one comes.

    This is the second of the two places that catch everything: a job that dies silently would be worse than any fault
    it meets. What a run logs, and what the tasks log that it starts, has the job's name, and the
    provider's where it is one provider's job.
    """
    structlog.contextvars.bind_contextvars(job=name, **({} if provider is None else {"provider": provider}))
    while True:
        try:
            await work()
        except StoreError as error:  # The world's, not ours, and it may be the same for an hour: no traceback.
            metrics.job_failed(name)
            log.warning("job_waits", error=error)
        except Exception:
            metrics.job_failed(name)
            log.exception("job_failed")
        await asyncio.sleep(seconds())
