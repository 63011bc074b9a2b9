"""What another configuration would change: services that come and go, prices, routes, and whatever else shows."""

import msgspec

from gateway.core.catalogue import Catalogue, Service, build_catalogue
from gateway.core.changes import Sold, changes, routes_lost
from tests.makers import make_list, make_route, make_service, make_wanted


def sold(*services: Service) -> Catalogue:
    """A catalogue of these."""
    empty = build_catalogue(make_wanted(), {"panel-a": make_list("panel-a")}, {})
    return msgspec.structs.replace(empty, services=services, by_id={each.id: each for each in services})


def otherwise(service: Service, **what: object) -> Service:
    """The same service, sold otherwise."""
    return msgspec.structs.replace(service, **what)


ONE = make_service()
BEFORE = Sold(rate=108_000_000, cost=90_000_000, first="panel-a/101")


def test_same_catalogue_changes_nothing() -> None:
    """Not even where it was built anew."""
    assert changes(sold(ONE), sold(make_service()), tier="") == ()


def test_services_come_and_go() -> None:
    """By id, each with how it is sold on the side it is on."""
    two = otherwise(ONE, id=2, name="T")
    went, came = changes(sold(ONE), sold(two), tier="")
    assert (went.id, went.name, went.kind, went.before, went.after) == (1, "S", "vanishes", BEFORE, None)
    assert (came.id, came.name, came.kind, came.before, came.after) == (2, "T", "appears", None, BEFORE)


def test_price_and_first_route_are_told_before_and_after() -> None:
    """With the margin they leave, which may be less than nothing."""
    dearer = otherwise(ONE, rates={"": 80_000_000}, routes=(make_route("panel-b"),))
    (change,) = changes(sold(ONE), sold(dearer), tier="")
    assert change.before == BEFORE
    assert change.after == Sold(rate=80_000_000, cost=90_000_000, first="panel-b/101")
    assert (BEFORE.margin, change.after.margin) == (18_000_000, -10_000_000)
    assert change.others == ()


def test_rates_are_those_of_the_tier() -> None:
    """What only another tier pays is no change to this one; a tier without rates of its own pays everybody's."""
    tiered = otherwise(ONE, rates={"": 108_000_000, "reseller": 100_000_000})
    assert changes(sold(ONE), sold(tiered), tier="") == ()
    (change,) = changes(sold(ONE), sold(tiered), tier="reseller")
    assert change.after is not None
    assert (change.before, change.after.rate) == (BEFORE, 100_000_000)


def test_everything_else_that_shows_is_named() -> None:
    """Limits, flags, texts, and where an order would go next."""
    other = otherwise(
        ONE, min=20, refill=False, description="new", routes=(make_route(), make_route("panel-b", service="7"))
    )
    (change,) = changes(sold(ONE), sold(other), tier="")
    said = ("min 10 → 20", "refill True → False", "description", "further routes none → panel-b/7")
    assert change.others == said
    (back,) = changes(sold(other), sold(ONE), tier="")
    assert back.others[-1] == "further routes panel-b/7 → none"


def test_route_that_loses_its_margin_is_named_with_its_service() -> None:
    """One that was taken before; not one that was passed over already, is new, or is of a service that is."""
    cheap, fallback = make_route(), make_route("panel-b")
    dear = make_route("panel-b", price=msgspec.structs.replace(fallback.price, floor=108_000_001))
    before, after = otherwise(ONE, routes=(cheap, fallback)), otherwise(ONE, routes=(cheap, dear))
    assert routes_lost(sold(before), sold(after)) == ((1, dear),)
    assert routes_lost(sold(before), sold(before)) == ()
    assert routes_lost(sold(after), sold(after)) == ()
    assert routes_lost(sold(ONE), sold(after)) == ()
    assert routes_lost(sold(otherwise(before, id=2)), sold(after)) == ()
