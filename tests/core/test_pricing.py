"""Prices: exact for any markup, by the most specific rule, never below cost plus margin."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.money import RATE_STEP, charge_for, format_amount, scale_of, to_decimal
from gateway.core.pricing import Markup, Rule, Rules, choose_rule, quote

SCALE = scale_of("USD")
MONEY = st.decimals(0, 10_000, places=8)
MARKUPS = st.builds(
    Markup,
    percent=st.decimals(-99, 900, places=4),
    add=st.decimals(-5, 50, places=8),
    min_margin=st.decimals(0, 5, places=8),
    round_to=st.none() | st.sampled_from([Decimal("0.01"), Decimal("0.00000001"), Decimal("0.05"), Decimal(1)]),
)


@given(MONEY, st.decimals("0.0001", 1000, places=6), MARKUPS, st.none() | MARKUPS, st.integers(1, 10**6))
def test_rate_times_quantity_is_the_charge_for_any_markup(
    cost: Decimal, exchange: Decimal, markup: Markup, tier: Markup | None, quantity: int
) -> None:
    """The listed rate × the quantity = the charge, to the last digit, whatever the rules."""
    price = quote(cost, exchange, Rule("default", markup), tier=tier, scale=SCALE)
    listed = Decimal(format_amount(price.rate, SCALE))
    assert price.rate % RATE_STEP == 0
    assert to_decimal(charge_for(price.rate, quantity, flat=False), SCALE) == listed * quantity / 1000


@given(MONEY, st.decimals("0.0001", 1000, places=6), MARKUPS, st.none() | MARKUPS)
def test_nothing_is_sold_below_cost_and_margin(
    cost: Decimal, exchange: Decimal, markup: Markup, tier: Markup | None
) -> None:
    """A discount, a negative `add` or a tier cannot push a rate under its floor, and no rounding does."""
    price = quote(cost, exchange, Rule("default", markup), tier=tier, scale=SCALE)
    assert to_decimal(price.cost, SCALE) >= cost * exchange
    assert price.floor >= price.cost
    assert price.rate >= price.floor
    margin = max(markup.min_margin, tier.min_margin if tier is not None else Decimal(0))
    assert to_decimal(price.rate, SCALE) >= cost * exchange + margin


@pytest.mark.parametrize(
    ("markup", "tier", "rate"),
    [
        (Markup(), None, "0.9"),
        (Markup(percent=Decimal(20)), None, "1.08"),
        (Markup(percent=Decimal(20), add=Decimal("0.01")), None, "1.09"),
        (Markup(percent=Decimal(20), round_to=Decimal("0.05")), None, "1.1"),
        (Markup(percent=Decimal(20)), Markup(percent=Decimal(-5)), "1.026"),
        (Markup(percent=Decimal(20)), Markup(percent=Decimal(-50)), "0.9"),
        (Markup(min_margin=Decimal("0.2")), None, "1.1"),
        (Markup(percent=Decimal(20)), Markup(round_to=Decimal(1)), "2"),
    ],
)
def test_rule_is_applied_as_it_reads(markup: Markup, tier: Markup | None, rate: str) -> None:
    """0.90 at a provider, and what it sells for."""
    price = quote(Decimal("0.90"), Decimal(1), Rule("default", markup), tier=tier, scale=SCALE)
    assert format_amount(price.rate, SCALE) == rate


def test_most_specific_rule_wins() -> None:
    """Service, then category in any case, then provider, then everybody's."""
    rules = Rules(
        default=Markup(percent=Decimal(1)),
        providers={"panel-a": Markup(percent=Decimal(2))},
        categories={"followers": Markup(percent=Decimal(3))},
        services={7: Markup(percent=Decimal(4))},
    )
    names = [
        choose_rule(rules, provider=provider, category=category, service=service).name
        for provider, category, service in [
            ("panel-a", "Followers", 7),
            ("panel-a", "FOLLOWERS", 8),
            ("panel-a", "Likes", 8),
            ("panel-b", "Likes", 8),
        ]
    ]
    assert names == ["service:7", "category:followers", "provider:panel-a", "default"]
