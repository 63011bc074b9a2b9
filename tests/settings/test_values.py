"""The file's values: rules by what they are for, routes in their two parts."""

from decimal import Decimal

import pytest

from gateway.core.pricing import choose_rule
from gateway.settings.values import Selection, split_route
from tests.settings.files import GOOD, read


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
