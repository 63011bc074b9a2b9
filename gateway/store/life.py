"""Locking an order and writing what a step made of it: the two halves that every command on an order shares."""

from typing import Final

import msgspec

from gateway.core.messages import StatusWord
from gateway.core.order import Order, OrderState, Step
from gateway.core.routing import PlannedRoute
from gateway.store.engine import Query, Row, Steps
from gateway.store.events import record
from gateway.store.ledger import post
from gateway.store.spending import count_out

_ROUTES: Final = msgspec.json.Decoder(tuple[PlannedRoute, ...])
_FIELDS: Final = msgspec.json.Decoder(tuple[tuple[str, str], ...])


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """An order's row as it was read under its lock."""

    order: Order
    type: str
    service_id: int
    fields: tuple[tuple[str, str], ...]  # what its panel is sent
    routes: tuple[PlannedRoute, ...]
    can_refill: bool
    can_cancel: bool
    cancel_requested_at: int | None  # ms
    created_at: int

    @property
    def cancel_requested(self) -> bool:
        """Whether its user wants it canceled."""
        return self.cancel_requested_at is not None


def lock_order(order_id: int) -> Steps[Locked | None]:
    """Lock an order's row and read it, first of all locks; ``None`` when there is no such order."""
    rows = yield Query("order_lock", {"id": order_id})
    return _read(rows[0]) if rows else None


def write_step(  # noqa: PLR0913 - an event names all of these
    before: Order, made: Step, *, actor: str, now: int, reason: str = "", failure: str | None = None
) -> Steps[None]:
    """Write the order a step made, the money it moves and the event that tells of it; nothing when nothing changed."""
    after = made.order
    if after == before and not made.transfers:
        return
    for transfer in made.transfers:
        yield from post(transfer, now)
    if after.state is OrderState.FAILED and before.state is not OrderState.FAILED:
        yield from count_out(after.id)
    yield Query(
        "order_update",
        {
            "id": after.id,
            "state": after.state.value,
            "state_before": before.state.value,
            "shown": after.shown.value,
            "refunded": after.refunded,
            "start_count": after.start_count,
            "remains": after.remains,
            "review": after.review,
            "failure": failure,
            "now": now,
        },
    )
    yield from record(
        f"order.{after.state}",
        actor=actor,
        order_id=after.id,
        user_id=after.user_id,
        before=_summary(before),
        after=_summary(after),
        reason=reason,
        now=now,
    )


def read_sent(fields: str) -> tuple[tuple[str, str], ...]:
    """What a panel is sent for an order, as its row has it."""
    return _FIELDS.decode(fields)


def _summary(order: Order) -> str:
    """The part of an order that its history tells."""
    told = {
        "state": order.state,
        "shown": order.shown,
        "start_count": order.start_count,
        "remains": order.remains,
        "refunded": order.refunded,
        "review": order.review,
    }
    return msgspec.json.encode({name: value for name, value in told.items() if value is not None}).decode()


def _read(row: Row) -> Locked:
    order = Order(
        id=row["id"],
        user_id=row["user_id"],
        currency=row["currency"],
        charge=row["charge"],
        refunded=row["refunded"],
        quantity=row["quantity"],
        state=OrderState(row["state"]),
        shown=StatusWord(row["shown"]),
        start_count=row["start_count"],
        remains=row["remains"],
        review=row["review"],
    )
    return Locked(
        order=order,
        type=row["type"],
        service_id=row["service_id"],
        fields=read_sent(row["fields"]),
        routes=_ROUTES.decode(row["routes"]),
        can_refill=bool(row["can_refill"]),
        can_cancel=bool(row["can_cancel"]),
        cancel_requested_at=row["cancel_requested_at"],
        created_at=row["created_at"],
    )
