"""Examples: every action asked and answered, as the protocol's own messages, so that the code writes what users read.

What a user is shown is `write_request` and `write_reply` of these values: an example cannot say what the gateway does
not. The figures belong together: the order that is placed is the one that is asked about, at the rate of the list.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from gateway.core.errors import (
    TEXT_INCORRECT_ORDER,
    TEXT_INCORRECT_SERVICE,
    TEXT_INVALID_KEY,
    TEXT_NOT_CANCELABLE,
    TEXT_NOT_ENOUGH_FUNDS,
    TEXT_NOT_REFILLABLE,
    TEXT_REFILL_NOT_FOUND,
    TEXT_UNAVAILABLE,
)
from gateway.core.messages import (
    AddReply,
    AddRequest,
    BalanceReply,
    BalanceRequest,
    CancelReply,
    CancelRequest,
    ErrorReply,
    MultiCancelReply,
    MultiCancelRequest,
    MultiRefillReply,
    MultiRefillRequest,
    MultiRefillStatusReply,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    OrderRefillStatusRequest,
    RefillReply,
    RefillRequest,
    RefillStatusReply,
    RefillStatusRequest,
    Reply,
    Request,
    ServiceRow,
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
)
from gateway.core.money import RATE_STEP, charge_for, format_amount, scale_of, to_units_up
from gateway.core.service import DEFAULT, TYPES, Limits, ServiceType, read_details

ORDER, OTHER_ORDER, NO_ORDER = "100012", "100015", "7"
REFILL, NO_REFILL = "2043", "9"
RATE, COMMENT_RATE = Decimal("1.125"), Decimal("15.625")
QUANTITY, REMAINS = 1000, 157
MARK = "my-order-4711"  # an idempotency key


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One question, its answer, and what else it may be answered."""

    title: str
    request: Request
    reply: Reply
    refusals: tuple[ErrorReply, ...] = ()


def exchanges(currency: str) -> tuple[Exchange, ...]:
    """Every form of every action, with amounts in the gateway's currency."""
    return (*_services(currency), *_orders(currency), *_refills(), *_cancels(), *_balance(currency))


def add_fields(kind: ServiceType) -> tuple[tuple[str, str], ...]:
    """The fields of an order of this type as it would be sent on: the examples of the table of fields."""
    given = tuple((field.name, field.example) for field in kind.fields)
    return read_details(kind, Limits(min=1, max=QUANTITY), given).fields


def _services(currency: str) -> Iterator[Exchange]:
    by_lines = next(kind for kind in TYPES if kind.counted not in (None, DEFAULT.counted))
    rows = (
        ServiceRow(
            service="1", name="Followers · refill 30 days", type=DEFAULT.name, category="Followers",
            rate=_listed(RATE, currency), min=50, max=100_000, dripfeed=True, refill=True,
            cancel=True, description="Starts within an hour.",
        ),
        ServiceRow(
            service="2", name="Comments in your words", type=by_lines.name, category="Comments",
            rate=_listed(COMMENT_RATE, currency), min=1, max=500, cancel=True,
        ),
    )  # fmt: skip
    yield Exchange(
        title="All services",
        request=ServicesRequest(),
        reply=ServicesReply(rows),
        refusals=(ErrorReply(TEXT_INVALID_KEY), ErrorReply(TEXT_UNAVAILABLE)),
    )


def _listed(rate: Decimal, currency: str) -> str:
    """A rate as the list has it: in a currency with few places it is rounded as ours are."""
    scale = scale_of(currency)
    return format_amount(to_units_up(rate, scale, step=RATE_STEP), scale)


def _orders(currency: str) -> Iterator[Exchange]:
    scale = scale_of(currency)
    rate = to_units_up(RATE, scale, step=RATE_STEP)
    fields = (*add_fields(DEFAULT)[:1], ("quantity", str(QUANTITY)))
    yield Exchange(
        title="One order",
        request=AddRequest(service="1", fields=fields, idempotency_key=MARK),
        reply=AddReply(ORDER),
        refusals=(ErrorReply(TEXT_INCORRECT_SERVICE), ErrorReply(TEXT_NOT_ENOUGH_FUNDS)),
    )
    under_way = StatusReply(
        status=StatusWord.IN_PROGRESS,
        charge=format_amount(charge_for(rate, QUANTITY, flat=False), scale),
        start_count=3572,
        remains=REMAINS,
        currency=currency,
    )
    partial = StatusReply(
        status=StatusWord.PARTIAL,
        charge=format_amount(charge_for(rate, QUANTITY - REMAINS, flat=False), scale),
        start_count=811,
        remains=REMAINS,
        currency=currency,
    )
    missing = ErrorReply(TEXT_INCORRECT_ORDER)
    yield Exchange(title="One order", request=StatusRequest(ORDER), reply=under_way, refusals=(missing,))
    yield Exchange(
        title="Several orders",
        request=MultiStatusRequest((ORDER, OTHER_ORDER, NO_ORDER)),
        reply=MultiStatusReply(((ORDER, under_way), (OTHER_ORDER, partial), (NO_ORDER, missing))),
    )


def _refills() -> Iterator[Exchange]:
    refused, missing = ErrorReply(TEXT_NOT_REFILLABLE), ErrorReply(TEXT_REFILL_NOT_FOUND)
    taken, done = RefillReply(REFILL), RefillStatusReply("Completed")
    yield Exchange(title="One order", request=RefillRequest(ORDER), reply=taken, refusals=(refused,))
    yield Exchange(
        title="Several orders",
        request=MultiRefillRequest((ORDER, OTHER_ORDER)),
        reply=MultiRefillReply(((ORDER, taken), (OTHER_ORDER, refused))),
    )
    yield Exchange(title="One refill", request=RefillStatusRequest(REFILL), reply=done, refusals=(missing,))
    yield Exchange(
        title="The newest refill of an order",
        request=OrderRefillStatusRequest(ORDER),
        reply=done,
        refusals=(missing,),
    )
    yield Exchange(
        title="Several refills",
        request=MultiRefillStatusRequest((REFILL, NO_REFILL)),
        reply=MultiRefillStatusReply(((REFILL, done), (NO_REFILL, missing))),
    )


def _cancels() -> Iterator[Exchange]:
    refused, missing = ErrorReply(TEXT_NOT_CANCELABLE), ErrorReply(TEXT_INCORRECT_ORDER)
    yield Exchange(title="One order", request=CancelRequest(ORDER), reply=CancelReply(), refusals=(refused, missing))
    yield Exchange(
        title="Several orders",
        request=MultiCancelRequest((ORDER, NO_ORDER)),
        reply=MultiCancelReply(((ORDER, CancelReply()), (NO_ORDER, missing))),
    )


def _balance(currency: str) -> Iterator[Exchange]:
    yield Exchange(
        title="What is left",
        request=BalanceRequest(),
        reply=BalanceReply("100.84292", currency),
        refusals=(ErrorReply(TEXT_INVALID_KEY),),
    )
