"""Pricing: from a provider's rate to ours, by the most specific rule, exactly, and never below cost plus margin.

    cost      = the provider's rate × exchange rate, rounded up to our smallest unit
    marked up = cost × (1 + percent/100) + add                 the rule: service > category > provider > default
    tier      = marked up × (1 + percent/100) + add            a user's own tier, last
    rate      = the larger of that and cost + min_margin, rounded up to `round_to` and to RATE_STEP

Rounding is upward at each place where it happens, so no rate is ever below what its rule says. RATE_STEP makes a rate
whole for a single piece: the listed rate × the quantity is the charge to the last digit (core/money.py).
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext

import msgspec

from gateway.core.money import RATE_STEP, to_decimal, to_units_up

_HUNDRED = Decimal(100)
_PRECISION = 60  # digits: a rate has at most some thirty, so no product is rounded before it is meant to be


class Markup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is added to a rate. Amounts are per 1000 (or per whole of a flat service), in our currency."""

    percent: Decimal = Decimal(0)
    add: Decimal = Decimal(0)
    min_margin: Decimal = Decimal(0)
    round_to: Decimal | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """All rules; the keys are a provider's name, a category in `casefold`, and our service id."""

    default: Markup = Markup()
    providers: Mapping[str, Markup] = {}
    categories: Mapping[str, Markup] = {}
    services: Mapping[int, Markup] = {}


class Rule(msgspec.Struct, frozen=True):
    """One rule with its name as orders keep it, such as `category:followers`."""

    name: str
    markup: Markup


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What one route's service sells for and costs."""

    rate: int  # units of ours per 1000, or flat; a multiple of RATE_STEP
    cost: int  # units of ours per 1000, or flat, rounded up
    floor: int  # units of ours: cost plus the smallest margin; nothing is sold below it
    rule: str
    exchange_rate: Decimal  # ours for one of theirs


def choose_rule(rules: Rules, *, provider: str, category: str, service: int) -> Rule:
    """The most specific rule that stands for a service on a route."""
    if service in rules.services:
        return Rule(f"service:{service}", rules.services[service])
    folded = category.casefold()
    if folded in rules.categories:
        return Rule(f"category:{folded}", rules.categories[folded])
    if provider in rules.providers:
        return Rule(f"provider:{provider}", rules.providers[provider])
    return Rule("default", rules.default)


def quote(cost_rate: Decimal, exchange_rate: Decimal, rule: Rule, *, tier: Markup | None, scale: int) -> Price:
    """What a provider's rate sells for; raises BadAmount when that is too large to keep."""
    with localcontext() as context:
        context.prec = _PRECISION
        cost = to_units_up(cost_rate * exchange_rate, scale)
        exact = to_decimal(cost, scale)
        wanted = _marked_up(exact, rule.markup)
        margins = [rule.markup.min_margin]
        steps = [rule.markup.round_to]
        if tier is not None:
            wanted = _marked_up(wanted, tier)
            margins.append(tier.min_margin)
            steps.append(tier.round_to)
        least = exact + max(margins)
        floor = to_units_up(least, scale)
        rate = _rounded(max(wanted, least), [step for step in steps if step], scale)
    return Price(rate=rate, cost=cost, floor=floor, rule=rule.name, exchange_rate=exchange_rate)


def _marked_up(rate: Decimal, markup: Markup) -> Decimal:
    return rate + rate * markup.percent / _HUNDRED + markup.add


def _rounded(rate: Decimal, steps: list[Decimal], scale: int) -> int:
    """Up to a multiple of the last `round_to`, which itself is taken up to a multiple of RATE_STEP."""
    if not steps:
        return to_units_up(rate, scale, step=RATE_STEP)
    step = to_units_up(steps[-1], scale, step=RATE_STEP)
    return to_units_up(rate, scale, step=step)
