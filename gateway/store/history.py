"""The life of one order as the books tell it, and lists to find an order by."""

from typing import Any, Final

import msgspec

from gateway.core.exchange import Exchange, read_exchange
from gateway.store.engine import Query, Refused, Row, Steps

# Events of one order that are read: its life has some ten; an order that flaps for days does not fill memory.
EVENTS_MAX: Final = 1_000
ORDERS_LISTED_MAX: Final = 1_000


class NoSuchOrder(Refused):
    """There is no order of that id."""


class AttemptTold(msgspec.Struct, frozen=True, kw_only=True):
    """One transmission."""

    n: int
    provider: str
    provider_service: str
    cost: str
    currency: str
    state: str
    upstream_order: str | None
    reason: str | None
    owner: str
    created_at: int  # ms, as all times here
    sending_at: int | None
    resolved_at: int | None
    not_before: int | None  # while it is planned: when it may be sent, where it waits for its link
    waits_for: int | None  # the order of ours that has the link, where one is known
    exchange: Exchange | None


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer."""

    id: int
    tx_key: str
    kind: str
    amount: int  # units
    currency: str
    source: str
    dest: str
    created_at: int


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, by whom and why."""

    id: int
    kind: str
    actor: str
    before: str | None
    after: str | None
    reason: str | None
    created_at: int


class PollTold(msgspec.Struct, frozen=True, kw_only=True):
    """When the panel is asked about it next."""

    provider: str
    upstream_order: str
    due_at: int
    misses: int
    accepted_at: int
    terminal_at: int | None


class RefillTold(msgspec.Struct, frozen=True, kw_only=True):
    """A refill of it."""

    id: int
    provider: str
    upstream_refill: str | None
    state: str
    shown: str
    created_at: int
    updated_at: int


class CancelTold(msgspec.Struct, frozen=True, kw_only=True):
    """What its panel is told, or is to be told, of a cancel."""

    provider: str
    upstream_order: str
    sends: int  # times it was told; of a process that died in between, perhaps
    sent_at: int | None
    due_at: int | None  # when it is told next; None: no more
    answer: str | None  # taken, refused or dropped
    answered_at: int | None
    created_at: int


class ChildTold(msgspec.Struct, frozen=True, kw_only=True):
    """An order that its panel made for it."""

    provider: str
    upstream_order: str
    status: str | None
    charge: str | None  # in the provider's currency
    misses: int
    due_at: int | None


class OrderTold(msgspec.Struct, frozen=True, kw_only=True):
    """An order's own row."""

    id: int
    user_id: int
    user_name: str
    idem_key: str | None
    service_id: int
    type: str
    fields: msgspec.Raw  # what its panel is sent, as JSON pairs
    quantity: int
    currency: str
    rate: int  # units
    rule: str
    charge: int  # units
    refunded: int  # units
    state: str
    shown: str
    start_count: int | None
    remains: int | None
    review: str | None
    failure: str | None
    routes: msgspec.Raw  # the routes it may go, as JSON
    can_refill: bool
    can_cancel: bool
    cancel_requested_at: int | None
    answered_at: int | None
    unheard_at: int | None
    replays: int
    created_at: int
    updated_at: int


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """All that the books know of one order."""

    order: OrderTold
    attempts: tuple[AttemptTold, ...]
    transfers: tuple[Moved, ...]
    poll: PollTold | None
    cancel: CancelTold | None
    children: tuple[ChildTold, ...]
    refills: tuple[RefillTold, ...]
    events: tuple[Event, ...]


class ListedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a list of orders."""

    id: int
    user_name: str
    service_id: int
    quantity: int
    charge: int  # units
    refunded: int  # units
    currency: str
    state: str
    shown: str
    review: str | None
    created_at: int


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders to list."""

    user: str | None = None
    state: str | None = None
    review: bool = False  # only those a person should look at
    since: int = 0  # ms
    limit: int = 50


def life_of(order_id: int) -> Steps[Life]:
    """Everything about one order; raises NoSuchOrder."""
    rows = yield Query("history_order", {"id": order_id})
    if not rows:
        raise NoSuchOrder(f"there is no order {order_id}")
    attempts = yield Query("history_attempts", {"id": order_id})
    transfers = yield Query("history_transfers", {"id": order_id})
    polls = yield Query("history_poll", {"id": order_id})
    cancels = yield Query("history_cancel", {"id": order_id})
    children = yield Query("history_children", {"id": order_id})
    refills = yield Query("history_refills", {"id": order_id})
    events = yield Query("history_events", {"id": order_id, "limit": EVENTS_MAX})
    return Life(
        order=_order(rows[0]),
        attempts=tuple(_attempt(row) for row in attempts),
        transfers=tuple(_as(Moved, row) for row in transfers),
        poll=_as(PollTold, polls[0]) if polls else None,
        cancel=_as(CancelTold, cancels[0]) if cancels else None,
        children=tuple(_as(ChildTold, row) for row in children),
        refills=tuple(_as(RefillTold, row) for row in refills),
        events=tuple(_as(Event, row) for row in events),
    )


def list_orders(wanted: Wanted) -> Steps[tuple[ListedOrder, ...]]:
    """The newest orders of those that are wanted, at most ORDERS_LISTED_MAX."""
    params = {
        "user": wanted.user,
        "state": wanted.state,
        "review": int(wanted.review),
        "since": wanted.since,
        "limit": min(wanted.limit, ORDERS_LISTED_MAX),
    }
    rows = yield Query("orders_list", params)
    return tuple(_as(ListedOrder, row) for row in rows)


def _as(kind: Any, row: Row, **made: object) -> Any:
    """A row as a struct whose fields bear the columns' names; `made` are those that no column has as it is."""
    names = (name for name in kind.__struct_fields__ if name not in made)
    return kind(**{name: row[name] for name in names}, **made)


def _order(row: Row) -> OrderTold:
    told: OrderTold = _as(
        OrderTold,
        row,
        fields=msgspec.Raw(row["fields"].encode()),
        routes=msgspec.Raw(row["routes"].encode()),
        can_refill=bool(row["can_refill"]),
        can_cancel=bool(row["can_cancel"]),
    )
    return told


def _attempt(row: Row) -> AttemptTold:
    told: AttemptTold = _as(
        AttemptTold, row, exchange=None if row["evidence"] is None else read_exchange(row["evidence"])
    )
    return told
