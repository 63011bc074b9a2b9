"""News: what a list or a catalogue changed, in figures and ids alone, until somebody takes it."""

from decimal import Decimal

from gateway.actions.news import NEWS_MAX, News
from gateway.core.notice import NAMED_MAX, Kind
from gateway.core.provider import Rise
from tests.makers import make_route


def test_prices_that_jumped_are_named_worst_first() -> None:
    """By how many times as dear they are; what was free comes first, and the rest is counted."""
    news = News()
    rises = [Rise(str(number), Decimal(1), Decimal(2 + number)) for number in range(20)]
    news.prices_jumped("panel-a", [*rises, Rise("free", Decimal(0), Decimal("0.5"))])
    news.prices_jumped("panel-b", [])
    (told,) = news.take()
    assert (told.kind, told.subject) == (Kind.PRICE_JUMP, "panel-a")
    assert (told.facts.count, f"{told.facts.limit:f}", len(told.facts.named)) == (21, "50", NAMED_MAX)
    assert told.facts.named[:3] == ("free 0 → 0.5", "19 1 → 21", "18 1 → 20")
    assert news.take() == ()


def test_lost_routes_are_told_by_provider() -> None:
    """With the service of ours that has one way less."""
    news = News()
    news.routes_lost([(1, make_route()), (2, make_route("panel-b")), (3, make_route())])
    news.routes_lost([])
    first, second = news.take()
    assert (first.kind, first.subject, first.facts.count) == (Kind.ROUTE_LOST, "panel-a", 2)
    assert first.facts.named == ("service 1 by panel-a/101", "service 3 by panel-a/101")
    assert (second.subject, second.facts.named) == ("panel-b", ("service 2 by panel-b/101",))


def test_news_that_nobody_takes_is_bounded() -> None:
    """The oldest goes first."""
    news = News()
    for number in range(NEWS_MAX + 5):
        news.prices_jumped(f"panel-{number}", [Rise("1", Decimal(1), Decimal(2))])
    taken = news.take()
    assert (len(taken), taken[0].subject) == (NEWS_MAX, "panel-5")
