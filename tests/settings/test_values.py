"""The file's values: rules by what they are for, routes in their two parts."""

from decimal import Decimal

import pytest

from gateway.core.pricing import choose_rule
from gateway.settings.values import Selection, UnknownRules, split_route
from tests.settings.files import GOOD, faults_of, read


def test_rules_are_gathered_from_where_they_are_written() -> None:
    """The file's, a category's in any case, a provider's and a service's rule each reach the pricing."""
    file = read(
        f"{GOOD}    markup: {{percent: 2}}\n"
        "markup: {percent: 1}\n"
        "categories: {Likes: {percent: 3}}\n"
        "services:\n  7: {routes: [panel-a/1], markup: {percent: 4}}\n  8: {routes: [panel-a/2]}\n"
    )
    found = [
        choose_rule(file.rules, provider=provider, category=category, service=service)
        for provider, category, service in [
            ("panel-a", "LIKES", 7),
            ("panel-a", "LIKES", 8),
            ("panel-a", "x", 8),
            ("b", "x", 9),
        ]
    ]
    assert [rule.markup.percent for rule in found] == [Decimal(4), Decimal(3), Decimal(2), Decimal(1)]


@pytest.mark.parametrize(
    ("route", "parts"),
    [("panel-a/101", ("panel-a", "101")), (" a / b/c ", ("a", "b/c")), ("101", ("101", "")), ("/1", ("", "1"))],
)
def test_route_has_two_parts(route: str, parts: tuple[str, str]) -> None:
    """The provider stands before the first slash; its id may have slashes of its own."""
    assert split_route(route) == parts


def test_selection_is_empty_without_a_word() -> None:
    """Anything named makes it a condition."""
    assert Selection().empty
    assert not Selection(types=("Package",)).empty


def test_doubt_is_capped_by_what_is_set_or_by_what_the_currency_is_worth() -> None:
    """Nobody is without a cap, and nought is one."""
    assert UnknownRules().cap_in("USD") == 100
    assert UnknownRules().cap_in("IDR") == 1_000_000
    assert UnknownRules(cap=Decimal(0)).cap_in("USD") == 0


def test_refund_by_time_may_be_never() -> None:
    """The word stands in the file; without it there is a default, and any other word is a fault."""
    rules = [
        read(f"{GOOD}    unknown: {{{text}}}\n").providers["panel-a"].unknown.refund_after_hours
        for text in ("", "refund_after_hours: never", "refund_after_hours: 0.5")
    ]
    assert rules == [Decimal(24), None, Decimal("0.5")]
    assert faults_of(GOOD + "    unknown: {cap: never}\n") == ["6:20 here belongs a number, not never"]
