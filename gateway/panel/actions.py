"""The seven actions of the simulated panel: our own protocol turned round, with the refusals of a real panel."""

import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from gateway.core.errors import (
    TEXT_INCORRECT_ORDER,
    TEXT_INCORRECT_SERVICE,
    TEXT_NOT_CANCELABLE,
    TEXT_NOT_ENOUGH_FUNDS,
    TEXT_NOT_REFILLABLE,
    TEXT_REFILL_NOT_FOUND,
    InvalidOrder,
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
    ServicesReply,
    ServicesRequest,
    StatusReply,
    StatusRequest,
    StatusWord,
)
from gateway.core.money import charge_for, format_amount, scale_of, to_units_up
from gateway.core.service import Limits, OrderDetails, find_type, read_details
from gateway.panel.books import Books, PanelOrder
from gateway.panel.dripfeed import DripFeed, begun, whole
from gateway.panel.progress import Course, Standing, standing
from gateway.panel.services import PanelFile
from gateway.panel.subscriptions import Stand, Subscription, made_after, pieces, stand, subscription_of

ACTIVE_LINK = "You have active order with this link. Please wait until order being completed."
REFILL_SECONDS = 10.0  # a refill takes so long, at pace 1


class Panel:
    """What the panel sells and whom it knows."""

    def __init__(self, file: PanelFile, books: Books, *, pace: float = 1.0) -> None:
        self.books = books
        self.currency = file.currency
        self.pace = pace
        self.one_order_a_link = False
        self.knows_again = False  # whether a repeated add is answered with the id of the first
        self._services = {service.id: service for service in file.services}
        self._scale = scale_of(file.currency)

    def now(self) -> int:
        """The panel's own clock, ms."""
        return time.time_ns() // 1_000_000 + self.books.ahead

    def answer(self, key: str, request: Request) -> Reply:
        """What a holder of a key is answered."""
        self.go_on()
        match request:
            case ServicesRequest():
                return ServicesReply(tuple(service.row for service in self._services.values()))
            case BalanceRequest():
                return self._balance(key)
            case AddRequest():
                return self._add(key, request)
            case StatusRequest():
                return self._status(key, request.order)
            case MultiStatusRequest():
                return MultiStatusReply(tuple((each, self._status(key, each)) for each in request.orders))
            case RefillRequest():
                return self._refill(key, request.order)
            case MultiRefillRequest():
                return MultiRefillReply(tuple((each, self._refill(key, each)) for each in request.orders))
            case RefillStatusRequest() | OrderRefillStatusRequest():
                return self._refill_status(key, self._refill_id(request))
            case MultiRefillStatusRequest():
                return MultiRefillStatusReply(
                    tuple((each, self._refill_status(key, _number(each))) for each in request.refills)
                )
            case CancelRequest():
                return self._cancel(key, request.order)
            case MultiCancelRequest():
                return MultiCancelReply(tuple((each, self._cancel(key, each)) for each in request.orders))

    def go_on(self) -> None:
        """Make the orders for posts of subscriptions that have appeared by now, and for runs that have begun."""
        for order in self.books.subscriptions():
            found = self._subscription(order)
            stands = self._stand(order)
            for n in range(len(self.books.made_for(order.id)), stands.made):
                if self.books.place(self._post(order, found, n), post=(order.id, n)) is None:
                    break  # No money for it; it is tried again.
            if stands.ended:
                self.books.end_subscription(order.id)
        for order in self.books.dripfeeds():
            drip = self._dripfeed(order)
            for n in range(len(self.books.runs_of(order.id)), begun(drip, self._age(order))):
                self.books.place(self._run(order, drip, n), run=(order.id, n))
            if self.standing(order).ended:
                self.books.end_dripfeed(order.id)

    def standing(self, order: PanelOrder) -> Standing:
        """How an order stands now."""
        if self.books.is_subscription(order.id):
            return self._stand(order).standing
        if order.runs > 1:
            runs = [self.standing(each) for each in self.books.runs_of(order.id)]
            found = whole(self._dripfeed(order), self._age(order), runs)
        else:
            course = Course(
                service=self._services[order.service],
                quantity=order.quantity,
                start_count=order.start_count,
                canceled_after=_canceled_after(order),
                pace=self.pace,
            )
            found = standing(course, self._age(order))
        if order.forced_status is None:
            return found
        remains = found.remains if order.forced_remains is None else order.forced_remains
        return Standing(status=StatusWord(order.forced_status), remains=remains, start_count=order.start_count)

    def units(self, amount: str) -> int:
        """An amount as units of the panel's currency."""
        return to_units_up(Decimal(amount), self._scale)

    def amount(self, units: int) -> str:
        """Units as an amount."""
        return format_amount(units, self._scale)

    def _balance(self, key: str) -> Reply:
        for order in self.books.orders(unsettled_of=key):
            self._settle(order)
        return BalanceReply(self.amount(self.books.balance(key) or 0), self.currency)

    def _add(self, key: str, request: AddRequest) -> Reply:
        service = self._services.get(_number(request.service))
        kind = None if service is None else find_type(service.type)
        if service is None or kind is None:
            return ErrorReply(TEXT_INCORRECT_SERVICE)
        today = datetime.fromtimestamp(self.now() / 1000, UTC).date()
        limits = Limits(min=service.min, max=service.max, dripfeed=service.dripfeed, expiry_min=today)
        try:
            details = read_details(kind, limits, request.fields)
        except InvalidOrder as error:
            return ErrorReply(error.text)
        if self.one_order_a_link and any(
            not self.standing(each).ended for each in self.books.orders(link=details.link)
        ):
            return ErrorReply(ACTIVE_LINK)
        fields = msgspec.json.encode(details.fields).decode()
        for each in self.books.orders(link=details.link) if self.knows_again else ():
            if (each.key, each.service, each.fields) == (key, service.id, fields):
                return AddReply(str(each.id))
        rate = to_units_up(service.rate, self._scale)
        charge = 0 if kind.subscribed else charge_for(rate, details.billable, flat=kind.flat)
        order = self._order(key, service.id, details=details, charge=charge)
        number = self.books.place(order, subscription=kind.subscribed)
        return ErrorReply(TEXT_NOT_ENOUGH_FUNDS) if number is None else AddReply(str(number))

    def _order(self, key: str, service: int, *, details: OrderDetails, charge: int) -> PanelOrder:
        now = self.now()
        return PanelOrder(
            id=0,
            key=key,
            service=service,
            link=details.link,
            fields=msgspec.json.encode(details.fields).decode(),
            quantity=details.quantity,
            runs=details.runs or 1,
            charge=charge,
            refunded=0,
            settled=0,
            start_count=100 + sum(details.link.encode()) % 9000,
            created_at=now,
            canceled_at=None,
            forced_status=None,
            forced_remains=None,
        )

    def _status(self, key: str, asked: str) -> StatusReply | ErrorReply:
        order = self.books.order(_number(asked), key)
        if order is None:
            return ErrorReply(TEXT_INCORRECT_ORDER)
        found = self._settle(order)
        if self.books.is_subscription(order.id):
            return StatusReply(
                status=found.status,
                word=self._stand(order).word,
                orders=tuple(map(str, self.books.made_for(order.id))),
                posts=order.quantity - found.remains,
                expiry=dict(msgspec.json.decode(order.fields)).get("expiry"),
            )
        runs = self.books.runs_of(order.id) if order.runs > 1 else []
        due = self._due(order, found) + sum(self._due(each, self.standing(each)) for each in runs)
        return StatusReply(
            status=found.status,
            charge=self.amount(order.charge - due),
            start_count=found.start_count,
            remains=found.remains,
            currency=self.currency,
            orders=tuple(str(each.id) for each in runs) or None,
        )

    def _settle(self, order: PanelOrder) -> Standing:
        """How an order stands; one that has ended gives back what was not delivered."""
        found = self.standing(order)
        if found.ended and not order.settled:
            self.books.settle(order, self._due(order, found))
        return found

    def _due(self, order: PanelOrder, found: Standing) -> int:
        if found.status not in (StatusWord.PARTIAL, StatusWord.CANCELED):
            return 0
        if order.runs > 1:  # What its runs did not deliver they give back themselves.
            return order.charge * (order.runs - len(self.books.runs_of(order.id))) // order.runs
        return order.charge * min(max(found.remains, 0), order.quantity) // order.quantity

    def _subscription(self, order: PanelOrder) -> Subscription:
        fields, service = dict(msgspec.json.decode(order.fields)), self._services[order.service]
        found = subscription_of(fields, order.created_at, seconds=service.seconds, pace=self.pace)
        canceled = _canceled_after(order)
        return found if canceled is None else msgspec.structs.replace(found, canceled=canceled)

    def _stand(self, order: PanelOrder) -> Stand:
        return stand(self._subscription(order), self._age(order))

    def _age(self, order: PanelOrder) -> float:
        return (self.now() - order.created_at) / 1000

    def _dripfeed(self, order: PanelOrder) -> DripFeed:
        return DripFeed(
            runs=order.runs,
            per_run=order.quantity // order.runs,
            every=self._services[order.service].seconds * self.pace,
            canceled=_canceled_after(order),
        )

    def _run(self, order: PanelOrder, found: DripFeed, n: int) -> PanelOrder:
        """The order for one run, made when it began."""
        fields = (("link", order.link), ("quantity", str(found.per_run)), ("run", str(n + 1)))
        return msgspec.structs.replace(
            order,
            fields=msgspec.json.encode(fields).decode(),
            quantity=found.per_run,
            runs=1,
            charge=order.charge // order.runs,
            created_at=order.created_at + int(n * found.every * 1000),
            canceled_at=None,
        )

    def _post(self, order: PanelOrder, found: Subscription, n: int) -> PanelOrder:
        """The order for one post, made when it appeared."""
        link, quantity = f"{order.link}/post/{n + 1}", pieces(found, order.id, n)
        rate = to_units_up(self._services[order.service].rate, self._scale)
        return msgspec.structs.replace(
            order,
            link=link,
            fields=msgspec.json.encode((("link", link), ("quantity", str(quantity)))).decode(),
            quantity=quantity,
            charge=charge_for(rate, quantity, flat=False),
            created_at=order.created_at + int(made_after(found, n) * 1000),
            canceled_at=None,
        )

    def _refill(self, key: str, asked: str) -> RefillReply | ErrorReply:
        order = self.books.order(_number(asked), key)
        eligible = order is not None and self._services[order.service].refill
        if order is None or not eligible or self.standing(order).status is not StatusWord.COMPLETED:
            return ErrorReply(TEXT_NOT_REFILLABLE)
        return RefillReply(str(self.books.add_refill(order.id, self.now())))

    def _refill_id(self, request: RefillStatusRequest | OrderRefillStatusRequest) -> int:
        if isinstance(request, RefillStatusRequest):
            return _number(request.refill)
        return self.books.newest_refill(_number(request.order)) or 0

    def _refill_status(self, key: str, number: int) -> RefillStatusReply | ErrorReply:
        asked_at = self.books.refills([number], key).get(number)
        if asked_at is None:
            return ErrorReply(TEXT_REFILL_NOT_FOUND)
        age = (self.now() - asked_at) / 1000
        done = age >= REFILL_SECONDS * self.pace
        return RefillStatusReply("Completed" if done else "In progress" if age > self.pace else "Pending")

    def _cancel(self, key: str, asked: str) -> CancelReply | ErrorReply:
        order = self.books.order(_number(asked), key)
        if order is None:
            return ErrorReply(TEXT_INCORRECT_ORDER)
        if not self._services[order.service].cancel or self.standing(order).ended:
            return ErrorReply(TEXT_NOT_CANCELABLE)
        for run in self.books.runs_of(order.id) if order.runs > 1 else ():
            if not self.standing(run).ended:
                self.books.cancel(run.id, self.now())
        self.books.cancel(order.id, self.now())
        return CancelReply()


def _canceled_after(order: PanelOrder) -> float | None:
    """Seconds of an order's age at which a cancel was asked for."""
    return None if order.canceled_at is None else (order.canceled_at - order.created_at) / 1000


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
