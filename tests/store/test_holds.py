"""Services that wait for a person, in the books: written once, told once, ended by a list or by a word."""

from decimal import Decimal
from functools import partial

import msgspec
import pytest

from gateway.core.holds import Held, Reason
from gateway.store.engine import Store
from gateway.store.holds import NotHeld, accept, free, held_services, keep_holds
from gateway.store.services import keep_list, kept_list, list_dated
from tests.makers import make_list, make_row
from tests.store.trade import ME, NOW, ask

PRICE = Held(
    provider="panel-a", key="101", reason=Reason.PRICE, name="S", type="Default", rate=Decimal("0.90"), now_name="S",
    now_type="Default", now_rate=Decimal("9.0"), since=NOW,
)  # fmt: skip
GONE = Held(provider="panel-a", key="102", reason=Reason.GONE, name="T", type="Default", rate=Decimal(1), since=NOW)
TOLD = "SELECT kind, actor, reason FROM events WHERE kind LIKE 'service.%' ORDER BY id"


async def keep(store: Store, *held: Held) -> None:
    """Write holds."""
    await store.run(partial(keep_holds, held, actor=ME, now=NOW))


async def test_q81_hold_is_written_and_told_once(store: Store, database_url: str) -> None:
    """However often it is brought; what is gone is kept, and nobody has to hear of it."""
    for _ in range(2):
        await keep(store, PRICE, GONE)
    assert await store.read(held_services) == {("panel-a", "101"): PRICE, ("panel-a", "102"): GONE}
    assert await ask(database_url, TOLD) == [("service.held", ME, "its price went from 0.90 to 9.0")]
    dearer = msgspec.structs.replace(PRICE, now_rate=Decimal(12))
    await keep(store, dearer)
    assert (await store.read(held_services))["panel-a", "101"] == dearer
    assert len(await ask(database_url, TOLD)) == 2


async def test_q81_hold_ends_by_itself_once(store: Store, database_url: str) -> None:
    """The list says again what was believed."""
    await keep(store, PRICE, GONE)
    for _ in range(2):
        await store.run(partial(free, (PRICE, GONE), actor=ME, now=NOW))
    assert await store.read(held_services) == {}
    assert [row[0] for row in await ask(database_url, TOLD)] == ["service.held", "service.freed"]


async def test_q81_accepted_service_waits_no_longer(store: Store, database_url: str) -> None:
    """Who did it and why is kept; a second one, one that is gone and one that never waited are refused."""
    await keep(store, PRICE, GONE)
    done = await store.run(partial(accept, "panel-a", "101", actor="cli:ops", reason="they said so", now=NOW))
    assert done == PRICE
    assert await store.read(held_services) == {("panel-a", "102"): GONE}
    assert (await ask(database_url, TOLD))[-1] == ("service.accepted", "cli:ops", "they said so")
    for key in ("101", "102", "103"):
        with pytest.raises(NotHeld, match=f"panel-a/{key} waits for nobody"):
            await store.run(partial(accept, "panel-a", key, actor="cli:ops", reason="again", now=NOW))


async def test_one_providers_list_is_found_by_itself(store: Store) -> None:
    """With its date; none where none was kept, and none that this version cannot read."""
    assert await store.read(partial(list_dated, "panel-a")) is None
    assert await store.read(partial(kept_list, "panel-a")) is None
    made = make_list("panel-a", make_row("101"))
    await store.run(partial(keep_list, "panel-a", msgspec.json.encode(made).decode(), fetched_at=NOW))
    await store.run(partial(keep_list, "panel-b", "{}", fetched_at=NOW))
    assert await store.read(partial(list_dated, "panel-a")) == NOW
    assert await store.read(partial(kept_list, "panel-a")) == made
    assert await store.read(partial(kept_list, "panel-b")) is None
