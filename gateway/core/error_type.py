"""Error types: the one word for what went wrong, whose fault it is first, in metrics, logs and the history of orders.

Every reply is HTTP 200, so a status code says nothing. The vocabulary is closed, and each word begins with who has to
act on it:

    caller_    the user's own request, or its money
    policy_    we refuse by a rule of ours, and would do so again
    panel_     a provider, by its answer or its silence
    gateway_   we ourselves, or what we stand on

What has no word of its own is `_unclassified`: an alert of its own, because it is a word we owe.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, assert_never

from gateway.core.attempt import AttemptState
from gateway.core.errors import (
    TEXT_IDEMPOTENCY_REUSED,
    TEXT_INCORRECT_LINK,
    TEXT_INCORRECT_ORDER,
    TEXT_INCORRECT_QUANTITY,
    TEXT_INCORRECT_REQUEST,
    TEXT_INCORRECT_SERVICE,
    TEXT_INVALID_IN_LIST,
    TEXT_INVALID_KEY,
    TEXT_NOT_CANCELABLE,
    TEXT_NOT_ENOUGH_FUNDS,
    TEXT_NOT_REFILLABLE,
    TEXT_REFILL_NOT_FOUND,
    TEXT_TOO_MANY_REQUESTS,
)
from gateway.core.exchange import Exchange
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import USERS_FAULT, RejectKind


class ErrorType(StrEnum):
    """What went wrong; the prefix is whose it is."""

    CALLER_REQUEST = "caller_request"  # no action we know, or nothing that can be read
    CALLER_METHOD = "caller_method"  # neither GET nor POST
    CALLER_TOO_LARGE = "caller_too_large"
    CALLER_TOO_SLOW = "caller_too_slow"  # its body did not come in time
    CALLER_LEFT = "caller_left"  # it hung up before its body was whole
    CALLER_KEY = "caller_key"
    CALLER_SERVICE = "caller_service"
    CALLER_QUANTITY = "caller_quantity"
    CALLER_LINK = "caller_link"
    CALLER_FIELD = "caller_field"
    CALLER_ORDER = "caller_order"  # not an order of its own
    CALLER_FUNDS = "caller_funds"
    CALLER_REFILL = "caller_refill"
    CALLER_CANCEL = "caller_cancel"
    CALLER_IDEMPOTENCY = "caller_idempotency"  # one key for two wishes

    POLICY_LIMITED = "policy_limited"  # turned away for wrong keys before, or for a limit of its user
    POLICY_STOPPED = "policy_stopped"  # no orders are taken: the books, or the fence
    POLICY_BUSY = "policy_busy"  # too much is on its way already
    POLICY_NO_ROUTE = "policy_no_route"  # each provider of the service is held, braked, or leaves no margin
    POLICY_HELD = "policy_held"  # the provider is held, or gave way to another
    POLICY_SPARED = "policy_spared"  # its breaker is open

    PANEL_UNREACHABLE = "panel_unreachable"  # no connection stood; nothing was sent
    PANEL_SILENT = "panel_silent"  # sent, and no whole answer came
    PANEL_BROKEN = "panel_broken"  # HTTP 500 and above
    PANEL_UNREADABLE = "panel_unreadable"  # an answer that proves nothing
    PANEL_NOT_PLACED = "panel_not_placed"  # proved later that it never had the order
    PANEL_CREDENTIALS = "panel_credentials"
    PANEL_FUNDS = "panel_funds"
    PANEL_SERVICE = "panel_service"
    PANEL_LINK_ACTIVE = "panel_link_active"
    PANEL_THROTTLED = "panel_throttled"
    PANEL_REQUEST = "panel_request"
    PANEL_ORDER = "panel_order"
    PANEL_REFUSED = "panel_refused"

    GATEWAY_BOOKS = "gateway_books"  # they cannot be reached or written
    GATEWAY_STARTING = "gateway_starting"  # no list of services yet
    GATEWAY_CUT_OFF = "gateway_cut_off"  # a sending of ours was ended half-way
    GATEWAY_BROKEN = "gateway_broken"  # an error nobody foresaw; the log has its traceback

    UNCLASSIFIED = "_unclassified"


# What our own texts say; what several causes share (`Service temporarily unavailable`) is said by whoever knows.
_OF_TEXTS: Final[Mapping[str, ErrorType]] = {
    TEXT_INVALID_KEY: ErrorType.CALLER_KEY,
    TEXT_INCORRECT_REQUEST: ErrorType.CALLER_REQUEST,
    TEXT_INVALID_IN_LIST: ErrorType.CALLER_REQUEST,
    TEXT_INCORRECT_SERVICE: ErrorType.CALLER_SERVICE,
    TEXT_INCORRECT_ORDER: ErrorType.CALLER_ORDER,
    TEXT_NOT_ENOUGH_FUNDS: ErrorType.CALLER_FUNDS,
    TEXT_INCORRECT_QUANTITY: ErrorType.CALLER_QUANTITY,
    TEXT_INCORRECT_LINK: ErrorType.CALLER_LINK,
    TEXT_REFILL_NOT_FOUND: ErrorType.CALLER_REFILL,
    TEXT_NOT_REFILLABLE: ErrorType.CALLER_REFILL,
    TEXT_NOT_CANCELABLE: ErrorType.CALLER_CANCEL,
    TEXT_TOO_MANY_REQUESTS: ErrorType.POLICY_LIMITED,
    TEXT_IDEMPOTENCY_REUSED: ErrorType.CALLER_IDEMPOTENCY,
}
_BEGINNINGS: Final[tuple[tuple[str, ErrorType], ...]] = (
    ("Quantity ", ErrorType.CALLER_QUANTITY),
    ("Incorrect ", ErrorType.CALLER_FIELD),  # text_incorrect_field
)
# Why nothing was sent to a panel that was not even asked for a connection; anything else is a turn that did not come.
_UNSENT: Final[tuple[tuple[str, ErrorType], ...]] = (
    ("the provider ", ErrorType.POLICY_HELD),
    ("the books ", ErrorType.GATEWAY_BOOKS),
)
_BROKEN_FROM: Final = 500


def of_text(text: str) -> ErrorType:
    """What a text of ours that a user was answered with says."""
    known = _OF_TEXTS.get(text)
    if known is not None:
        return known
    return next((each for beginning, each in _BEGINNINGS if text.startswith(beginning)), ErrorType.UNCLASSIFIED)


def of_kind(kind: RejectKind) -> ErrorType:
    """What a panel's refusal is called: where every panel would refuse as well, it is the caller's."""
    return ErrorType(f"{'caller' if kind in USERS_FAULT else 'panel'}_{kind}")


def of_outcome(outcome: Outcome | NotPlaced, *, status: int | None = None, whole: bool = False) -> ErrorType | None:
    """What an attempt's outcome is called, None for an acceptance; `status` and `whole` are of the answer that came."""
    match outcome:
        case Accepted():
            return None
        case NotSent():
            return ErrorType.PANEL_UNREACHABLE
        case NotPlaced():
            return ErrorType.PANEL_NOT_PLACED
        case Rejected():
            return of_kind(outcome.kind)
        case Unknown():
            return _of_answer(status, whole=whole)
        case _:
            assert_never(outcome)


def of_history(state: AttemptState, reason: str, exchange: Exchange | None) -> ErrorType | None:
    """The word for an attempt as the books keep it, which is the one that was counted and logged; None without a fault.

    `reason` begins with the kind of a refusal, or is one of our own texts of why nothing was sent.
    """
    match state:
        case AttemptState.REJECTED:
            kind = reason.partition(":")[0]
            return of_kind(RejectKind(kind)) if kind in set(RejectKind) else ErrorType.UNCLASSIFIED
        case AttemptState.NOT_PLACED:
            return ErrorType.PANEL_NOT_PLACED
        case AttemptState.UNKNOWN:
            if exchange is None:
                return ErrorType.GATEWAY_CUT_OFF
            return _of_answer(exchange.status, whole=exchange.complete)
        case AttemptState.NOT_SENT if exchange is not None:
            return ErrorType.PANEL_UNREACHABLE
        case AttemptState.NOT_SENT:
            return next((word for begins, word in _UNSENT if reason.startswith(begins)), ErrorType.POLICY_BUSY)
        case _:
            return None


def _of_answer(status: int | None, *, whole: bool) -> ErrorType:
    if status is None or not whole:
        return ErrorType.PANEL_SILENT
    return ErrorType.PANEL_BROKEN if status >= _BROKEN_FROM else ErrorType.PANEL_UNREADABLE
