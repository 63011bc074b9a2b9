"""How a simulated drip-feed goes on with time: which of its runs have begun, and what the whole is called.

A run begins each time a service's seconds have passed, whatever the interval says, so that nobody waits for hours. Each
is an order of its own that goes as any order of the service; the whole is paid for at once, so a run costs nothing more
and gives back its own part. When all runs have been made and their time is over the whole is called Completed, however
its runs ended, as panels do that go on to the next run and never look back.
"""

from collections.abc import Sequence

import msgspec

from gateway.core.messages import StatusWord
from gateway.panel.progress import Standing


class DripFeed(msgspec.Struct, frozen=True, kw_only=True):
    """What decides how a drip-feed goes; times in seconds of its age."""

    runs: int
    per_run: int  # pieces
    every: float  # from one run to the next
    canceled: float | None = None


def begun(found: DripFeed, age: float) -> int:
    """How many runs have begun by that age."""
    until = age if found.canceled is None else min(age, found.canceled)
    return found.runs if found.every <= 0 else min(int(until / found.every) + 1, found.runs)


def whole(found: DripFeed, age: float, runs: Sequence[Standing]) -> Standing:
    """How a drip-feed of that age stands; ``runs`` are those that have begun."""
    left = sum(each.remains for each in runs) + (found.runs - len(runs)) * found.per_run
    if found.canceled is not None:
        word = StatusWord.CANCELED
    elif age >= found.runs * found.every:
        word = StatusWord.COMPLETED
    else:
        word = runs[0].status if len(runs) == 1 and not runs[0].ended else StatusWord.IN_PROGRESS
    return Standing(status=word, remains=left, start_count=runs[0].start_count if runs else 0)
