"""Answers: what a panel says, read as tolerantly as panels write, into the protocol's replies (PROTOCOL.md section 4).

Nothing here raises for what a stranger sent. What is no reply to the question is `Unreadable`: no news, never a state.
A row, an id or a number that cannot be read is left out or None; it is never guessed. For `add` this reading is only
the client's convenience: what an answer to `add` proves is decided in core/outcome.py.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from gateway.core.dialects import STANDARD_PROVIDER, ProviderDialect
from gateway.core.lenient import FAILED, Json, NotJson, find_error_text, parse_json
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
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
    Unreadable,
)
from gateway.core.scalars import as_id, as_ids, as_text, as_whole, first_of, plain
from gateway.core.service_list import read_services

EXCERPT_BYTES: Final = 300  # of an unreadable answer, for the operator
_DAY_CHARACTERS_MAX: Final = 40  # of the day a subscription ends on
_LINE_BYTES_MAX: Final = 300  # an error as a bare line of text is shorter than this

# Where the id of a new order has been met, best first (Q42); a dot goes one level down.
ORDER_ID_PATHS: Final = (
    "order",
    "order_id",
    "orderId",
    "orderID",
    "Order",
    "id",
    "data.order",
    "data.order_id",
    "data.id",
)
# Where everything else has been met, best first (Q48); a dialect's own name goes before these.
_NAMES: Final = {
    "refill": ("refill", "refill_id", "refillId", "id"),
    "status": ("status", "order_status", "orderStatus", "state"),
    "start_count": ("start_count", "start_counter", "startCount", "count_start", "start"),
    "remains": ("remains", "remain", "count_remain", "remaining"),
    "charge": ("charge", "cost", "price"),
    "currency": ("currency", "currency_code"),
    "runs": ("runs_done", "completed_runs", "runs_completed"),
    "orders": ("orders", "order_ids", "orders_ids"),
    "posts": ("posts",),
    "expiry": ("expiry", "expire", "expiry_date"),
    "balance": ("balance", "balancef", "amount", "funds"),
}
_WRAPPERS: Final = ("data", "result", "value", "orders", "refills", "response")

# What an error is called that came without words; no panel said so.
NO_STATUS: Final = "no status"
NO_REFILL: Final = "no refill"
NO_ANSWER: Final = "no answer"
REFUSED: Final = "refused"
OUR_WORDS: Final = frozenset({NO_STATUS, NO_REFILL, NO_ANSWER, REFUSED, FAILED})

# The words of PROTOCOL.md section 4, folded: lower case, `_` and `-` as spaces.
_WORDS: Final = {
    StatusWord.PENDING: ("pending", "awaiting", "queued", "in queue", "created", "held", "new"),
    StatusWord.PROCESSING: ("processing", "processed", "accepted"),
    # An order being refilled is still one that delivers, and a subscription that is paused one that may go on.
    StatusWord.IN_PROGRESS: (
        *("in progress", "inprogress", "in progess", "progress", "active", "paused"),
        *("refill", "refilling"),
    ),
    StatusWord.COMPLETED: ("completed", "complete", "success", "delivered", "done"),
    StatusWord.PARTIAL: ("partial", "partially completed"),
    StatusWord.CANCELED: (
        *("canceled", "cancelled", "canelled", "refunded", "refunds"),
        *("fail", "failed", "error", "rejected", "expired"),
    ),
}
_BY_WORD: Final = {word: status for status, words in _WORDS.items() for word in words}


def read_reply(request: Request, body: bytes, dialect: ProviderDialect = STANDARD_PROVIDER) -> Reply | Unreadable:
    """What a panel answered to `request`; total: any bytes give a value."""
    try:
        value = parse_json(body, strict=False)
    except NotJson as error:
        return _bare_line(body) or Unreadable(why=str(error), excerpt=_excerpt(body))
    reply = _read(request, value, dialect)
    if reply is not None:
        return reply
    error_text = find_error_text(value)
    if error_text is not None:
        return ErrorReply(error_text)
    return Unreadable(why="JSON, but no answer to this question", excerpt=_excerpt(body))


def read_word(text: str, dialect: ProviderDialect = STANDARD_PROVIDER) -> StatusWord | None:
    """The status a panel's word stands for, or None for one nobody knows; codes only by the panel's own map."""
    return _own_word(text, dialect) or _BY_WORD.get(_folded(text))


def _own_word(text: str, dialect: ProviderDialect) -> StatusWord | None:
    folded = _folded(text)
    return next((status for word, status in dialect.statuses.items() if _folded(word) == folded), None)


def _folded(word: str) -> str:
    return " ".join(word.replace("_", " ").replace("-", " ").lower().split())


def order_ids(value: Json, dialect: ProviderDialect = STANDARD_PROVIDER) -> tuple[Json, ...]:
    """Everything in an answer to `add` that stands where an order's id stands (Q42, Q44), readable or not.

    A dialect's own place for it is one more, never in the place of the others.
    """
    if not isinstance(value, dict):
        return () if isinstance(value, list | str | None) else (value,)
    own = dialect.replies.get("order")
    paths = ORDER_ID_PATHS if own is None else dict.fromkeys((own, *ORDER_ID_PATHS))
    return tuple(inner for path in paths for inner in _at(value, path))


def _find(value: Json, what: str, dialect: ProviderDialect) -> Json:
    """One figure of an answer, under the dialect's own name for it or one of the common ones; None without it."""
    own = dialect.replies.get(what)
    if own is not None and isinstance(value, dict):
        found = next(iter(_at(value, own)), None)
        if found is not None:
            return found
    return first_of(value, _NAMES[what])


def _row_names(dialect: ProviderDialect, *names: str) -> tuple[str, ...]:
    """The names under which a row says which order it is of."""
    own = dialect.replies.get("order")
    return names if own is None else (own.rpartition(".")[2], *names)


def _at(value: Json, path: str) -> Iterator[Json]:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return
        value = value[name]
    if not isinstance(value, dict):
        yield value


def _read(request: Request, value: Json, dialect: ProviderDialect) -> Reply | None:
    match request:
        case ServicesRequest():
            return read_services(value, decimal_comma=dialect.decimal_comma)
        case AddRequest():
            usable = [found for each in order_ids(value, dialect) if (found := as_id(each)) is not None]
            return AddReply(usable[0]) if usable and find_error_text(value) is None else None
        case StatusRequest():
            return _one_status(request.order, value, dialect)
        case MultiStatusRequest():
            rows = _by_id(request.orders, value, _row_names(dialect, "order", "order_id", "id"))
            return (
                None if rows is None else MultiStatusReply(tuple((i, _status_or_error(i, v, dialect)) for i, v in rows))
            )
        case RefillRequest() | MultiRefillRequest():
            return _read_refill(request, value, dialect)
        case RefillStatusRequest() | OrderRefillStatusRequest() | MultiRefillStatusRequest():
            return _read_refill_status(request, value, dialect)
        case CancelRequest() | MultiCancelRequest():
            return _read_cancel(request, value)
        case BalanceRequest():
            return _read_balance(value, dialect)
        case _:
            assert_never(request)


def _one_status(order: str, value: Json, dialect: ProviderDialect) -> Reply | None:
    """One order's status, whether it comes alone, wrapped, keyed by its id or as the only row of a list."""
    status = _status(order, value, dialect)
    if status is not None:
        return status
    rows = _by_id((order,), value, _row_names(dialect, "order", "order_id", "id"))
    return _status_or_error(order, rows[0][1], dialect) if rows else None


def _status(order: str, value: Json, dialect: ProviderDialect) -> StatusReply | None:
    """A row of a status reply, or None where the row has no status in it, or names another order than it is for."""
    for _ in _WRAPPERS:  # At most so deep.
        if not isinstance(value, dict) or _said_of_order(value, dialect):
            break
        value = first_of(value, ("data", "result", "order"))
    if not isinstance(value, dict) or not _said_of_order(value, dialect) or _of_another(order, value, dialect):
        return None
    word = as_text(_find(value, "status", dialect)) or ""
    start = as_whole(_find(value, "start_count", dialect), decimal_comma=dialect.decimal_comma)
    status = read_word(word, dialect)
    return StatusReply(
        status=status,
        charge=plain(_find(value, "charge", dialect), decimal_comma=dialect.decimal_comma),
        start_count=start,
        remains=as_whole(_find(value, "remains", dialect), decimal_comma=dialect.decimal_comma),
        currency=(as_text(_find(value, "currency", dialect)) or "").strip().upper() or None,
        runs=as_whole(_find(value, "runs", dialect), decimal_comma=dialect.decimal_comma),
        orders=as_ids(_find(value, "orders", dialect)),
        posts=as_whole(_find(value, "posts", dialect), decimal_comma=dialect.decimal_comma),
        expiry=(as_text(_find(value, "expiry", dialect)) or "").strip()[:_DAY_CHARACTERS_MAX] or None,
        word="" if status is not None else word[:100],
    )


def _said_of_order(value: dict[str, Json], dialect: ProviderDialect) -> bool:
    """Whether an object tells of an order: a status beside a figure of it, or an order's status word alone."""
    word = as_text(_find(value, "status", dialect))
    if word is None or find_error_text({k: v for k, v in value.items() if k.lower().startswith("error")}):
        return False
    names = ("charge", *_NAMES["start_count"], *_NAMES["remains"])
    own = (dialect.replies[each] for each in ("charge", "start_count", "remains") if each in dialect.replies)
    figures = any(name in value for name in names) or any(True for path in own for _ in _at(value, path))
    # `{"status":"success"}` and `{"status":"fail"}` alone are about the call (Q43).
    return figures or (
        read_word(word, dialect) is not None and word.strip().lower() not in ("success", "fail", "failed", "error")
    )


def _of_another(order: str, row: dict[str, Json], dialect: ProviderDialect) -> bool:
    """Whether a row says itself that it is of another order (RELIABILITY.md U22); plain `id` may be anything's."""
    named = first_of(row, _row_names(dialect, "order", "order_id"))
    found = as_id(first_of(named, ("id", "order_id")) if isinstance(named, dict) else named)
    return found is not None and found != order


def _status_or_error(order: str, value: Json, dialect: ProviderDialect) -> StatusReply | ErrorReply:
    return _status(order, value, dialect) or ErrorReply(find_error_text(value) or NO_STATUS)


def _by_id(asked: tuple[str, ...], value: Json, names: tuple[str, ...]) -> list[tuple[str, Json]] | None:
    """The rows of a multi answer by id, only those asked for (RELIABILITY.md U22); None if it is none.

    A map by id, a list of rows that name their id, either wrapped; an empty map comes as `[]` from PHP (Q45).
    """
    for _ in _WRAPPERS:  # At most so deep.
        if not isinstance(value, dict) or any(each in value for each in asked):
            break
        inner = first_of(value, _WRAPPERS)
        if not isinstance(inner, dict | list):
            break
        value = inner
    if isinstance(value, dict):
        rows = {each: value[each] for each in asked if each in value}
        return list(rows.items()) if rows or not value else None
    if not isinstance(value, list):
        return None
    named = {as_id(first_of(row, names)): row for row in value if isinstance(row, dict)}
    return [(each, named[each]) for each in asked if each in named]


def _read_refill(request: RefillRequest | MultiRefillRequest, value: Json, dialect: ProviderDialect) -> Reply | None:
    if isinstance(request, MultiRefillRequest):
        rows = _by_id(request.orders, value, ("order", "order_id"))
        if rows is None:
            return None
        return MultiRefillReply(tuple((each, _refill(_inner(row, "refill"), dialect)) for each, row in rows))
    if isinstance(value, list):  # Some answer a single refill as a list of one.
        rows = _by_id((request.order,), value, ("order", "order_id"))
        return _refill(_inner(rows[0][1], "refill"), dialect) if rows else None
    if value in ({}, None) or isinstance(value, str) or find_error_text(value) is not None:
        return None
    return _refill(value, dialect)


def _refill(value: Json, dialect: ProviderDialect) -> RefillReply | ErrorReply:
    """A refill that was taken, with its id where there is one (Q64)."""
    error = find_error_text(value) if isinstance(value, dict) else None
    if error is not None or value is None or value is False:
        return ErrorReply(error or NO_REFILL)
    if isinstance(value, dict):
        inner = value.get("data")
        value = _find(inner if isinstance(inner, dict) else value, "refill", dialect)
    number = as_id(value)
    if number is None and isinstance(value, str):
        return ErrorReply(value.strip() or NO_REFILL)
    return RefillReply(number)


def _read_refill_status(
    request: RefillStatusRequest | OrderRefillStatusRequest | MultiRefillStatusRequest,
    value: Json,
    dialect: ProviderDialect,
) -> Reply | None:
    if isinstance(request, MultiRefillStatusRequest):
        rows = _by_id(request.refills, value, ("refill", "refill_id", "id"))
        return (
            None
            if rows is None
            else MultiRefillStatusReply(tuple((each, _refill_word(row, dialect)) for each, row in rows))
        )
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict) or find_error_text({k: v for k, v in value.items() if k != "status"}):
        return None
    read = _refill_word(value, dialect)
    return read if isinstance(read, RefillStatusReply) else None


def _refill_word(value: Json, dialect: ProviderDialect) -> RefillStatusReply | ErrorReply:
    own = dialect.replies.get("status", "status")
    word = first_of(value, (own, "status", "refill_status", "data")) if isinstance(value, dict) else value
    if isinstance(word, dict) and find_error_text(word) is None:
        word = first_of(word, (own, "status"))
    meant = None if isinstance(word, dict | list) else _own_word(as_text(word) or "", dialect)
    if meant is not None:
        return RefillStatusReply(meant.value)
    if isinstance(word, str) and word.strip():
        return RefillStatusReply(word.strip()[:100])
    return ErrorReply(find_error_text(word) or find_error_text(value) or NO_STATUS)


def _read_cancel(request: CancelRequest | MultiCancelRequest, value: Json) -> Reply | None:
    """Any answer that is no error means "asked"; only a later status says "canceled" (Q63)."""
    if isinstance(request, MultiCancelRequest):
        rows = _by_id(request.orders, value, ("order", "order_id", "id"))
        return (
            None
            if rows is None
            else MultiCancelReply(tuple((each, _canceled(_inner(row, "cancel"))) for each, row in rows))
        )
    if isinstance(value, list):
        rows = _by_id((request.order,), value, ("order", "order_id", "id"))
        return _canceled(_inner(rows[0][1], "cancel")) if rows else None
    if value in ({}, None):
        return None
    read = _canceled(value)
    return read if isinstance(read, CancelReply) else None


def _canceled(value: Json) -> CancelReply | ErrorReply:
    if isinstance(value, str):
        taken = read_word(value) is not None or value.strip().lower() in ("ok", "1", "true")
        return CancelReply() if taken else ErrorReply(value.strip() or NO_ANSWER)
    error = find_error_text(value)
    if error is not None or value is None or value is False or value == 0:
        return ErrorReply(error or REFUSED)
    return CancelReply()


def _inner(row: Json, name: str) -> Json:
    """What a row says; a row that is not wrapped says it by itself."""
    return row[name] if isinstance(row, dict) and name in row else row


def _read_balance(value: Json, dialect: ProviderDialect) -> Reply | None:
    if isinstance(value, dict) and _find(value, "balance", dialect) is None:
        value = first_of(value, ("data", "result", "user"))
    if not isinstance(value, dict) or find_error_text(value) is not None:
        return None
    balance = plain(_find(value, "balance", dialect), decimal_comma=dialect.decimal_comma)
    currency = as_text(_find(value, "currency", dialect)) or ""
    return None if balance is None else BalanceReply(balance, currency.strip().upper())


def _bare_line(body: bytes) -> ErrorReply | None:
    """An error written as one line of text (Q65); a page of HTML is none (Q70)."""
    if len(body) > _LINE_BYTES_MAX:
        return None
    text = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not text or text[0] in "<{[" or "\n" in text or "\ufffd" in text:
        return None
    return ErrorReply(text)


def _excerpt(body: bytes) -> str:
    return body[:EXCERPT_BYTES].decode("utf-8", "replace")
