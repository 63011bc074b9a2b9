"""The gateway, with a stop-watch at its calls to Redis: python -m bench.watched serve; for bench.redis.

The watch is around the one place through which every call goes (`RedisCache._guarded`); it adds two readings of the
clock. What it saw is written to the file BENCH_WAITS when the gateway ends.
"""

import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.__main__ import main
from gateway.cache.redis_cache import RedisCache


def run() -> None:
    """Hang the watch in, then be the gateway."""
    seen: list[tuple[float, str, float]] = []
    plain = RedisCache._guarded  # noqa: SLF001 - the one place through which every call goes

    async def watched(self: RedisCache, operation: str, call: Callable[[], Awaitable[Any]], *, within: float) -> Any:
        began = time.monotonic()
        try:
            return await plain(self, operation, call, within=within)
        finally:
            if within < 1.0:  # jobs may wait a second: nobody waits for them
                seen.append((began, operation, time.monotonic() - began))

    RedisCache._guarded = watched  # type: ignore[method-assign] # noqa: SLF001 - as above
    try:
        main()
    finally:
        Path(os.environ["BENCH_WAITS"]).write_text(json.dumps(seen), "utf-8")


if __name__ == "__main__":
    run()
