"""Which providers may get an order, in which order, and why the others were passed over.

Pure: what is known of the providers right now comes in as conditions. The plan made when an order is stored is kept
with it, so that a restarted process goes on with the same routes and ``gateway order show`` can say why each was
taken or passed over.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.attempt import AttemptState
from gateway.core.catalogue import Route, Service
from gateway.core.money import PIECES_PER_RATE
from gateway.core.service import OrderDetails

# Before a panel is asked again whether a link is free, when no order of ours is known to hold it: the first pause, and
# the longest. Panels look after their orders by a cron of minutes.
LINK_PAUSE_FIRST_MS: Final = 30_000
LINK_PAUSE_MAX_MS: Final = 600_000


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the way of a provider now; nothing by default."""

    held: str | None = None  # why it gets no new orders at all, e.g. "funds"
    tripped: bool = False  # it failed again and again: the last choice, but never no choice
    services_off: frozenset[str] = frozenset()  # its services that it lately said it does not have


class PlannedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One route of a stored order, with the cost it was chosen at."""

    provider: str
    service: str  # the provider's own id
    cost: Decimal  # what the whole order costs us there, in the provider's currency
    currency: str  # the provider's
    exchange_rate: Decimal  # our currency for one of theirs, as it stood then
    link_wait: int = 0  # seconds from its storing an order may wait here for its link to come free (Q83)


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """A route that was not taken, and why."""

    provider: str
    service: str
    why: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The routes an order may go, best first, and the ones passed over."""

    routes: tuple[PlannedRoute, ...]
    passed: tuple[Passed, ...]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an earlier attempt, as far as choosing the next route asks."""

    provider: str
    service: str
    state: AttemptState
    busy: bool = False  # rejected because the provider still works on an order with its link
    at: int = 0  # ms: when that became known


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """What choosing routes depends on beside the order itself."""

    rate: int  # what the user pays, units per 1000 or flat
    conditions: Mapping[str, Condition]  # by provider; who is not in it is in no trouble
    currencies: Mapping[str, str]  # of each enabled provider; who is not in it is switched off
    link_wait_max: int = 0  # seconds an order may wait for its link to come free, and what of that
    link_waits: Mapping[str, int] = {}  # a provider lets it, where that was said


def plan(service: Service, details: OrderDetails, market: Market) -> Plan:
    """Choose the routes for an order of ``details``, in the service's own order of priority.

    A provider whose breaker is open comes after all others, and is not left out: statistics alone never leave an order
    without a route (RELIABILITY.md section 1.7).
    """
    taken: list[PlannedRoute] = []
    passed: list[Passed] = []
    for route in service.routes:
        if route.provider not in market.currencies:
            why: str | None = "provider is switched off"
        elif route.price.floor > market.rate:
            why = "its cost leaves no margin at the rate sold at"
        else:
            why = obstacle(route, details, market.conditions.get(route.provider, Condition()))
        if why is not None:
            passed.append(Passed(provider=route.provider, service=route.service, why=why))
            continue
        taken.append(
            PlannedRoute(
                provider=route.provider,
                service=route.service,
                cost=cost_of(route, details),
                currency=market.currencies[route.provider],
                exchange_rate=route.price.exchange_rate,
                link_wait=_link_wait(service, route.provider, market),
            )
        )
    tripped = {name for name, condition in market.conditions.items() if condition.tripped}
    taken.sort(key=lambda route: route.provider in tripped)  # stable: among themselves as the service has them
    return Plan(routes=tuple(taken), passed=tuple(passed))


def obstacle(route: Route, details: OrderDetails, condition: Condition) -> str | None:
    """Why an order may not go this route now; ``None`` when it may."""
    if condition.held is not None:
        return f"provider is held: {condition.held}"
    if route.service in condition.services_off:
        return "provider says it does not have the service"
    if not details.flat and not route.min <= details.per_run <= route.max:
        return f"quantity {details.per_run} is outside {route.min} to {route.max}"
    if details.per_post_min is not None and details.per_post_min < route.min:
        return f"quantity {details.per_post_min} is outside {route.min} to {route.max}"
    if details.runs is not None and details.billable > route.max:
        return f"quantity of all runs {details.billable} is over {route.max}"
    return None


def cost_of(route: Route, details: OrderDetails) -> Decimal:
    """What the provider will ask for the order, in its own currency, exactly as its rate says."""
    pieces = Decimal(details.billable)
    return route.cost_rate * pieces if details.flat else route.cost_rate * pieces / PIECES_PER_RATE


def next_route(routes: Iterable[PlannedRoute], tried: Iterable[Tried]) -> PlannedRoute | None:
    """The first planned route that was not tried yet; ``None`` when all were.

    A route counts as tried whatever became of it: going back to one that was never reached is a new round, which the
    dispatcher starts after a pause.
    """
    done = {(attempt.provider, attempt.service) for attempt in tried}
    return next((route for route in routes if (route.provider, route.service) not in done), None)


def second_round(routes: Iterable[PlannedRoute], tried: Iterable[Tried]) -> PlannedRoute | None:
    """The first route that was never refused, only never reached or proved not placed: worth another round."""
    attempts = tuple(tried)
    again = (AttemptState.NOT_SENT, AttemptState.NOT_PLACED)
    refused = {(attempt.provider, attempt.service) for attempt in attempts if attempt.state not in again}
    return next((route for route in routes if (route.provider, route.service) not in refused), None)


def busy_routes(routes: Iterable[PlannedRoute], tried: Iterable[Tried], *, waited_ms: int) -> tuple[PlannedRoute, ...]:
    """Routes refused for nothing but a link that is busy there, on which an order so old may still wait.

    A route that could not be reached since is still one of them: its panel has said nothing else.
    """
    attempts = tuple(tried)
    busy = {(attempt.provider, attempt.service) for attempt in attempts if attempt.busy}
    harmless = (AttemptState.NOT_SENT, AttemptState.NOT_PLACED)
    refused = {
        (attempt.provider, attempt.service)
        for attempt in attempts
        if not attempt.busy and attempt.state not in harmless
    }
    return tuple(
        route
        for route in routes
        if (route.provider, route.service) in busy - refused and waited_ms < route.link_wait * 1000
    )


def ask_again_at(route: PlannedRoute, tried: Iterable[Tried]) -> int:
    """When a panel may be asked again whether a link is free, in ms: later the more often it said that it is not."""
    said = [each.at for each in tried if each.busy and (each.provider, each.service) == (route.provider, route.service)]
    return max(said) + min(LINK_PAUSE_FIRST_MS << (len(said) - 1), LINK_PAUSE_MAX_MS)


def _link_wait(service: Service, provider: str, market: Market) -> int:
    """What the service says counts, then what its provider does; nobody waits longer than orders may wait at all."""
    said = market.link_waits.get(provider) if service.link_wait is None else service.link_wait
    return market.link_wait_max if said is None else min(said, market.link_wait_max)
