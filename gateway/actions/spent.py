"""What a request spent waiting for a panel, so that our own part of its time can be told apart."""

from contextvars import ContextVar

import msgspec


class Spent(msgspec.Struct):
    """The sum for one request; written by the actions, read by whoever answers."""

    waited: float = 0.0  # seconds


# A request's own; outside of one nobody reads what is noted.
_SPENT: ContextVar[Spent] = ContextVar("spent")


def start_counting() -> Spent:
    """Begin the count of this request."""
    spent = Spent()
    _SPENT.set(spent)
    return spent


def note_wait(seconds: float) -> None:
    """So much of this request was waiting for a panel."""
    spent = _SPENT.get(None)
    if spent is not None:
        spent.waited += seconds
