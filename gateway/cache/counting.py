"""Limits counted in this process: the last word where there is no Redis, and the stand-in while it is away."""

from collections import OrderedDict
from typing import Final

from gateway.core.gcra import Limit, take

# Names counted at once, the longest untouched going first: a few MB, however many addresses somebody comes from.
NAMES_MAX: Final = 50_000


class Counting:
    """When each name's bucket will be empty."""

    def __init__(self, names_max: int = NAMES_MAX) -> None:
        self._empty_at: OrderedDict[str, int] = OrderedDict()
        self._names_max = names_max

    def take(self, name: str, limit: Limit, *, now: int) -> int:
        """Take one time of a name's; answers the milliseconds to wait, 0 when it is allowed."""
        taken = take(self._empty_at.get(name), limit, now=now)
        self._empty_at[name] = taken.empty_at
        self._empty_at.move_to_end(name)
        if len(self._empty_at) > self._names_max:
            self._empty_at.popitem(last=False)
        return taken.wait
