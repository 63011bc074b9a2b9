"""What came of asking a provider, besides the protocol's own replies."""

from collections.abc import Callable
from typing import Final

import msgspec

from gateway.core.error_type import ErrorType, of_kind
from gateway.core.exchange import Exchange
from gateway.core.messages import ErrorReply, Reply, Unreadable
from gateway.core.outcome import Evidence, Outcome
from gateway.core.rejections import RejectKind

_BUSY: Final = (408, 425, 429)
_SERVER_ERRORS: Final = 500


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """No answer: nothing reached us that could be read as one."""

    why: str
    sent: bool  # whether the provider may have heard the question
    passing: bool = False  # whether it is worth asking again soon


class Fenced(msgspec.Struct, frozen=True):
    """The store did not let us arm the attempt: somebody else has it, and nothing was sent."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order that was handed over, and the exchange that proves it."""

    outcome: Outcome
    exchange: Exchange | None = None  # None when it did not come to one: no turn was to be had
    error: ErrorType | None = None  # what went wrong; None for an acceptance


def what_failed(
    said: Reply | Unreadable | Failed, evidence: Evidence | None, meaning: Callable[[str], RejectKind | None]
) -> ErrorType | None:
    """What went wrong with a read, a refill or a cancel; None where it was answered. `meaning` is of error texts."""
    match said:
        case Failed():
            return _why_failed(evidence)
        case Unreadable():
            return ErrorType.PANEL_UNREADABLE
        case ErrorReply():
            kind = meaning(said.error)
            return ErrorType.PANEL_UNREADABLE if kind is None else of_kind(kind)
        case _:
            return None


def _why_failed(evidence: Evidence | None) -> ErrorType:
    if evidence is None:
        return ErrorType.POLICY_BUSY  # no turn was to be had
    if not evidence.sent:
        return ErrorType.PANEL_UNREACHABLE
    if evidence.status is None or not evidence.complete:
        return ErrorType.PANEL_SILENT
    if evidence.status >= _SERVER_ERRORS:
        return ErrorType.PANEL_BROKEN
    return ErrorType.PANEL_THROTTLED if evidence.status in _BUSY else ErrorType.PANEL_UNREADABLE
