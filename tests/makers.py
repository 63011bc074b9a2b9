"""Makers: values with everything filled in, so that a test shows only what matters to it."""

from decimal import Decimal

from gateway.core.catalogue import Declared, Route, Service, Source, Wanted
from gateway.core.dialects import UserDialect
from gateway.core.pricing import Markup, Price, Rules
from gateway.core.provider import ProviderList, ProviderService
from gateway.core.service import OrderDetails
from gateway.core.user import User


def make_row(key: str = "101", **changes: object) -> ProviderService:
    """One row of a provider's list."""
    values: dict[str, object] = {
        "name": f"Service {key}", "type": "Default", "category": "Followers", "rate": Decimal("0.90"), "min": 10,
        "max": 1000, "dripfeed": True, "refill": True, "cancel": True, **changes,
    }  # fmt: skip
    return ProviderService(key=key, **values)  # type: ignore[arg-type] # the fields by name


def make_list(provider: str, *rows: ProviderService) -> ProviderList:
    """A provider's list."""
    return ProviderList(provider=provider, fetched_at=1, services=rows)


def make_wanted(*declared: Declared, **changes: object) -> Wanted:
    """Two providers, everything imported, no markup."""
    values: dict[str, object] = {
        "currency": "USD",
        "sources": {
            "panel-a": Source(name="panel-a", exchange_rate=Decimal(1), imports=True),
            "panel-b": Source(name="panel-b", exchange_rate=Decimal("1.1"), imports=True),
        },
        "rules": Rules(),
        "tiers": {"reseller": Markup(percent=Decimal(-5))},
        **changes,
    }
    return Wanted(declared=declared, **values)  # type: ignore[arg-type] # the fields by name


def make_route(provider: str = "panel-a", **changes: object) -> Route:
    """One route, costing 0.90 and selling for 1.08."""
    price = Price(rate=108_000_000, cost=90_000_000, floor=90_000_000, rule="default", exchange_rate=Decimal(1))
    values: dict[str, object] = {
        "service": "101", "cost_rate": Decimal("0.90"), "price": price, "min": 10, "max": 1000, **changes,
    }  # fmt: skip
    return Route(provider=provider, **values)  # type: ignore[arg-type] # the fields by name


def make_service(*routes: Route) -> Service:
    """A service of ours."""
    return Service(
        id=1, name="S", type="Default", category="C", description="", min=10, max=1000, dripfeed=True, refill=True,
        cancel=True, flat=False, routes=routes or (make_route(),), rates={"": 108_000_000},
    )  # fmt: skip


def make_details(
    quantity: int = 100, *, runs: int | None = None, flat: bool = False, per_post_min: int | None = None
) -> OrderDetails:
    """An order's details."""
    whole = quantity * (runs or 1)
    return OrderDetails(
        link="L",
        quantity=whole,
        billable=whole,
        flat=flat,
        per_run=quantity,
        runs=runs,
        per_post_min=per_post_min,
        fields=(("link", "L"),),
    )


def make_user(**changes: object) -> User:
    """Somebody who asks."""
    values: dict[str, object] = {
        "id": 1, "name": "alpha", "dialect": UserDialect(), "avail_account": 1, "held_account": 2, **changes,
    }  # fmt: skip
    return User(**values)  # type: ignore[arg-type] # the fields by name
