"""The action ``add``: price an order, hold its charge, store it, and answer its id; the sending is dispatch's.

A caller who has been charged always gets an order id: whatever the panel does, the answer comes within
``answer_within``, and only an order that surely was not placed, and whose charge was given back before, is answered
with an error.
"""

import asyncio
import hashlib
from datetime import UTC, datetime
from functools import partial
from typing import Final

import msgspec
import structlog

from gateway.actions.desk import DISPATCHES_MAX, Desk
from gateway.actions.dispatch import Result, dispatch
from gateway.actions.seats import Seat
from gateway.actions.spent import note_error, told_error
from gateway.core.attempt import Attempt
from gateway.core.catalogue import EVERYBODY, Service
from gateway.core.error_type import ErrorType, of_text
from gateway.core.errors import (
    TEXT_IDEMPOTENCY_REUSED,
    TEXT_INCORRECT_SERVICE,
    TEXT_NOT_ENOUGH_FUNDS,
    TEXT_TOO_MANY_REQUESTS,
    TEXT_UNAVAILABLE,
    RequestError,
)
from gateway.core.messages import AddReply, AddRequest, ErrorReply
from gateway.core.money import UNITS_MAX, charge_for
from gateway.core.order import Order, OrderState
from gateway.core.routing import Market, Plan, plan
from gateway.core.service import Limits, OrderDetails, find_type, read_details
from gateway.core.service_fields import FIELDS
from gateway.core.spending import UserLimit
from gateway.core.user import User
from gateway.store.attempts import Job
from gateway.store.engine import StoreBusy, StoreUnavailable
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import (
    OPEN_MS,
    CallerLeft,
    IdempotencyKeyReused,
    NewOrder,
    Placed,
    StillOpen,
    Wish,
    answered,
    earlier_order,
    has_earlier,
    place,
)
from gateway.store.spending import LimitReached
from gateway.tracing import recorded, span

log = structlog.get_logger(__name__)

# How often, and for how long in all (an hour), it is tried to mark an order whose storing nobody could tell about.
MARK_PAUSE_SECONDS: Final = 0.5
MARK_TRIES: Final = 7200
# How soon, and then at the longest, it is asked again whether another process's caller has heard its answer.
OPEN_PAUSE_SECONDS: Final = 0.05
OPEN_PAUSE_MAX_SECONDS: Final = 0.8


async def add(
    desk: Desk, user: User, request: AddRequest, *, gone: asyncio.Task[None] | None = None
) -> AddReply | ErrorReply:
    """Answer our order id, or why nothing was ordered; in the second case nothing is charged.

    A caller who is `gone` is not waited for: that nobody heard the id has to be in the books before it asks again.
    """
    wish = Wish(
        user_id=user.id,
        fingerprint=_fingerprint(request),
        idem_key=request.idempotency_key,
        duplicate_window=user.duplicate_window,
        owner=desk.owner,
    )
    async with desk.flights.one((user.id, wish.fingerprint), gone):
        return await _add(desk, user, request, wish=wish, gone=gone)


async def _add(
    desk: Desk, user: User, request: AddRequest, *, wish: Wish, gone: asyncio.Task[None] | None
) -> AddReply | ErrorReply:
    now = desk.clock()
    seat = Seat(desk.seats, user)
    try:
        try:
            if not seat.there:
                raise RequestError(_limited(desk, user, UserLimit.ADDS_AT_ONCE))
            new = await _route(desk, user, request, fingerprint=wish.fingerprint)
        except RequestError as error:
            return await _again(desk, wish, now=now) or ErrorReply(error=error.text)
        placed, waited = await _store(desk, new, now=now, gone=gone)
        reply = AddReply(order=str(placed.order_id))
        if placed.attempt is None:
            desk.metrics.order_replayed()
            return reply
        task = _hand_over(desk, new, placed.attempt, now=now)
        seat.keep_until(task)
    except (NotEnoughFunds, LimitReached, IdempotencyKeyReused, CallerLeft) as error:
        return ErrorReply(error=_no(desk, user, error))
    finally:
        seat.leave()
    if user.answer == "immediate" and not _left(gone):
        return reply
    waited_for = {task} if gone is None else {task, gone}
    await asyncio.wait(waited_for, timeout=desk.answer_within - waited, return_when=asyncio.FIRST_COMPLETED)
    if _left(gone):  # In the books before the same wish may come again.
        await asyncio.wait({_mark_soon(desk, new, now=now)}, timeout=desk.answer_within)
    if not task.done():
        return reply
    result = task.result() if task.exception() is None else Result(state=OrderState.UNKNOWN)
    note_error(result.error)
    return ErrorReply(error=result.text) if result.state is OrderState.FAILED else reply


def _left(gone: asyncio.Task[None] | None) -> bool:
    return gone is not None and gone.done()


def _hand_over(desk: Desk, new: NewOrder, attempt: Attempt, *, now: int) -> asyncio.Task[Result]:
    """Begin to send a stored order, in a task of the application's own."""
    others = len(new.routes) > 1
    work = Job(attempt=attempt, user_id=new.order.user_id, fields=new.fields, created_at=now, others=others)
    return desk.spawn(dispatch(desk, attempt, work), name=f"dispatch:{attempt.order_id}")


def _no(desk: Desk, user: User, error: NotEnoughFunds | LimitReached | IdempotencyKeyReused | CallerLeft) -> str:
    """What a user is told of the books' no."""
    match error:
        case NotEnoughFunds():
            return TEXT_NOT_ENOUGH_FUNDS
        case IdempotencyKeyReused():
            return TEXT_IDEMPOTENCY_REUSED
        case LimitReached():
            return _limited(desk, user, error.limit)
        case CallerLeft():
            note_error(ErrorType.CALLER_LEFT)
            return TEXT_UNAVAILABLE


def _limited(desk: Desk, user: User, limit: UserLimit) -> str:
    """Count and note that a user's limit stood in the way; answers what the user is told."""
    desk.metrics.add_limited(limit)
    log.info("add_limited", user=user.name, limit=limit.value)
    return TEXT_TOO_MANY_REQUESTS


async def _again(desk: Desk, wish: Wish, *, now: int) -> AddReply | None:
    """The order that an ``add`` we cannot take stands for already: its caller was charged and never had the id.

    Without this a caller who comes again after our crash would hear an error, because no list was fetched yet or no
    provider takes orders just now, and take the order for dead. Raises StoreUnavailable while nobody knows.
    """
    await _until_known(desk, (wish.user_id, wish.fingerprint))
    if not await desk.store.read(partial(has_earlier, wish, now=now)):
        return None
    # A number nobody else has: by it a second run, after an unclear commit, knows what the first one gave again.
    own = msgspec.structs.replace(wish, own=await desk.order_ids.take())
    earlier = await desk.store.run(partial(earlier_order, own, now=now))
    if earlier is None:
        return None
    desk.metrics.order_replayed()
    return AddReply(order=str(earlier))


async def _route(desk: Desk, user: User, request: AddRequest, *, fingerprint: str) -> NewOrder:
    """An order with its price and its routes, told of with what was chosen and why; raises RequestError."""
    with span("route") as told:
        try:
            new = await _price(desk, user, request, fingerprint=fingerprint)
        except RequestError as error:
            told.note(error_type=told_error() or of_text(error.text))
            raise
        told.note(order=new.order.id)
        return new


async def _price(desk: Desk, user: User, request: AddRequest, *, fingerprint: str) -> NewOrder:
    """Find the service, read the order against it, price it, choose its routes; raises RequestError."""
    snapshot = desk.snapshot
    obstacle = _obstacle(desk)
    if snapshot is None or obstacle is not None:
        note_error(obstacle)
        raise RequestError(TEXT_UNAVAILABLE)
    service = snapshot.catalogue.by_id.get(_service_id(request.service))
    if service is None:
        raise RequestError(TEXT_INCORRECT_SERVICE)
    service_type = find_type(service.type)
    if service_type is None:
        raise RequestError(TEXT_INCORRECT_SERVICE)
    today = datetime.fromtimestamp(desk.clock() / 1000, UTC).date()
    limits = Limits(min=service.min, max=service.max, dripfeed=service.dripfeed, expiry_min=today)
    details = read_details(service_type, limits, request.fields)
    rate = service.rates.get(user.tier, service.rates[EVERYBODY])
    chosen = _plan(desk, service, details, rate=rate)
    _tell(service, chosen)
    charge = charge_for(rate, details.billable, flat=service.flat)
    if charge > UNITS_MAX:
        raise RequestError(TEXT_NOT_ENOUGH_FUNDS)
    if charge <= 0 or not chosen.routes:
        note_error(ErrorType.POLICY_NO_ROUTE)
        raise RequestError(TEXT_UNAVAILABLE)
    order = Order(
        id=await desk.order_ids.take(),
        user_id=user.id,
        currency=snapshot.currency,
        charge=charge,
        quantity=details.quantity,
    )
    return NewOrder(
        order=order,
        fingerprint=fingerprint,
        idem_key=request.idempotency_key,
        duplicate_window=user.duplicate_window,
        service_id=service.id,
        type=service.type,
        fields=details.fields,
        rate=rate,
        rule=service.routes[0].price.rule,
        routes=chosen.routes,
        passed="; ".join(f"{route.provider}/{route.service}: {route.why}" for route in chosen.passed),
        can_refill=service.refill,
        can_cancel=service.cancel,
        owner=desk.owner,
        limited=user.limits.counted,
    )


async def _store(desk: Desk, new: NewOrder, *, now: int, gone: asyncio.Task[None] | None) -> tuple[Placed, float]:
    """Store an order; raises StoreUnavailable, and then nobody knows yet whether it was kept.

    While another process's order of the same wish is open it waits: its caller may be this one, come again. Answers how
    many of the seconds of ``answer_within`` that took.

    Its caller gets no id and comes again. So as soon as the books can be written the order, if there is one, is marked
    as never answered, which makes the same wish find it; until then the same wish waits, or is turned away as well.
    """
    await _until_known(desk, (new.order.user_id, new.fingerprint))
    waited, pause = 0.0, OPEN_PAUSE_SECONDS
    try:
        while True:
            at = desk.clock()
            placing = partial(place, new, now=at, left=lambda: _left(gone), rivals_since=at - OPEN_MS)
            try:
                return await desk.store.run(placing), waited
            except StillOpen as error:
                if waited + pause > desk.answer_within or _left(gone):
                    raise StoreBusy(str(error)) from error
            await asyncio.sleep(pause)
            waited, pause = waited + pause, min(pause * 2, OPEN_PAUSE_MAX_SECONDS)
    except StoreBusy:
        raise  # certainly not kept
    except StoreUnavailable:
        _mark_soon(desk, new, now=now)
        raise


async def _until_known(desk: Desk, wish: tuple[int, str]) -> None:
    """Wait until an earlier order of this wish is marked, if there is one; raises StoreUnavailable after a while."""
    earlier = desk.unanswered.get(wish)
    if earlier is not None and not (await asyncio.wait({earlier}, timeout=desk.answer_within))[0]:
        raise StoreUnavailable("it is not known yet whether the same order was stored a moment ago")


def _mark_soon(desk: Desk, new: NewOrder, *, now: int) -> asyncio.Task[None]:
    """Begin to mark an order as never answered; until that is done, the same wish waits for it."""
    wish = (new.order.user_id, new.fingerprint)
    marking = desk.spawn(_mark_unanswered(desk, new.order, now=now), name=f"unanswered:{new.order.id}")
    desk.unanswered[wish] = marking
    marking.add_done_callback(lambda _: desk.unanswered.pop(wish, None))
    return marking


async def _mark_unanswered(desk: Desk, order: Order, *, now: int) -> None:
    """Mark an order as never answered once the books are back; one that was not kept is no row, and none is made.

    Should this process end before, its owner's death says the same (RELIABILITY.md section 1.10, rule 2).
    """
    for _ in range(MARK_TRIES):
        try:
            return await desk.store.run(partial(answered, order.id, order.user_id, heard=False, now=now))
        except StoreUnavailable:
            await asyncio.sleep(MARK_PAUSE_SECONDS)
    return None


def _tell(service: Service, chosen: Plan) -> None:
    """Tell of a choice of routes, in a trace that is kept: also of one that found none."""
    told = recorded()
    if told is not None:
        told.note(
            service=service.id,
            candidates=[f"{route.provider}/{route.service}" for route in chosen.routes],
            passed=[f"{route.provider}/{route.service}: {route.why}" for route in chosen.passed] or None,
        )


def _plan(desk: Desk, service: Service, details: OrderDetails, *, rate: int) -> Plan:
    currencies = {name: client.upstream.currency for name, client in desk.providers.items()}
    conditions = {route.provider: desk.condition(route.provider) for route in service.routes}
    waits = {name: client.upstream.link_wait for name, client in desk.providers.items()}
    market = Market(
        rate=rate,
        conditions=conditions,
        currencies=currencies,
        link_wait_max=int(desk.queue_seconds),
        link_waits={name: seconds for name, seconds in waits.items() if seconds is not None},
    )
    return plan(service, details, market)


def _obstacle(desk: Desk) -> ErrorType | None:
    """Why no order at all is taken now."""
    if desk.snapshot is None:
        return ErrorType.GATEWAY_STARTING
    if not desk.placing or desk.unfenced or desk.safe_mode:
        return ErrorType.POLICY_STOPPED
    return ErrorType.POLICY_BUSY if desk.at_work >= DISPATCHES_MAX else None


def _service_id(text: str) -> int:
    """Our id in a caller's text; 0, which no service has, for anything that is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(2**31)) else 0


def _fingerprint(request: AddRequest) -> str:
    """The same text for the same wish of the same user, as it was sent: whoever comes again sends the same.

    It is made of the request alone, so that the wish is known even when its service is not on sale just now.
    """
    asked = sorted((name, value.strip()) for name, value in request.fields if name in FIELDS)
    return hashlib.blake2b(msgspec.json.encode((request.service.strip(), asked)), digest_size=16).hexdigest()
