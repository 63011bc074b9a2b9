"""The catalogue: declared and imported services, merged and priced, under ids that never change."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.core.catalogue import (
    Catalogue,
    Declared,
    Pattern,
    Source,
    Wanted,
    build_catalogue,
    listing,
    missing_ids,
    sells,
)
from gateway.core.holds import Held, Reason
from gateway.core.pricing import Markup, Rules
from gateway.core.provider import ProviderService
from tests.makers import make_list, make_row, make_wanted

A, B = make_row("101"), make_row("2001", rate=Decimal(1), min=50, max=5000, refill=False)
LISTS = {"panel-a": make_list("panel-a", A, make_row("102")), "panel-b": make_list("panel-b", B)}
IDS = {("panel-a", "101"): 1001, ("panel-a", "102"): 1002, ("panel-b", "2001"): 1003}
BOTH = Declared(id=1, routes=(("panel-a", "101"), ("panel-b", "2001")), name="Ours", category="Followers")


def test_declared_service_joins_its_routes() -> None:
    """Its range is what any route takes, its promises what every route keeps, its price the first route's."""
    (service, *_) = build_catalogue(make_wanted(BOTH), LISTS, IDS).services
    assert (service.id, service.name, service.min, service.max) == (1, "Ours", 10, 5000)
    assert (service.dripfeed, service.refill, service.cancel) == (True, False, True)
    assert service.rates == {"": 90_000_000, "reseller": 90_000_000}
    assert [(route.provider, route.price.cost) for route in service.routes] == [
        ("panel-a", 90_000_000), ("panel-b", 110_000_000),
    ]  # fmt: skip


def test_promise_that_a_panel_cannot_keep_is_not_made() -> None:
    """Its list may say what it likes: a panel without the action is asked for no refill and no cancel."""
    source = Source(name="panel-a", exchange_rate=Decimal(1), imports=True, refills=False, cancels=False)
    wanted = make_wanted(sources={"panel-a": source})
    (service, *_) = build_catalogue(wanted, {"panel-a": make_list("panel-a", A)}, IDS).services
    assert (A.refill, A.cancel) == (True, True)
    assert (service.refill, service.cancel) == (False, False)


def test_what_is_behind_a_declared_service_is_not_sold_twice() -> None:
    """Imported beside it is only the rest, by provider and in the list's order."""
    catalogue = build_catalogue(make_wanted(BOTH), LISTS, IDS)
    assert [service.id for service in catalogue.services] == [1, 1002]
    assert catalogue.by_id[1002].routes[0].service == "102"


def test_declared_words_go_before_the_providers() -> None:
    """Name, category, description and bounds; the bounds only ever narrow."""
    declared = Declared(id=1, routes=(("panel-a", "101"),), description="D", min=5, max=500)
    (service, *_) = build_catalogue(make_wanted(declared), LISTS, IDS).services
    assert (service.name, service.category, service.description) == ("Service 101", "Followers", "D")
    assert (service.min, service.max) == (10, 500)


def test_price_follows_the_rule_and_the_tier() -> None:
    """Twenty per cent for everybody, five less for resellers, the operator's rule by name on the route."""
    rules = Rules(default=Markup(percent=Decimal(20)))
    (service, *_) = build_catalogue(make_wanted(BOTH, rules=rules), LISTS, IDS).services
    assert service.rates == {"": 108_000_000, "reseller": 102_600_000}
    assert service.routes[0].price.rule == "default"


def test_ids_that_are_missing_are_asked_for_first() -> None:
    """A service without an id is not sold until it has one."""
    wanted = make_wanted()
    assert missing_ids(wanted, LISTS, {}) == [("panel-a", "101"), ("panel-a", "102"), ("panel-b", "2001")]
    assert missing_ids(wanted, LISTS, IDS) == []
    assert build_catalogue(wanted, LISTS, {}).services == ()


def test_allotted_id_that_is_declared_now_is_the_declared_one() -> None:
    """Two services never share an id."""
    declared = Declared(id=1002, routes=(("panel-a", "101"),))
    catalogue = build_catalogue(make_wanted(declared), LISTS, IDS)
    assert [(s.id, s.routes[0].service) for s in catalogue.services] == [(1002, "101"), (1003, "2001")]
    assert catalogue.left_out == ("panel-a/102: its id 1002 is declared for another service",)


def test_declared_id_is_nobody_elses_while_its_own_service_is_away() -> None:
    """A panel below us that knows 1002 must not order something else under it."""
    declared = Declared(id=1002, routes=(("panel-a", "999"),))
    assert 1002 not in build_catalogue(make_wanted(declared), LISTS, IDS).by_id


def test_generation_changes_with_what_can_be_seen_and_with_nothing_else() -> None:
    """The same lists give the same generation on every replica; another price another one."""
    first = build_catalogue(make_wanted(BOTH), LISTS, IDS)
    assert build_catalogue(make_wanted(BOTH), dict(reversed(LISTS.items())), IDS).generation == first.generation
    dearer = make_wanted(BOTH, rules=Rules(default=Markup(percent=Decimal(1))))
    assert build_catalogue(dearer, LISTS, IDS).generation != first.generation
    assert build_catalogue(make_wanted(BOTH, currency="EUR"), LISTS, IDS).generation != first.generation


def test_provider_that_was_never_heard_is_missing() -> None:
    """Whoever serves the list can tell that it would be a partial one."""
    catalogue = build_catalogue(make_wanted(BOTH), {"panel-a": LISTS["panel-a"]}, IDS)
    assert catalogue.missing == ("panel-b",)
    assert [route.provider for route in catalogue.by_id[1].routes] == ["panel-a"]


def test_provider_of_which_nothing_is_sold_is_not_missed() -> None:
    """The list is whole without one that has no routes and no imports."""
    sources = {name: Source(name=name, exchange_rate=Decimal(1)) for name in ("panel-a", "panel-b", "panel-c")}
    assert build_catalogue(make_wanted(BOTH, sources=sources), {}, IDS).missing == ("panel-a", "panel-b")


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (Declared(id=1, routes=(("panel-x", "1"),)), "service 1: panel-x is switched off"),
        (Declared(id=1, routes=(("panel-a", "999"),)), "service 1: panel-a has no service 999"),
        (
            Declared(id=1, routes=(("panel-a", "101"),), min=2000),
            "panel-a/101: nothing between 2000 and 1000 can be sold",
        ),
        (Declared(id=1, routes=(("panel-a", "103"),)), "panel-a/103: the type Hologram is not sold yet"),
        (Declared(id=1, routes=(("panel-a", "104"),)), "panel-a/104: it has no price"),
        (Declared(id=1, routes=(("panel-a", "105"),)), "panel-a/105: 1000000000000 is too large"),
        (Declared(id=1, routes=(("panel-a", "101"), ("panel-a", "106"))), "service 1: panel-a/106 is of type Package"),
    ],
)
def test_what_cannot_be_sold_is_left_out_and_told(declared: Declared, told: str) -> None:
    """No list, no such service, a type of a later day, no price, no range."""
    rows = (
        A,
        make_row("103", type="Hologram"),
        make_row("104", rate=Decimal(0)),
        make_row("105", rate=Decimal(10) ** 12),
        make_row("106", type="Package"),
    )
    catalogue = build_catalogue(make_wanted(declared), {"panel-a": make_list("panel-a", *rows)}, IDS)
    assert told in catalogue.left_out


def test_imported_service_of_an_unknown_type_waits_for_its_day() -> None:
    """It keeps its id and is told, and the others are sold."""
    rows = make_list("panel-a", make_row("101", type="Hologram"), make_row("102"))
    catalogue = build_catalogue(make_wanted(), {"panel-a": rows}, IDS)
    assert [service.id for service in catalogue.services] == [1002]
    assert catalogue.left_out == ("panel-a/101: the type Hologram is not sold yet",)


def test_nothing_is_promised_that_a_panel_does_not_say() -> None:
    """A flag that is not said is no promise."""
    rows = make_list("panel-a", make_row("101", dripfeed=None, refill=None, cancel=None))
    (service,) = build_catalogue(make_wanted(), {"panel-a": rows}, IDS).services
    assert (service.dripfeed, service.refill, service.cancel) == (False, False, False)


def test_subscription_promises_no_refill_and_no_runs() -> None:
    """What a panel refills is the order of one post, which nobody downstream has an id of; it can be canceled."""
    rows = make_list("panel-a", make_row("101", type="subscriptions", dripfeed=True, refill=True, cancel=True))
    (service,) = build_catalogue(make_wanted(), {"panel-a": rows}, IDS).services
    assert (service.type, service.flat) == ("Subscriptions", False)
    assert (service.dripfeed, service.refill, service.cancel) == (False, False, True)


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ({}, ["101", "102", "103"]),
        ({"imports": False}, []),
        ({"include": Pattern(ids=("101",))}, ["101"]),
        ({"include": Pattern(categories=("like*",))}, ["102"]),
        ({"include": Pattern(names=("*TEST*",))}, ["103"]),
        ({"include": Pattern(types=("custom_comments",))}, ["103"]),
        ({"include": Pattern(names=("a test [max 10k]",))}, ["103"]),
        ({"include": Pattern(names=("a test [1?",))}, []),
        ({"exclude": Pattern(names=("*test*",))}, ["101", "102"]),
        ({"include": Pattern(categories=("*",)), "exclude": Pattern(ids=("101", "103"))}, ["102"]),
    ],
)
def test_import_rules_choose(source: dict[str, object], taken: list[str]) -> None:
    """By id, category, name and type, in any case; exclude goes before include."""
    rows = [A, make_row("102", category="Likes"), make_row("103", name="A test [Max 10K]", type="Custom Comments")]
    chosen = Source(name="panel-a", exchange_rate=Decimal(1), **{"imports": True, **source})  # type: ignore[arg-type] # by name
    assert [row.key for row in rows if chosen.takes(row)] == taken


def test_list_shows_each_tier_its_own_rate() -> None:
    """And an unknown tier everybody's."""
    catalogue = build_catalogue(make_wanted(BOTH, rules=Rules(default=Markup(percent=Decimal(20)))), LISTS, IDS)
    rates = [listing(catalogue, tier).services[0].rate for tier in ("", "reseller", "gone")]
    assert rates == ["1.08", "1.026", "1.08"]
    first: ProviderService = A
    assert listing(catalogue, "").services[0].max == max(first.max, B.max)


def hold(reason: Reason, former: str, now: str, key: str = "101", provider: str = "panel-a") -> dict[Any, Held]:
    """A hold of one service."""
    made = Held(
        provider=provider, key=key, reason=reason, name="N", type="Default", rate=Decimal(former), now_name="N",
        now_type="Default", now_rate=Decimal(now), since=1,
    )  # fmt: skip
    return {(provider, key): made}


def sold_at(former: str, now: str, *, percent: int = 50, wanted: Wanted | None = None) -> Catalogue:
    """What is on sale of panel-a/101 while its price is held."""
    rules = Rules(default=Markup(percent=Decimal(percent), min_margin=Decimal("0.10")))
    rows = make_list("panel-a", make_row("101", rate=Decimal(now)))
    held = hold(Reason.PRICE, former, now)
    return build_catalogue(wanted or make_wanted(rules=rules, tiers={}), {"panel-a": rows}, IDS, held=held)


def test_q81_held_service_keeps_its_former_price_while_that_covers_the_new_cost() -> None:
    """It costs what its list says now, and nothing is sold below the higher of both floors."""
    (service,) = sold_at("1.00", "1.40").services
    assert service.rates == {"": 150_000_000}
    assert (service.routes[0].price.rate, service.routes[0].price.cost) == (150_000_000, 140_000_000)
    assert service.routes[0].price.floor == 150_000_000
    assert service.routes[0].cost_rate == Decimal("1.40")
    (cheaper,) = sold_at("1.00", "0.10").services
    assert (cheaper.rates, cheaper.routes[0].price.floor) == ({"": 150_000_000}, 110_000_000)


def test_q81_held_service_that_would_lose_money_goes_off_sale_or_another_way() -> None:
    """A hair above what the former price covers with the margin; a second route takes its place at its own price."""
    gone = sold_at("1.00", "1.41")
    assert gone.services == ()
    assert gone.left_out == ("panel-a/101 is held: the former price does not cover 1.41",)
    wanted = make_wanted(Declared(id=1, routes=(("panel-a", "101"), ("panel-b", "2001"))), tiers={})
    rows = {
        "panel-a": make_list("panel-a", make_row("101", rate=Decimal(3))),
        "panel-b": make_list("panel-b", make_row("2001", rate=Decimal(2))),
    }
    service = build_catalogue(wanted, rows, {}, held=hold(Reason.PRICE, "1.00", "3.00")).by_id[1]
    assert [route.provider for route in service.routes] == ["panel-b"]
    assert service.rates == {"": 220_000_000}


def test_q81_tier_that_would_lose_money_takes_a_held_service_off_sale() -> None:
    """Nobody is sold at a loss, and nobody at a price that no person has seen."""
    rules = Rules(default=Markup(percent=Decimal(50)))
    assert sold_at("1.00", "1.45", wanted=make_wanted(rules=rules, tiers={})).services
    assert not sold_at("1.00", "1.45", wanted=make_wanted(rules=rules)).services


def test_q81_held_second_route_is_taken_only_where_it_leaves_a_margin() -> None:
    """By the higher of both prices: a fall nobody has looked at yet opens no way."""
    wanted = make_wanted(Declared(id=1, routes=(("panel-b", "2001"), ("panel-a", "101"))), tiers={})
    rows = {
        "panel-a": make_list("panel-a", make_row("101", rate=Decimal("0.10"))),
        "panel-b": make_list("panel-b", make_row("2001", rate=Decimal(1))),
    }
    service = build_catalogue(wanted, rows, {}, held=hold(Reason.PRICE, "3.00", "0.10")).by_id[1]
    assert (service.rates[""], service.routes[1].price.floor) == (110_000_000, 300_000_000)


@pytest.mark.parametrize("reason", [Reason.CHANGED, Reason.RETURNED, Reason.GONE])
def test_q80_held_service_is_off_sale_imported_or_declared(reason: Reason) -> None:
    """One that is gone is not held; should its row be there all the same, the next list holds it."""
    rows = {"panel-a": make_list("panel-a", make_row("101"))}
    held = hold(reason, "0.90", "0.90")
    why = next(iter(held.values())).why
    imported = build_catalogue(make_wanted(), rows, IDS, held=held)
    declared = build_catalogue(make_wanted(Declared(id=1, routes=(("panel-a", "101"),))), rows, {}, held=held)
    on_sale = reason is Reason.GONE
    assert bool(imported.services) is bool(declared.services) is on_sale
    assert imported.left_out == (() if on_sale else (f"panel-a/101 is held: {why}",))
    assert declared.left_out == (() if on_sale else (f"service 1: panel-a/101 is held: {why}",))


def test_what_we_sell_of_a_list_is_told() -> None:
    """Routes of ours, and imports; of a provider that is switched off its routes alone."""
    wanted = make_wanted(Declared(id=1, routes=(("panel-a", "7"), ("panel-x", "8"))))
    assert all(map(sells(wanted, "panel-a"), (make_row("7"), make_row("9"))))
    assert [sells(wanted, "panel-x")(make_row(key)) for key in ("8", "9")] == [True, False]
