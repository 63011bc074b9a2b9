"""Commands of what a panel made for one order of ours: its children, as the books have them and as a report names them.

They are called under the order's lock, which is the lock of its children too.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.children import Child, Family, Runs
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.service import find_type
from gateway.store.engine import Query, Steps
from gateway.store.events import record
from gateway.store.life import Locked

_NAMED_MAX: Final = 20  # new ones that an event names; more are counted


class Kin(msgspec.Struct, frozen=True, kw_only=True):
    """What was made for an order so far."""

    family: Family | Runs
    asked: bool  # whether any of it will be asked about again


def runs_of(locked: Locked) -> int:
    """Of a drip-feed; 1 for any other order."""
    runs = dict(locked.fields).get("runs", "")
    return int(runs) if runs.isascii() and runs.isdigit() and 0 < len(runs) < 10 else 1


def kin_of(locked: Locked, said: StatusReply, *, provider: str, cost: Decimal | None, now: int) -> Steps[Kin | None]:
    """Take in what a report names, and answer all there is.

    ``None`` for an order that is neither a subscription nor a drip-feed whose panel names its runs. What another order
    has already, or is, is never taken: it is counted as strange.
    """
    kind, runs = find_type(locked.type), runs_of(locked)
    subscribed = kind is not None and kind.subscribed
    if not subscribed and runs == 1:
        return None
    order_id = locked.order.id
    known = yield Query("children_of_order", {"order_id": order_id, "provider": provider})
    if not subscribed and not known and not said.orders:
        return None
    mine = {row["upstream_order"] for row in known}
    new: list[str] = []
    for upstream_order in said.orders or ():
        params: dict[str, int | str] = {
            "order_id": order_id,
            "provider": provider,
            "upstream_order": upstream_order,
            "now": now,
        }
        if upstream_order not in mine and (yield Query("child_insert", params)):
            new.append(upstream_order)
    if new:
        yield from _tell(locked, provider, new, now=now)
        known = yield Query("children_of_order", {"order_id": order_id, "provider": provider})
    children = tuple(
        Child(
            upstream_order=row["upstream_order"],
            status=None if row["status"] is None else StatusWord(row["status"]),
            charge=None if row["charge"] is None else Decimal(row["charge"]),
            remains=row["remains"],
        )
        for row in known
    )
    taken = {each.upstream_order for each in children}
    strange, quantity = len(set(said.orders or ()) - taken), locked.order.quantity
    family: Family | Runs = Runs(runs=runs, quantity=quantity, cost=cost, children=children, strange=strange)
    if subscribed:
        named = said.orders is not None
        family = Family(posts=quantity, cost=cost, children=children, named=named, strange=strange)
    return Kin(family=family, asked=any(row["due_at"] is not None for row in known))


def _tell(locked: Locked, provider: str, new: Sequence[str], *, now: int) -> Steps[None]:
    more = f" and {len(new) - _NAMED_MAX} more" if len(new) > _NAMED_MAX else ""
    yield from record(
        "order.children",
        actor=f"provider:{provider}",
        order_id=locked.order.id,
        user_id=locked.order.user_id,
        reason=f"{provider} made {', '.join(new[:_NAMED_MAX])}{more} for it",
        now=now,
    )
