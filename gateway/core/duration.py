"""Durations: what a panel says a service takes, in any words (Q69), as seconds, and as words of ours.

A panel's own text never reaches a user: it may hold anything. What is a duration in it is read, and written anew, in at
most SHOWN_MAX characters.
"""

import re
from decimal import Decimal
from typing import Final

_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86_400),
}
# Longer than anything that is sold; what says more is no duration.
SECONDS_MAX: Final = 366 * 86_400
SHOWN_MAX: Final = 24
# A number, perhaps a range whose end counts, and its unit.
_PART: Final = re.compile(
    r"(?:[0-9]{1,6}(?:\.[0-9]{1,3})?\s*(?:-|–|to)\s*)?([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([a-z]{1,8})", re.ASCII
)
_CLOCK: Final = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])", re.ASCII)
_BETWEEN: Final = re.compile(r"(?:\s|,|&|and)*", re.ASCII)
_TEXT_MAX: Final = 60  # characters of a text that is looked at


def read_duration(text: str) -> int | None:
    """The seconds a text says, such as `2 hours 5 minutes`, `0-1 hour` or `01:30:00`; None where it is no duration.

    A bare number has no unit, and panels mean minutes by it, or hours: it says nothing.
    """
    folded = text.strip().lower()
    if not 0 < len(folded) <= _TEXT_MAX:
        return None
    clock = _CLOCK.fullmatch(folded)
    if clock is not None:
        return _within(int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3]))
    total, place = Decimal(0), 0
    while place < len(folded):
        part = _PART.match(folded, place)
        if part is None or part[2] not in _UNITS:
            return None
        total += Decimal(part[1]) * _UNITS[part[2]]
        between = _BETWEEN.match(folded, part.end())
        place = part.end() if between is None else between.end()
    return _within(int(total))


def write_duration(seconds: int) -> str:
    """A duration for people, in its two largest units: `2 hours 5 minutes`."""
    minutes = max((seconds + 30) // 60, 1)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "day"), (hours, "hour")] if days else [(hours, "hour"), (minutes, "minute")]
    return " ".join(f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in parts if count)


def _within(seconds: int) -> int | None:
    return seconds if 0 < seconds <= SECONDS_MAX else None
