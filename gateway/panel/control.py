"""The control endpoint: switches, ground truth and time, for tests and for whoever plays with the demo."""

from typing import Any

import msgspec

from gateway.core.fields import HttpRequest
from gateway.core.messages import StatusWord
from gateway.panel.actions import Panel
from gateway.panel.misdeeds import Answer
from gateway.panel.services import PanelError
from gateway.panel.switches import Switch, Switches


class Advance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Move the panel's clock on."""

    seconds: float


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Give a key a balance."""

    key: str
    balance: str


class Force(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put an order into a state."""

    order: int
    status: StatusWord | None = None
    remains: int | None = None
    start_count: int | None = None


def controlled(panel: Panel, switches: Switches, what: str, *, http: HttpRequest) -> Answer:
    """Do what is asked of the control endpoint; a mistake in it is answered with HTTP 400 and its reason."""
    try:
        return Answer(body=msgspec.json.encode(_done(panel, switches, (http.method, what), body=http.body)))
    except (msgspec.DecodeError, PanelError, ValueError) as error:
        return Answer(body=msgspec.json.encode({"error": str(error)}), status=400)


def _done(panel: Panel, switches: Switches, asked: tuple[str, str], *, body: bytes) -> Any:
    match asked:
        case ("GET", "switches"):
            return switches.listed()
        case ("POST", "switches"):
            switches.add(msgspec.json.decode(body, type=Switch))
            return switches.listed()
        case ("DELETE", "switches"):
            switches.clear()
            return switches.listed()
        case ("GET", "orders"):
            panel.go_on()
            return [_order(panel, each.id) for each in panel.books.orders()]
        case ("GET", "calls"):
            return panel.books.heard()
        case ("POST", "order"):
            force = msgspec.json.decode(body, type=Force)
            status = None if force.status is None else force.status.value
            panel.books.force(force.order, status=status, remains=force.remains, start_count=force.start_count)
            return _order(panel, force.order)
        case ("POST", "advance"):
            panel.books.advance(int(msgspec.json.decode(body, type=Advance).seconds * 1000))
            return {"ahead_ms": panel.books.ahead}
        case ("POST", "balance"):
            wanted = msgspec.json.decode(body, type=Balance)
            panel.books.set_balance(wanted.key, panel.units(wanted.balance))
            return {"balance": panel.amount(panel.books.balance(wanted.key) or 0)}
        case _:
            raise PanelError("there are switches, orders, calls (GET) and switches, order, advance, balance (POST)")


def _order(panel: Panel, number: int) -> dict[str, Any]:
    order = panel.books.order(number)
    if order is None:
        raise PanelError(f"there is no order {number}")
    found = panel.standing(order)
    return {
        "order": order.id,
        "service": order.service,
        "link": order.link,
        "fields": dict(msgspec.json.decode(order.fields)),
        "quantity": order.quantity,
        "charge": panel.amount(order.charge),
        "status": found.status,
        "remains": found.remains,
        "start_count": found.start_count,
        "made_for": panel.books.maker_of(order.id),
    }
