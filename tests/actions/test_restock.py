"""Restocking: what of a new list has to wait for a person, the same on every replica and after a restart."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.actions import restock
from gateway.actions.desk import Desk
from gateway.actions.restock import Reading, Shelves
from gateway.cache.memory import MemoryCache
from gateway.core.catalogue import Wanted
from gateway.core.holds import Reason
from gateway.core.pricing import Markup, Rules
from gateway.store.engine import Store
from gateway.store.holds import accept, held_services
from tests.cut_books import CutBooks
from tests.makers import make_wanted
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import Time, close_desk, make_desk, say

RULES = Rules(default=Markup(percent=Decimal(100)))
READING = Reading(rate_per=1000, price_jump_max=Decimal(50), hold_changed=True)
NAME = "Instagram Followers"


class Shop:
    """One process with its shelves."""

    def __init__(self, desk: Desk, shelves: Shelves) -> None:
        self.desk = desk
        self.shelves = shelves

    async def fetch(self) -> None:
        """Fetch the list, however young the last one is."""
        assert await self.shelves.restock("panel-a", refresh_seconds=0)

    @property
    def rates(self) -> dict[str, int]:
        """What is on sale, by the provider's own id, in hundredths per 1000."""
        assert self.desk.snapshot is not None
        catalogue = self.desk.snapshot.catalogue
        return {each.routes[0].service: each.rates[""] // 10**6 for each in catalogue.services}


Open = Callable[..., Awaitable[Shop]]


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel that says what it is told to."""
    async with simulated_panel(tmp_path, "panel-a") as made:
        yield made


@pytest.fixture
async def opened(
    cut_books: CutBooks, panel: SimulatedPanel, time: Time, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Processes on the same books, without a cache between them, that look at holds as often as they are asked to."""
    monkeypatch.setattr(restock, "HOLDS_SECONDS", 0.0)
    desks: list[Desk] = []

    async def open_shop(owner: str = "me", reading: Reading = READING, wanted: Wanted | None = None) -> Shop:
        desk = make_desk(cut_books, {"panel-a": panel.url}, time, owner=owner)
        desks.append(desk)
        imports = wanted or make_wanted(rules=RULES, tiers={})
        shelves = Shelves(desk, MemoryCache(), imports, readings={"panel-a": reading})
        await shelves.warm()
        return Shop(desk, shelves)

    yield open_shop
    for desk in desks:
        await close_desk(desk)


@pytest.fixture
def time() -> Time:
    """A clock of the test's own."""
    return Time()


def service(key: str = "1", rate: str = "1.00", name: str = NAME) -> dict[str, Any]:
    """One row of the panel's list."""
    return {"service": key, "rate": rate, "name": name}


async def reasons(store: Store) -> dict[str, Reason]:
    """What the books have, by the provider's own id."""
    return {key: each.reason for (_, key), each in (await store.read(held_services)).items()}


async def test_q81_jump_waits_for_a_person_at_the_former_price(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """Covered, it is sold as before; not covered, it is off; accepted, it is sold as it is, by other processes too."""
    say(panel, service("1"), service("2"), service("3"))
    shop = await opened()
    await shop.fetch()
    assert shop.rates == {"1": 200, "2": 200, "3": 200}
    say(panel, service("1", "1.90"), service("2", "2.10"), service("3", "1.40"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"1": 200, "3": 280}
    assert await reasons(cut_books) == {"1": Reason.PRICE, "2": Reason.PRICE}
    other = await opened("other")
    assert other.rates == shop.rates
    for key in ("1", "2"):
        await cut_books.run(partial(accept, "panel-a", key, actor="cli:ops", reason="seen", now=time()))
    for each in (shop, other):
        await each.shelves.heed_holds()
        assert each.rates == {"1": 380, "2": 420, "3": 280}
        time.pass_by(10)
        await each.fetch()
        assert each.rates == {"1": 380, "2": 420, "3": 280}, "what was accepted is what is believed"


async def test_q81_price_that_comes_back_is_sold_without_a_word(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """Its slip cost nobody anything."""
    say(panel, service("1"), service("2"))
    shop = await opened()
    await shop.fetch()
    say(panel, service("1", "100.00"), service("2"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"2": 200}
    say(panel, service("1", "1.10"), service("2"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"1": 220, "2": 200}
    assert await reasons(cut_books) == {}


async def test_q80_service_that_was_gone_stays_off_sale_until_a_person_says_so(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """Over a restart too, and under its old id then."""
    say(panel, service("1"), service("2"), service("3"))
    first = await opened()
    await first.fetch()
    number = first.desk.snapshot.catalogue.services[0].id  # type: ignore[union-attr] # it is on sale
    say(panel, service("2"), service("3"))
    time.pass_by(10)
    await first.fetch()
    assert await reasons(cut_books) == {"1": Reason.GONE}
    say(panel, service("1"), service("2"), service("3"))
    again = await opened("after a restart")
    time.pass_by(10)
    await again.fetch()
    assert again.rates == {"2": 200, "3": 200}
    assert await reasons(cut_books) == {"1": Reason.RETURNED}
    await cut_books.run(partial(accept, "panel-a", "1", actor="cli:ops", reason="the same", now=time()))
    await again.shelves.heed_holds()
    assert again.rates == {"1": 200, "2": 200, "3": 200}
    assert number in again.desk.snapshot.catalogue.by_id  # type: ignore[union-attr] # it is on sale


async def test_q80_other_service_under_the_same_id_is_off_sale(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """Its orders would be for something else; a new badge is no reason."""
    say(panel, service("1"), service("2"))
    shop = await opened()
    await shop.fetch()
    say(panel, service("1", name="Instagram Likes"), service("2", name=f"{NAME} | Real"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"2": 200}
    assert await reasons(cut_books) == {"1": Reason.CHANGED}


async def test_q80_q81_nothing_waits_where_the_settings_say_so(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """The new price holds at once, and so does the new name, as it always was."""
    say(panel, service("1"), service("2"))
    shop = await opened(reading=Reading(rate_per=1000))
    await shop.fetch()
    say(panel, service("1", "9.00"), service("2", name="Instagram Likes"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"1": 1800, "2": 200}
    assert await reasons(cut_books) == {}


async def test_q81_replica_that_lags_measures_by_the_list_that_was_kept_last(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """What a person accepted meanwhile does not jump once more for a process that had not heard of it."""
    say(panel, service("1"), service("2"))
    shop, lagging = await opened(), await opened("other")
    await shop.fetch()
    time.pass_by(10)
    await lagging.fetch()
    say(panel, service("1", "3.00"), service("2"))
    time.pass_by(10)
    await shop.fetch()
    await cut_books.run(partial(accept, "panel-a", "1", actor="cli:ops", reason="seen", now=time()))
    time.pass_by(10)
    await lagging.fetch()
    assert lagging.rates == {"1": 600, "2": 200}
    assert await reasons(cut_books) == {}


async def test_q81_word_of_a_person_is_heeded_by_whatever_looks_first(
    opened: Open, panel: SimulatedPanel, cut_books: CutBooks, time: Time
) -> None:
    """A list that is fetched before the next look at the holds does not hide it."""
    say(panel, service("1"), service("2"))
    shop = await opened()
    await shop.fetch()
    say(panel, service("1", "9.00"), service("2"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"2": 200}
    await cut_books.run(partial(accept, "panel-a", "1", actor="cli:ops", reason="seen", now=time()))
    time.pass_by(10)
    await shop.fetch()
    assert shop.rates == {"1": 1800, "2": 200}


async def test_held_services_are_counted_for_the_metrics(opened: Open, panel: SimulatedPanel, time: Time) -> None:
    """One figure over all providers; what is gone waits for nobody."""
    say(panel, service("1"), service("2"), service("3"))
    shop = await opened()
    await shop.fetch()
    say(panel, service("1", "9.00"), service("2"))
    time.pass_by(10)
    await shop.fetch()
    assert shop.desk.metrics.registry.get_sample_value("gateway_catalogue_held") == 1
