"""Commands of polling: watch an order, claim what is due, apply what a panel said, choose when to ask again."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core import ledger
from gateway.core.children import Family, Runs, spent
from gateway.core.messages import StatusReply
from gateway.core.order import TERMINAL, Booked, Order, Step, dearer, report, true_up, unreadable
from gateway.core.routing import PlannedRoute
from gateway.store.engine import Query, Steps, Value
from gateway.store.events import record
from gateway.store.family import kin_of, runs_of
from gateway.store.ledger import post_all
from gateway.store.life import lock_order, write_step

# How long a claim is ours: longer than one multi-status call may take.
LEASE_MS: Final = 60_000
# Panels change their mind after the end: terminal orders are asked again this long after it, then left alone (DESIGN
# section 4).
LATE_POLLS_MS: Final = tuple(hours * 3600 * 1000 for hours in (1, 6, 24, 72))
# A subscription is not left alone before the last of the orders its panel made for it is.
KIN_POLLS_MS: Final = 24 * 3600 * 1000
# An order under way is asked again after its pace, and later the older it is, up to an hour.
AGE_SHARE: Final = 20
PAUSE_MAX_MS: Final = 3600 * 1000
# How long a panel may say nothing of an order, and how long it may end one without saying how much is missing, before a
# person is asked to look (RELIABILITY 1.9). Neither is ever a refund.
SILENT_MS: Final = 6 * 3600 * 1000
UNREADABLE_MS: Final = 24 * 3600 * 1000
# How often in a row a panel names a refund that hangs on what it made for an order, before it is paid.
KIN_CONFIRMATIONS: Final = 2


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is to be asked about now."""

    order_id: int
    upstream_order: str
    due_at: int
    accepted_at: int
    terminal_at: int | None
    misses: int  # calls in a row that told nothing of it
    silent_since: int | None = None  # ms; of the first of them
    unreadable_since: int | None = None  # ms; since when it has ended without a word on how much is missing
    refund_named: int | None = None  # units; the refund its panel named last, and
    refund_times: int = 0  # how often in a row


class _Next(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an order until it is asked about again."""

    due_at: int | None  # ms; None: never again
    terminal_at: int | None
    misses: int = 0
    silent_since: int | None = None
    unreadable_since: int | None = None
    refund_named: int | None = None
    refund_times: int = 0


def watch(  # noqa: PLR0913 - a row
    order_id: int, provider: str, upstream_order: str, *, link: str | None, due_at: int, now: int
) -> Steps[None]:
    """Have an accepted order asked about from ``due_at`` (ms) on; ``link`` is the mark of what it is for."""
    yield Query(
        "poll_insert",
        {
            "order_id": order_id,
            "provider": provider,
            "upstream_order": upstream_order,
            "link": link,
            "due_at": due_at,
            "now": now,
        },
    )


def claim(provider: str, owner: str, *, limit: int, now: int) -> Steps[tuple[Due, ...]]:
    """Lease the orders of a provider that are due, the longest waiting first, at most ``limit``."""
    rows = yield Query(
        "polls_claim", {"provider": provider, "owner": owner, "limit": limit, "now": now, "lease_until": now + LEASE_MS}
    )
    due = (
        Due(
            order_id=row["order_id"],
            upstream_order=row["upstream_order"],
            due_at=row["due_at"],
            accepted_at=row["accepted_at"],
            terminal_at=row["terminal_at"],
            misses=row["misses"],
            silent_since=row["silent_since"],
            unreadable_since=row["unreadable_since"],
            refund_named=row["refund_named"],
            refund_times=row["refund_times"],
        )
        for row in rows
    )
    return tuple(sorted(due, key=lambda one: (one.due_at, one.order_id)))


class Dearer(msgspec.Struct, frozen=True, kw_only=True):
    """A panel took more for an order than its list said when the order was placed."""

    order_id: int
    charged: Decimal
    agreed: Decimal
    currency: str


def apply(  # noqa: PLR0913 - what is known of the order, of the panel and of the moment
    due: Due, said: StatusReply, *, provider: str, pace: int, now: int, confirmations: int = 1
) -> Steps[Dearer | None]:
    """Write what a panel said of an order, pay what is owed, and choose the next time; ``pace`` is in ms.

    What the panel says it made for the order is taken in, and a subscription that has ended is settled by it. With
    ``confirmations`` above 1 a refund waits until the panel has named the same one so often in a row; what is owed for
    posts and runs that were not made waits for two at least, because an end may be told before the last of them is
    named. Answers when an order ends that its panel took more for than was agreed.
    """
    locked = yield from lock_order(due.order_id)
    assert locked is not None, f"poll of order {due.order_id}, which does not exist"
    route = next((route for route in locked.routes if route.provider == provider), None)
    cost, runs = None if route is None else route.cost, runs_of(locked)
    kin = yield from kin_of(locked, said, provider=provider, cost=cost, now=now)
    family = None if kin is None else kin.family
    since = (due.unreadable_since or now) if unreadable(said, runs=runs, family=family) else None
    patient = since is not None and now - since < UNREADABLE_MS
    if isinstance(family, Runs) and since is not None and not patient and not family.heard:
        family = None  # its panel says nothing of the runs it named: by what it says of the whole, as without them
    made = report(locked.order, said, cost=cost, runs=runs, family=family, patient=patient)
    wanted = confirmations if kin is None else max(confirmations, KIN_CONFIRMATIONS)
    if made.order.refunded > locked.order.refunded and wanted > 1:
        times = due.refund_times + 1 if due.refund_named == made.order.refunded else 1
        if times < wanted:
            seen = _Next(
                due_at=now + pace,
                terminal_at=due.terminal_at,
                unreadable_since=since,
                refund_named=made.order.refunded,
                refund_times=times,
            )
            yield from _schedule(due, seen)
            return None
    yield from write_step(locked.order, made, actor=f"provider:{provider}", reason=_told(said), now=now)
    terminal_at = due.terminal_at
    took: Dearer | None = None
    if terminal_at is None and made.order.state in TERMINAL:
        terminal_at = now
    if terminal_at is not None and route is not None:
        charged = spent(family) if isinstance(family, Family) else _charged(said, route)
        yield from _true_up(made.order, route, charged, now=now)
        if due.terminal_at is None and charged is not None and dearer(charged, route.cost):
            took = Dearer(order_id=due.order_id, charged=charged, agreed=route.cost, currency=route.currency)
    due_at = next_poll(due.accepted_at, terminal_at, pace=pace, now=now)
    if due_at is None and kin is not None and kin.asked:  # what is still heard of its children may raise its refund
        due_at = now + KIN_POLLS_MS
    yield from _schedule(due, _Next(due_at=due_at, terminal_at=terminal_at, unreadable_since=since))
    return took


def miss(dues: Sequence[Due], *, pace: int, now: int) -> Steps[tuple[int, ...]]:
    """Nothing was heard of these orders: no news, ask again after a pause that grows.

    Answers the orders that are put before a person now, because their panel has said nothing of them for hours. They
    are refunded nothing: a panel that does not know an order today has been seen to know it tomorrow.
    """
    told: list[int] = []
    for due in sorted(dues, key=lambda one: one.order_id):
        silent_since = due.silent_since or now
        if now - silent_since >= SILENT_MS and (yield from put_before_a_person(due.order_id, now)):
            told.append(due.order_id)
        pause = min(pace * 2 ** min(due.misses + 1, 10), PAUSE_MAX_MS)
        after = _Next(
            due_at=now + pause,
            terminal_at=due.terminal_at,
            misses=due.misses + 1,
            silent_since=silent_since,
            unreadable_since=due.unreadable_since,
            refund_named=due.refund_named,
            refund_times=due.refund_times,
        )
        yield from _schedule(due, after)
    return tuple(told)


def hand_back(dues: Sequence[Due], owner: str) -> Steps[None]:
    """The panel could not be reached, from here: the orders stay due, and a replica that reaches it asks about them."""
    for due in sorted(dues, key=lambda one: one.order_id):
        yield Query("poll_hand_back", {"order_id": due.order_id, "owner": owner})


def recall(*, now: int) -> Steps[None]:
    """Ask again about what is dated further ahead than anything may be: the clock was set back since."""
    most: dict[str, Value] = {"now": now, "due_most": now + 2 * PAUSE_MAX_MS, "lease_most": now + 2 * LEASE_MS}
    yield Query("polls_recall", most)
    yield Query("refills_recall", most)
    yield Query("children_recall", most)
    yield Query("cancels_recall", most)


def poll_soon(order_id: int, *, due_at: int) -> Steps[None]:
    """Ask about an order at ``due_at`` (ms) at the latest: something was asked of its panel."""
    yield Query("poll_soon", {"order_id": order_id, "due_at": due_at})


def next_poll(accepted_at: int, terminal_at: int | None, *, pace: int, now: int) -> int | None:
    """When to ask again, in ms; ``None`` when an order that ended long ago is left alone."""
    if terminal_at is not None:
        return next((terminal_at + late for late in LATE_POLLS_MS if terminal_at + late > now), None)
    return now + min(max(pace, (now - accepted_at) // AGE_SHARE), PAUSE_MAX_MS)


def _schedule(due: Due, after: _Next) -> Steps[None]:
    if after.due_at is None:
        yield Query("poll_drop", {"order_id": due.order_id})
        return
    yield Query("poll_schedule", {"order_id": due.order_id, **msgspec.structs.asdict(after)})


def _charged(said: StatusReply, route: PlannedRoute) -> Decimal | None:
    """What a panel says it charged, in the currency we know its prices in."""
    return Decimal(said.charge) if said.charge is not None and said.currency in {None, route.currency} else None


def _true_up(order: Order, route: PlannedRoute, charged: Decimal | None, *, now: int) -> Steps[None]:
    """Book what the panel says it charged in the end, where that is not what is booked already."""
    if charged is None:
        return
    costs = ledger.costs(route.provider, route.currency)
    row = (yield Query("order_costs", {"order_id": order.id, "costs": costs}))[0]
    booked = Booked(amount=row["amount"], currency=route.currency, transfers=row["transfers"])
    found = true_up(order, route.provider, booked, charged=charged, agreed=route.cost)
    yield from post_all(found, now)
    if found:
        yield from record(
            "order.cost",
            actor=f"provider:{route.provider}",
            order_id=order.id,
            user_id=order.user_id,
            before=_cost(row["amount"], route.currency),
            after=_cost(row["amount"] + _added(found, costs), route.currency),
            reason=f"the panel says it charged {charged:f}, {route.cost:f} was agreed",
            now=now,
        )


def _cost(units: int, currency: str) -> str:
    """What an order costs us, for the history: units of the provider's currency."""
    return msgspec.json.encode({"cost": units, "currency": currency}).decode()


def _added(transfers: Sequence[ledger.Transfer], costs: str) -> int:
    return sum(each.amount if each.dest == costs else -each.amount for each in transfers)


def put_before_a_person(order_id: int, now: int) -> Steps[bool]:
    """Say on an order that its panel is silent; False when there is something to look at already."""
    locked = yield from lock_order(order_id)
    if locked is None or locked.order.review is not None:
        return False
    after = msgspec.structs.replace(locked.order, review="its panel has said nothing of it for hours")
    yield from write_step(locked.order, Step(order=after), actor="gateway", reason="no news", now=now)
    return True


def _told(said: StatusReply) -> str:
    """What the panel said, short, for the history."""
    told = f"{said.status or '?'} start {said.start_count} remains {said.remains} charge {said.charge}"
    return told if said.orders is None else f"{told} orders {len(said.orders)}"
