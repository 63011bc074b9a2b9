"""Routes: which may get an order, in which order, and why the others were passed over."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.attempt import AttemptState
from gateway.core.pricing import Price
from gateway.core.routing import Condition, Market, PlannedRoute, Tried, cost_of, next_route, plan, second_round
from gateway.core.service import OrderDetails
from tests.makers import make_details, make_route, make_service

DEAR = Price(rate=1, cost=120_000_000, floor=120_000_000, rule="default", exchange_rate=Decimal(1))
CURRENCIES = {"panel-a": "USD", "panel-b": "EUR"}


def market(**changes: object) -> Market:
    """Everybody well and enabled."""
    values: dict[str, object] = {"rate": 108_000_000, "conditions": {}, "currencies": CURRENCIES, **changes}
    return Market(**values)  # type: ignore[arg-type] # the fields by name


def test_routes_are_taken_in_their_own_order_with_their_cost() -> None:
    """What the whole order costs there, in that provider's currency."""
    chosen = plan(make_service(make_route(), make_route("panel-b", service="2001")), make_details(500), market())
    assert [(route.provider, route.service, route.currency) for route in chosen.routes] == [
        ("panel-a", "101", "USD"),
        ("panel-b", "2001", "EUR"),
    ]
    assert chosen.routes[0].cost == Decimal("0.45")
    assert chosen.passed == ()


@pytest.mark.parametrize(
    ("details", "changes", "why"),
    [
        (make_details(), {"currencies": {"panel-b": "EUR"}}, "provider is switched off"),
        (make_details(), {"rate": 89_999_999}, "its cost leaves no margin at the rate sold at"),
        (make_details(), {"conditions": {"panel-a": Condition(held="funds")}}, "provider is held: funds"),
        (
            make_details(),
            {"conditions": {"panel-a": Condition(services_off=frozenset({"101"}))}},
            "provider says it does not have the service",
        ),
        (make_details(9), {}, "quantity 9 is outside 10 to 1000"),
        (make_details(1001), {}, "quantity 1001 is outside 10 to 1000"),
        (make_details(500, runs=3), {}, "quantity of all runs 1500 is over 1000"),
        (make_details(100, per_post_min=9), {}, "quantity 9 is outside 10 to 1000"),
    ],
)
def test_route_that_may_not_be_taken_is_passed_over_with_its_reason(
    details: OrderDetails, changes: dict[str, object], why: str
) -> None:
    """Off, too dear, held, sold out, or outside its limits."""
    chosen = plan(make_service(make_route()), details, market(**changes))
    assert chosen.routes == ()
    assert [each.why for each in chosen.passed] == [why]


def test_dearer_second_route_is_no_way_to_lose_money() -> None:
    """One list price, and no route that costs more than it."""
    service = make_service(make_route(), make_route("panel-b", price=DEAR))
    assert [route.provider for route in plan(service, make_details(), market()).routes] == ["panel-a"]


def test_flat_service_costs_its_rate() -> None:
    """However large the number in `quantity`."""
    assert cost_of(make_route(), make_details(1, flat=True)) == Decimal("0.90")


def planned(provider: str) -> PlannedRoute:
    """A route of a plan."""
    return PlannedRoute(provider=provider, service="1", cost=Decimal(1), currency="USD", exchange_rate=Decimal(1))


ROUTES = (planned("panel-a"), planned("panel-b"))


def tried(provider: str, state: AttemptState) -> Tried:
    """What became of an attempt."""
    return Tried(provider=provider, service="1", state=state)


def test_next_route_is_the_first_untried() -> None:
    """Each once, then none."""
    a, b = tried("panel-a", AttemptState.REJECTED), tried("panel-b", AttemptState.NOT_SENT)
    assert next_route(ROUTES, []) is ROUTES[0]
    assert next_route(ROUTES, [a]) is ROUTES[1]
    assert next_route(ROUTES, [a, b]) is None


def test_another_round_goes_to_who_was_never_reached() -> None:
    """A clear refusal is not asked for again."""
    a, b = tried("panel-a", AttemptState.REJECTED), tried("panel-b", AttemptState.NOT_SENT)
    assert second_round(ROUTES, [a, b]) is ROUTES[1]
    assert second_round(ROUTES, [a, tried("panel-b", AttemptState.REJECTED)]) is None
    assert second_round(ROUTES, [a, tried("panel-b", AttemptState.NOT_PLACED)]) is ROUTES[1]


def test_plan_survives_being_stored() -> None:
    """A restarted process reads the same routes."""
    (route,) = plan(make_service(), make_details(), market()).routes
    assert msgspec.json.decode(msgspec.json.encode(route), type=PlannedRoute) == route


def test_provider_with_an_open_breaker_is_the_last_choice_and_never_none() -> None:
    """Statistics alone leave no order without a route."""
    service = make_service(make_route("panel-a"), make_route("panel-b"), make_route("panel-c"))
    currencies = dict.fromkeys(("panel-a", "panel-b", "panel-c"), "USD")

    def chosen(*tripped: str) -> list[str]:
        conditions = {name: Condition(tripped=True) for name in tripped}
        market = Market(rate=108_000_000, conditions=conditions, currencies=currencies)
        return [route.provider for route in plan(service, make_details(), market).routes]

    assert chosen() == ["panel-a", "panel-b", "panel-c"]
    assert chosen("panel-a") == ["panel-b", "panel-c", "panel-a"]
    assert chosen("panel-a", "panel-b", "panel-c") == ["panel-a", "panel-b", "panel-c"]
