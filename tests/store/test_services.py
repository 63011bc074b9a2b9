"""Permanent ids and kept lists: allotted once whoever is first, and the newest good list whoever fetched it."""

import asyncio
from functools import partial

import msgspec
import pytest

from gateway.core.provider import ProviderList
from gateway.store.engine import Store
from gateway.store.services import (
    ALLOT_MAX,
    CLOCKS_APART_MS,
    FIRST,
    allot_ids,
    allotted_ids,
    keep_list,
    kept_lists,
)
from tests.makers import make_list, make_row

NOW = 1_700_000_000_000
A, B, C = ("panel-a", "101"), ("panel-a", "EXT-2"), ("panel-b", "101")


async def allot(store: Store, *services: tuple[str, str], taken: frozenset[int] = frozenset()) -> None:
    """Allot what is missing."""
    await store.run(partial(allot_ids, services, taken, now=NOW))


async def keep(store: Store, found: ProviderList, *, fetched_at: int) -> None:
    """Keep a list."""
    dated = msgspec.structs.replace(found, fetched_at=fetched_at)
    body = msgspec.json.encode(dated).decode()
    await store.run(partial(keep_list, found.provider, body, fetched_at=fetched_at))


async def dated(store: Store) -> dict[str, int | None]:
    """When each kept list was fetched."""
    kept = await store.read(kept_lists)
    return {name: None if found is None else found.fetched_at for name, found in kept.items()}


async def test_id_is_allotted_once_and_stays(store: Store) -> None:
    """In the list's order, from FIRST on; asked for again, the same ids."""
    await allot(store, A, B)
    first = await store.read(allotted_ids)
    assert first == {A: FIRST, B: FIRST + 1}
    await allot(store, B, A, C)
    again = await store.read(allotted_ids)
    assert {service: again[service] for service in (A, B)} == first
    assert again[C] not in first.values()


async def test_declared_ids_are_left_out(store: Store) -> None:
    """An id of the operator's own never becomes an imported service's."""
    await allot(store, A, B, C, taken=frozenset({FIRST, FIRST + 2, FIRST + 3}))
    assert await store.read(allotted_ids) == {A: FIRST + 1, B: FIRST + 4, C: FIRST + 5}


async def test_two_processes_allot_the_same_list_at_once(store: Store, rival: Store) -> None:
    """One id a service, no id twice, and nobody is refused."""
    services = [("panel-a", str(number)) for number in range(60)]
    await asyncio.gather(
        *(allot(one, *services[begin : begin + 30]) for one in (store, rival) for begin in (0, 15, 30))
    )
    ids = await rival.read(allotted_ids)
    assert set(ids) == set(services)
    assert len(set(ids.values())) == len(services)


async def test_too_many_at_once_is_our_mistake(store: Store) -> None:
    """Other commands wait for each one."""
    with pytest.raises(AssertionError, match="501 ids"):
        await allot(store, *(("panel-a", str(number)) for number in range(ALLOT_MAX + 1)))


async def test_kept_list_comes_back_whole(store: Store) -> None:
    """Exact rates, any text."""
    found = make_list("panel-a", make_row("1", name="Ñ 🙂 \x1b[31m", description="\x01\n"), make_row("2", refill=None))
    await keep(store, found, fetched_at=NOW)
    assert await store.read(kept_lists) == {"panel-a": msgspec.structs.replace(found, fetched_at=NOW)}


async def test_newest_list_wins_whoever_comes_last(store: Store, rival: Store) -> None:
    """A slow replica does not put an old list over a new one."""
    await keep(store, make_list("panel-a", make_row()), fetched_at=NOW)
    await keep(rival, make_list("panel-a", make_row()), fetched_at=NOW - 1)
    await keep(rival, make_list("panel-b", make_row()), fetched_at=NOW - 1)
    assert await dated(store) == {"panel-a": NOW, "panel-b": NOW - 1}
    await keep(rival, make_list("panel-a", make_row()), fetched_at=NOW + 1)
    assert await dated(store) == {"panel-a": NOW + 1, "panel-b": NOW - 1}


async def test_list_of_a_clock_that_was_wrong_does_not_win_for_ever(store: Store) -> None:
    """A few minutes apart is two replicas, a year is a fault."""
    await keep(store, make_list("panel-a", make_row()), fetched_at=NOW + CLOCKS_APART_MS)
    await keep(store, make_list("panel-a", make_row()), fetched_at=NOW)
    assert await dated(store) == {"panel-a": NOW + CLOCKS_APART_MS}
    await keep(store, make_list("panel-b", make_row()), fetched_at=NOW + CLOCKS_APART_MS + 1)
    await keep(store, make_list("panel-b", make_row()), fetched_at=NOW)
    assert (await dated(store))["panel-b"] == NOW


@pytest.mark.parametrize("body", ["", "null", "{}", '{"provider": "panel-a", "services": 7}', "<html>"])
async def test_list_of_another_version_is_known_but_not_read(store: Store, body: str) -> None:
    """The others are; that there was one is told, because its services were on sale."""
    await store.run(partial(keep_list, "panel-a", body, fetched_at=NOW))
    await keep(store, make_list("panel-b", make_row()), fetched_at=NOW)
    assert await dated(store) == {"panel-a": None, "panel-b": NOW}
