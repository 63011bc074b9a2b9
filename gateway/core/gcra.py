"""How often something may be done: GCRA, the leaky bucket as one number, as a pure function.

Of each name one time is kept: when its bucket will be empty again. Everybody who counts it so, this process by this
function or Redis by the script beside it (gateway/cache/redis_cache.py), comes to the same answer.
"""

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """So many times in so many milliseconds; all of them may come at once."""

    times: int
    milliseconds: int

    @property
    def step(self) -> int:
        """The milliseconds that one time costs."""
        return -(-self.milliseconds // self.times)

    @property
    def room(self) -> int:
        """How far ahead of now a bucket may be full, ms: for exactly so many times, whatever the division left over."""
        return self.step * self.times


class Taken(msgspec.Struct, frozen=True):
    """What became of one time."""

    empty_at: int  # to be kept, ms
    wait: int  # ms until it would be allowed; 0 when it was


def take(empty_at: int | None, limit: Limit, *, now: int) -> Taken:
    """Take one time, unless the bucket is full; what is refused costs nothing."""
    level = max(empty_at or 0, now)
    over = level + limit.step - now - limit.room
    if over > 0:
        return Taken(empty_at=level, wait=over)
    return Taken(empty_at=level + limit.step, wait=0)
