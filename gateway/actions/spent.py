"""What a request spent waiting for a panel, and why it was refused where the answer's text does not say it."""

from contextvars import ContextVar

import msgspec

from gateway.core.error_type import ErrorType


class Spent(msgspec.Struct):
    """The sum for one request; written by the actions, read by whoever answers."""

    waited: float = 0.0  # seconds
    error: ErrorType | None = None  # what went wrong, where one text of ours stands for several causes


# A request's own; outside of one nobody reads what is noted.
_SPENT: ContextVar[Spent] = ContextVar("spent")


def start_counting() -> Spent:
    """Begin the count of this request."""
    spent = Spent()
    _SPENT.set(spent)
    return spent


def note_error(error: ErrorType | None) -> None:
    """Should this request be refused now, that is why."""
    spent = _SPENT.get(None)
    if spent is not None:
        spent.error = error


def told_error() -> ErrorType | None:
    """Why this request is refused, if somebody noted it."""
    spent = _SPENT.get(None)
    return None if spent is None else spent.error


def note_wait(seconds: float) -> None:
    """So much of this request was waiting for a panel."""
    spent = _SPENT.get(None)
    if spent is not None:
        spent.waited += seconds
