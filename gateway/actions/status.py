"""The action ``status``: answered from our own books, never by asking a panel."""

from collections.abc import Sequence
from functools import partial

from gateway.actions.desk import Desk
from gateway.core.errors import TEXT_INCORRECT_ORDER
from gateway.core.messages import (
    ErrorReply,
    MultiStatusReply,
    MultiStatusRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
)
from gateway.core.money import format_amount, scale_of
from gateway.core.user import User
from gateway.store.orders import Shown, show

# Order ids are below this (panels keep them in a signed 32-bit column), so anything longer is nobody's.
_ID_DIGITS_MAX = len(str(2**31))


async def status(desk: Desk, user: User, request: StatusRequest) -> StatusReply | ErrorReply:
    """How one order stands, or ``Incorrect order ID`` for one that is not the caller's."""
    shown = await _shown(desk, user, (request.order,))
    return _reply(shown.get(order_id(request.order)))


async def multi_status(desk: Desk, user: User, request: MultiStatusRequest) -> MultiStatusReply:
    """How up to 100 orders stand, each under its id as asked; one read for all."""
    shown = await _shown(desk, user, request.orders)
    return MultiStatusReply(orders=tuple((asked, _reply(shown.get(order_id(asked)))) for asked in request.orders))


def order_id(text: str) -> int:
    """An id in a caller's text, or 0, which no order has: junk, negatives and other alphabets cost no query."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _ID_DIGITS_MAX else 0


async def _shown(desk: Desk, user: User, asked: Sequence[str]) -> dict[int, Shown]:
    ids = sorted({number for number in map(order_id, asked) if 0 < number < 2**31})
    return await desk.store.read(partial(show, user.id, ids)) if ids else {}


def _reply(shown: Shown | None) -> StatusReply | ErrorReply:
    if shown is None:
        return ErrorReply(error=TEXT_INCORRECT_ORDER)
    return StatusReply(
        status=StatusWord(shown.status),
        charge=format_amount(shown.charge, scale_of(shown.currency)),
        start_count=shown.start_count,
        remains=shown.remains,
        currency=shown.currency,
    )
