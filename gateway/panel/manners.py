"""Manners: how the families of panels word the same answers, so that the simulated panel can be any of them.

What a dialect says (core/dialects.py) is obeyed as a panel of that dialect would; what no dialect needs to say, because
every reader has to bear it, is the family's own manner.
"""

from typing import Any, Final

import msgspec

from gateway.core.dialects import ProviderDialect
from gateway.core.messages import (
    Action,
    MultiRefillStatusRequest,
    MultiStatusReply,
    MultiStatusRequest,
    Reply,
    Request,
    StatusReply,
    StatusWord,
    action_of,
)
from gateway.core.replies import write_reply


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """One family's way with words."""

    small_types: bool = False  # `custom_comments` in place of `Custom Comments`
    small_words: bool = False  # `in progress`
    canceled: str = "Canceled"
    flags: tuple[str, ...] = ("dripfeed", "refill", "cancel")  # which of them its list has
    numbered_flags: bool = False  # 1 and 0 in place of true and false
    success: bool = False  # "status": "success" beside what is answered
    bare_errors: bool = False  # in a list of orders: "Incorrect order ID" in place of an object
    named_rows: bool = False  # each status says whose it is
    numbers: bool = False  # figures as JSON numbers
    wrapped: bool = False  # {"success": true, "data": …}


MANNERS: Final = {
    "perfectpanel": Manner(),
    "legacy": Manner(small_types=True, canceled="Cancelled", flags=(), numbers=True),
    "smartpanel": Manner(
        small_types=True,
        small_words=True,
        flags=("dripfeed",),
        numbered_flags=True,
        success=True,
        bare_errors=True,
        named_rows=True,
    ),
    "rentalpanel": Manner(small_types=True),
    "json": Manner(wrapped=True, numbers=True, named_rows=True),
}
_FIGURES: Final = ("charge", "start_count", "remains", "balance", "rate")
_FLAGS: Final = ("dripfeed", "refill", "cancel")


def unknown_to(dialect: ProviderDialect, request: Request) -> bool:
    """Whether a panel of this dialect has never heard of what is asked."""
    match request:
        case MultiStatusRequest():
            return not dialect.multi_status
        case MultiRefillStatusRequest():
            return not (dialect.refill and dialect.multi_refill_status)
        case _:
            action = action_of(request)
    capability = Action.REFILL if action is Action.REFILL_STATUS else action
    return capability.value in dialect.lacks


def told(reply: Reply) -> bytes:
    """A reply as the contract has it, with what panels made for the order; for a subscription in place of figures."""
    body = write_reply(reply)
    match reply:
        case StatusReply():
            return body if reply.orders is None else msgspec.json.encode(_with_orders(msgspec.json.decode(body), reply))
        case MultiStatusReply():
            rows = msgspec.json.decode(body)
            found = {one: each for one, each in reply.orders if isinstance(each, StatusReply)}
            made = {one: _with_orders(rows[one], each) for one, each in found.items() if each.orders is not None}
            return msgspec.json.encode({**rows, **made}) if made else body
        case _:
            return body


def _with_orders(row: dict[str, Any], reply: StatusReply) -> dict[str, Any]:
    if reply.posts is None:
        return {**row, "orders": list(reply.orders or ())}
    return {
        "status": reply.word or reply.status,
        "expiry": reply.expiry or "",
        "posts": str(reply.posts or 0),
        "orders": list(reply.orders or ()),
    }


def spoken(action: Action | None, value: Any, dialect: ProviderDialect) -> Any:
    """An answer of the contract in a family's words and a dialect's names."""
    manner = MANNERS[dialect.preset]
    if isinstance(value, dict) and "error" in value:
        return {"success": False, **value} if manner.wrapped else value
    if action is Action.SERVICES:
        value = [_service(row, dialect, manner) for row in value]
    elif action is Action.STATUS and isinstance(value, dict):
        many = all(isinstance(each, dict) for each in value.values())
        value = (
            {order: _status(row, dialect, manner, order=order) for order, row in value.items()}
            if many
            else _status(value, dialect, manner)
        )
    elif isinstance(value, dict):
        if action is Action.REFILL_STATUS and "status" in value:
            value = {**value, "status": _word(value["status"], dialect, manner)}
        value = _named(_figures(value, dialect, manner), dialect)
        value = {"status": "success", **value} if manner.success and action is not Action.REFILL_STATUS else value
    if not manner.wrapped:
        return value
    # A name such as data.trx is counted from the outside.
    return (
        {"success": True, **value} if isinstance(value, dict) and "data" in value else {"success": True, "data": value}
    )


def _service(row: dict[str, Any], dialect: ProviderDialect, manner: Manner) -> dict[str, Any]:
    made = _figures(row, dialect, manner)
    if manner.small_types:
        made["type"] = made["type"].lower().replace(" ", "_")
    for flag in _FLAGS:
        if flag not in manner.flags:
            del made[flag]
        elif manner.numbered_flags:
            made[flag] = int(made[flag])
    return made


def _status(row: dict[str, Any], dialect: ProviderDialect, manner: Manner, *, order: str | None = None) -> Any:
    if "error" in row:
        return row["error"] if manner.bare_errors else row
    made = {**_figures(row, dialect, manner), "status": _word(row["status"], dialect, manner)}
    if manner.named_rows and order is not None:
        made["order"] = order
    return _named(made, dialect)


def _word(word: str, dialect: ProviderDialect, manner: Manner) -> str:
    own = next((own for own, status in dialect.statuses.items() if status == word), None)
    if own is not None:
        return own
    word = manner.canceled if word == StatusWord.CANCELED else word
    return word.lower() if manner.small_words else word


def _figures(row: dict[str, Any], dialect: ProviderDialect, manner: Manner) -> dict[str, Any]:
    made = dict(row)
    for name in _FIGURES:
        if name in made and dialect.decimal_comma:
            made[name] = made[name].replace(".", ",")
        elif name in made and manner.numbers:
            made[name] = msgspec.Raw(made[name].encode())  # Every digit of the text.
    return made


def _named(row: dict[str, Any], dialect: ProviderDialect) -> dict[str, Any]:
    """An answer's figures under the dialect's own names; a dot goes one level down."""
    made: dict[str, Any] = {}
    for name, value in row.items():
        *outer, last = dialect.replies.get(name, name).split(".")
        inner = made
        for each in outer:
            inner = inner.setdefault(each, {})
        inner[last] = value
    return made
