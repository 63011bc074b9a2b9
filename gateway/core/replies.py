"""Replies: what a user is answered, byte for byte as strict clients want it (PROTOCOL.md section 1)."""

from collections.abc import Sequence
from typing import Final, TypeAlias, assert_never

import msgspec

from gateway.core.dialects import STANDARD, UserDialect
from gateway.core.messages import (
    AddReply,
    BalanceReply,
    CancelReply,
    ErrorReply,
    MultiCancelReply,
    MultiRefillReply,
    MultiRefillStatusReply,
    MultiStatusReply,
    RefillReply,
    RefillStatusReply,
    Reply,
    ServiceRow,
    ServicesReply,
    StatusReply,
    StatusWord,
)
from gateway.core.service import find_type

REFILL_SUCCESS: Final = "Your order will be refill asap. Thank you for patience"
CANCEL_SUCCESS: Final = (
    "We will attempt to cancel this order. Cancellation is not guaranteed. Please check again in 5 minutes."
)

_Written: TypeAlias = "dict[str, _Written] | list[_Written] | str | int | bool | msgspec.Raw | None"
_ENCODER: Final = msgspec.json.Encoder()


def write_reply(reply: Reply, dialect: UserDialect = STANDARD) -> bytes:
    """A reply as the JSON its caller reads."""
    return _ENCODER.encode(_written(reply, dialect))


def _written(reply: Reply, dialect: UserDialect) -> _Written:
    match reply:
        case ErrorReply():
            return {"error": reply.error}
        case ServicesReply():
            return [_service(row, dialect) for row in reply.services]
        case AddReply():
            return {"order": _number(reply.order) if dialect.order_id == "number" else reply.order}
        case StatusReply():
            return _status(reply, dialect)
        case MultiStatusReply():
            return {asked: _one_of_many(each, dialect) for asked, each in reply.orders}
        case RefillReply():
            written: dict[str, _Written] = {"success": REFILL_SUCCESS}
            return written if reply.refill is None else written | {"refill": _number(reply.refill)}
        case MultiRefillReply():
            return _rows("order", "refill", [(asked, _refill_id(each)) for asked, each in reply.orders])
        case RefillStatusReply():
            return {"status": reply.status}
        case MultiRefillStatusReply():
            return _rows("refill", "status", [(asked, _refill_word(each)) for asked, each in reply.refills])
        case CancelReply():
            return {"success": CANCEL_SUCCESS}
        case MultiCancelReply():
            return _rows("order", "cancel", [(asked, _canceled(each)) for asked, each in reply.orders])
        case BalanceReply():
            return {"balance": reply.balance, "currency": reply.currency}
        case _:
            assert_never(reply)


def _service(row: ServiceRow, dialect: UserDialect) -> _Written:
    known = find_type(row.type)
    legacy = dialect.name == "legacy" and known is not None
    written: dict[str, _Written] = {
        "service": _number(row.service),
        "name": row.name,
        "type": known.legacy_name if legacy and known is not None else row.type,
        "category": row.category,
        "rate": row.rate,
        "min": str(row.min),
        "max": str(row.max),
        "dripfeed": bool(row.dripfeed),
        "refill": bool(row.refill),
        "cancel": bool(row.cancel),
        "description": row.description,
        "desc": row.description,
    }
    return written | {"average_time": row.average_time or ""} if dialect.average_time else written


def _status(reply: StatusReply, dialect: UserDialect) -> "dict[str, _Written]":
    """Five strings, all present; what is not known is "0", never null."""
    word = reply.status or StatusWord.PENDING
    canceled = word is StatusWord.CANCELED and dialect.name == "legacy"
    return {
        "charge": reply.charge or "0",
        "start_count": str(reply.start_count or 0),
        "status": "Cancelled" if canceled else word.value,
        "remains": str(reply.remains or 0),
        "currency": reply.currency or "",
    }


def _one_of_many(reply: StatusReply | ErrorReply, dialect: UserDialect) -> _Written:
    if isinstance(reply, ErrorReply):
        return {"error": reply.error}
    written = _status(reply, dialect)
    if dialect.name == "legacy":
        written["charge"] = msgspec.Raw((reply.charge or "0").encode())  # A JSON number with every digit of the text.
    return written


def _rows(asked: str, answered: str, rows: "Sequence[tuple[str, _Written]]") -> _Written:
    return [{asked: _number(each), answered: value} for each, value in rows]


def _refill_id(reply: RefillReply | ErrorReply) -> _Written:
    if isinstance(reply, ErrorReply):
        return {"error": reply.error}
    return 1 if reply.refill is None else _number(reply.refill)


def _refill_word(reply: RefillStatusReply | ErrorReply) -> _Written:
    return {"error": reply.error} if isinstance(reply, ErrorReply) else reply.status


def _canceled(reply: CancelReply | ErrorReply) -> _Written:
    return {"error": reply.error} if isinstance(reply, ErrorReply) else 1


def _number(text: str) -> int | str:
    """An id as a JSON number where it is one; what else a caller asked by is repeated as text."""
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(2**63))
    return int(text) if digits and str(int(text)) == text and int(text) < 2**63 else text
