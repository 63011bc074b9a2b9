"""Routes: which may get an order, in which order, and why the others were passed over."""

from decimal import Decimal

import msgspec
import pytest

from gateway.core.attempt import AttemptState
from gateway.core.pricing import Price
from gateway.core.routing import (
    LINK_PAUSE_FIRST_MS,
    LINK_PAUSE_MAX_MS,
    Condition,
    Market,
    PlannedRoute,
    Tried,
    ask_again_at,
    busy_routes,
    cost_of,
    next_route,
    plan,
    second_round,
)
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


def busy(provider: str, at: int = 0) -> Tried:
    """A refusal for a link that is busy there."""
    return Tried(provider=provider, service="1", state=AttemptState.REJECTED, busy=True, at=at)


def test_q83_route_is_waited_for_as_long_as_it_lets_and_has_said_nothing_else() -> None:
    """Not one that refused for another reason, nor one that was never asked; being out of reach is no word."""
    routes = tuple(msgspec.structs.replace(route, link_wait=60) for route in ROUTES)
    a, b = busy("panel-a"), busy("panel-b")
    assert busy_routes(routes, [a, b], waited_ms=59_999) == routes
    assert busy_routes(routes, [a, b], waited_ms=60_000) == ()
    assert busy_routes(routes, [a, tried("panel-b", AttemptState.NOT_SENT)], waited_ms=0) == routes[:1]
    assert busy_routes(routes, [a, b, tried("panel-a", AttemptState.REJECTED)], waited_ms=0) == routes[1:]
    for state in (AttemptState.NOT_SENT, AttemptState.NOT_PLACED):
        assert busy_routes(routes, [a, tried("panel-a", state)], waited_ms=0) == routes[:1]
    assert busy_routes(ROUTES, [a, b], waited_ms=0) == ()


def test_q83_panel_is_asked_later_the_more_often_it_says_no() -> None:
    """Twice as late each time, from its own last word on, and never later than the longest pause."""
    said = [tried("panel-a", AttemptState.NOT_SENT), busy("panel-b", 77_000)]
    pauses = []
    for at in range(1000, 9000, 1000):
        said.append(busy("panel-a", at))
        pauses.append(ask_again_at(ROUTES[0], said) - at)
    assert pauses[:3] == [LINK_PAUSE_FIRST_MS, 2 * LINK_PAUSE_FIRST_MS, 4 * LINK_PAUSE_FIRST_MS]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LINK_PAUSE_MAX_MS
    assert ask_again_at(ROUTES[1], said) == 77_000 + LINK_PAUSE_FIRST_MS


@pytest.mark.parametrize(
    ("service", "provider", "most", "wait"),
    [(None, None, 3600, 3600), (None, 60, 3600, 60), (5, 60, 3600, 5), (0, 60, 3600, 0), (None, 60, 0, 0)],
)
def test_q83_order_may_wait_as_its_service_or_its_provider_says(
    service: int | None, provider: int | None, most: int, wait: int
) -> None:
    """The service goes first, and nobody waits longer than orders may wait at all."""
    waits = {} if provider is None else {"panel-a": provider}
    sold = msgspec.structs.replace(make_service(make_route()), link_wait=service)
    (route,) = plan(sold, make_details(), market(link_wait_max=most, link_waits=waits)).routes
    assert route.link_wait == wait


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
