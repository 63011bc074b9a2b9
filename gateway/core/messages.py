"""Messages: the requests and replies of the seven actions as values, whoever sends and whoever receives them.

The protocol (core/protocol.py) turns them into bytes and back; everything else in the house speaks in these.
"""

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

# Ids in one call, PROTOCOL.md section 1; over it the call is refused whole, never cut.
IDS_MAX: Final = 100


class Action(StrEnum):
    """What a panel can be asked to do."""

    SERVICES = "services"
    ADD = "add"
    STATUS = "status"
    REFILL = "refill"
    REFILL_STATUS = "refill_status"
    CANCEL = "cancel"
    BALANCE = "balance"


class StatusWord(StrEnum):
    """The status words of the wire; these and no others (an unknown one leaves an order stuck in common panels)."""

    PENDING = "Pending"
    PROCESSING = "Processing"
    IN_PROGRESS = "In progress"
    COMPLETED = "Completed"
    PARTIAL = "Partial"
    CANCELED = "Canceled"


# ------------------------------------------------------------------------------------------------------------ requests


class ServicesRequest(msgspec.Struct, frozen=True):
    """Asks for the list of services."""


class AddRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for an order."""

    service: str
    fields: tuple[tuple[str, str], ...]  # every other field as sent, in that order; the service's type reads them
    idempotency_key: str | None = None  # the caller's own mark for this order (Q19)


class StatusRequest(msgspec.Struct, frozen=True):
    """Asks how one order stands."""

    order: str


class MultiStatusRequest(msgspec.Struct, frozen=True):
    """Asks how several orders stand."""

    orders: tuple[str, ...]


class RefillRequest(msgspec.Struct, frozen=True):
    """Asks to refill one order."""

    order: str


class MultiRefillRequest(msgspec.Struct, frozen=True):
    """Asks to refill several orders."""

    orders: tuple[str, ...]


class RefillStatusRequest(msgspec.Struct, frozen=True):
    """Asks how one refill stands."""

    refill: str


class OrderRefillStatusRequest(msgspec.Struct, frozen=True):
    """Asks how the newest refill of an order stands (Q11)."""

    order: str


class MultiRefillStatusRequest(msgspec.Struct, frozen=True):
    """Asks how several refills stand."""

    refills: tuple[str, ...]


class CancelRequest(msgspec.Struct, frozen=True):
    """Asks to cancel one order."""

    order: str


class MultiCancelRequest(msgspec.Struct, frozen=True):
    """Asks to cancel several orders."""

    orders: tuple[str, ...]


class BalanceRequest(msgspec.Struct, frozen=True):
    """Asks for the caller's balance."""


Request: TypeAlias = (
    ServicesRequest
    | AddRequest
    | StatusRequest
    | MultiStatusRequest
    | RefillRequest
    | MultiRefillRequest
    | RefillStatusRequest
    | OrderRefillStatusRequest
    | MultiRefillStatusRequest
    | CancelRequest
    | MultiCancelRequest
    | BalanceRequest
)

_ACTIONS: Final[dict[type[Request], Action]] = {
    ServicesRequest: Action.SERVICES,
    AddRequest: Action.ADD,
    StatusRequest: Action.STATUS,
    MultiStatusRequest: Action.STATUS,
    RefillRequest: Action.REFILL,
    MultiRefillRequest: Action.REFILL,
    RefillStatusRequest: Action.REFILL_STATUS,
    OrderRefillStatusRequest: Action.REFILL_STATUS,
    MultiRefillStatusRequest: Action.REFILL_STATUS,
    CancelRequest: Action.CANCEL,
    MultiCancelRequest: Action.CANCEL,
    BalanceRequest: Action.BALANCE,
}


def action_of(request: Request) -> Action:
    """Which of the seven actions a request belongs to."""
    return _ACTIONS[type(request)]


# ------------------------------------------------------------------------------------------------------------- replies


class ErrorReply(msgspec.Struct, frozen=True):
    """`{"error": …}`, alone or in the place of one item."""

    error: str


class ServiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list of services."""

    service: str
    name: str
    type: str  # a Title Case name of core/service.py where it is a known one, else the panel's own words
    category: str
    rate: str  # a plain decimal per 1000, or flat for package types
    min: int
    max: int
    dripfeed: bool | None = None  # None: the panel does not say
    refill: bool | None = None
    cancel: bool | None = None
    description: str = ""
    average_time: str | None = None


class ServicesReply(msgspec.Struct, frozen=True):
    """The list of services, in a stable order."""

    services: tuple[ServiceRow, ...]
    unreadable: tuple[str, ...] = ()  # what was wrong with rows that had to be left out, for the operator's eyes


class AddReply(msgspec.Struct, frozen=True):
    """The id of the order that was made."""

    order: str


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands; None is "not said", which is not nought."""

    status: StatusWord | None = None  # None: a word nobody knows; the order keeps its last state
    charge: str | None = None  # a plain decimal
    start_count: int | None = None
    remains: int | None = None
    currency: str | None = None
    runs: int | None = None  # of a drip-feed: how many are done
    orders: tuple[str, ...] | None = None  # the orders a panel made for this one, by its ids
    posts: int | None = None  # of a subscription, as is the day it ends on; told, nothing hangs on them
    expiry: str | None = None
    word: str = ""  # the panel's own word where `status` is None


class MultiStatusReply(msgspec.Struct, frozen=True):
    """How several orders stand, by the id as asked; an id that is missing is no news."""

    orders: tuple[tuple[str, StatusReply | ErrorReply], ...]


class RefillReply(msgspec.Struct, frozen=True):
    """A refill was asked for; some panels give no id."""

    refill: str | None = None


class MultiRefillReply(msgspec.Struct, frozen=True):
    """Refills asked for, by order."""

    orders: tuple[tuple[str, RefillReply | ErrorReply], ...]


class RefillStatusReply(msgspec.Struct, frozen=True):
    """How a refill stands."""

    status: str  # the panel's own word; core/refill.py reads it


class MultiRefillStatusReply(msgspec.Struct, frozen=True):
    """How several refills stand, by the refill's id."""

    refills: tuple[tuple[str, RefillStatusReply | ErrorReply], ...]


class CancelReply(msgspec.Struct, frozen=True):
    """A cancel was asked for; only a later status says whether it was done."""


class MultiCancelReply(msgspec.Struct, frozen=True):
    """Cancels asked for, by order."""

    orders: tuple[tuple[str, CancelReply | ErrorReply], ...]


class BalanceReply(msgspec.Struct, frozen=True):
    """What is left, as a plain decimal."""

    balance: str
    currency: str


Reply: TypeAlias = (
    ErrorReply
    | ServicesReply
    | AddReply
    | StatusReply
    | MultiStatusReply
    | RefillReply
    | MultiRefillReply
    | RefillStatusReply
    | MultiRefillStatusReply
    | CancelReply
    | MultiCancelReply
    | BalanceReply
)


class Unreadable(msgspec.Struct, frozen=True):
    """Bytes that are no reply to what was asked: a page, nothing, junk. It is no news, never a state."""

    why: str
    excerpt: str = ""
