"""A snapshot's bytes: made once for all who wait, shared between replicas, and never what somebody else wrote."""

import asyncio
import gzip
from decimal import Decimal

import msgspec
import pytest

from gateway.actions.snapshot import Manner, Snapshot
from gateway.cache.cache import QUICK_SECONDS
from gateway.cache.memory import MemoryCache
from gateway.core.catalogue import Catalogue, Declared, build_catalogue
from gateway.core.pricing import Markup, Rules
from tests.makers import make_list, make_row, make_wanted

LISTS = {"panel-a": make_list("panel-a", make_row("101", type="Custom Comments"))}


class Watched(MemoryCache):
    """A cache that remembers what it was given and asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.puts = 0

    async def get(self, name: str, *, within: float = QUICK_SECONDS) -> bytes | None:
        """Remember the name, and take as long as a network does."""
        self.names.append(name)
        await asyncio.sleep(0.01)
        return await super().get(name, within=within)

    async def put(self, name: str, value: bytes, *, within: float = QUICK_SECONDS) -> None:
        """Count it."""
        self.puts += 1
        await super().put(name, value, within=within)


def catalogue(**changes: object) -> Catalogue:
    """One declared service."""
    wanted = make_wanted(Declared(id=7, routes=(("panel-a", "101"),)), **changes)
    return build_catalogue(wanted, LISTS, {})


def snapshot(cache: MemoryCache, **changes: object) -> Snapshot:
    """A complete one."""
    return Snapshot(catalogue(**changes), cache, complete=True)


async def test_list_is_made_once_for_all_who_wait() -> None:
    """Fifty callers at once, one rendering, the same bytes for all and for those who come later."""
    cache = Watched()
    shown = snapshot(cache)
    found = await asyncio.gather(*(shown.rendered("", "standard") for _ in range(50)))
    assert {id(each) for each in found} == {id(await shown.rendered("", "standard"))}
    assert (len(cache.names), cache.puts) == (1, 1)
    assert gzip.decompress(found[0].gzip) == found[0].plain


async def test_each_tier_and_dialect_has_its_own() -> None:
    """A reseller's rates, a legacy user's types; a tier that is gone is everybody's."""
    shown = snapshot(MemoryCache(), rules=Rules(default=Markup(percent=Decimal(20))))
    rules: list[tuple[str, Manner]] = [("", "standard"), ("reseller", "standard"), ("", "legacy")]
    rows = [msgspec.json.decode((await shown.rendered(*each)).plain)[0] for each in rules]
    assert [row["rate"] for row in rows] == ["1.08", "1.026", "1.08"]
    assert [row["type"] for row in rows] == ["Custom Comments", "Custom Comments", "custom_comments"]
    assert await shown.rendered("gone", "standard") is await shown.rendered("", "standard")


async def test_replica_takes_the_bytes_another_made() -> None:
    """From the shared cache, without making them again."""
    cache = Watched()
    first = await snapshot(cache).rendered("", "standard")
    second = await snapshot(cache).rendered("", "standard")
    assert (second, cache.puts) == (first, 1)


@pytest.mark.parametrize(
    "junk",
    [b"", b"<html>", gzip.compress(b"[]" * 100)[:30], gzip.compress(b"[]" * 100)[:12] + b"\xff" * 40, b"\x1f\x8b"],
    ids=["nothing", "a page", "cut off", "damaged", "a head only"],  # gzip's own bytes hold the time of day
)
async def test_junk_in_the_cache_is_made_anew(junk: bytes) -> None:
    """Cut, corrupted or not ours: the list is what the catalogue says."""
    cache = Watched()
    right = await snapshot(cache).rendered("", "standard")
    await cache.put(cache.names[0], junk)
    assert await snapshot(cache).rendered("", "standard") == right


async def test_list_kept_under_another_name_is_made_anew() -> None:
    """A reseller's list that came to stand where everybody's belongs is seen to be no list of everybody's."""
    cache = Watched()
    rules = Rules(default=Markup(percent=Decimal(20)))
    right = await snapshot(cache, rules=rules).rendered("", "standard")
    await snapshot(cache, rules=rules).rendered("reseller", "standard")
    everybodys, resellers = cache.names
    await cache.put(everybodys, await cache.get(resellers) or b"")
    assert await snapshot(cache, rules=rules).rendered("", "standard") == right


async def test_tag_is_of_the_bytes() -> None:
    """A generation that differs in what users do not see sends nobody the list again; another rate does."""
    sold = snapshot(MemoryCache())
    (service,) = sold.catalogue.services
    other_cost = msgspec.structs.replace(service.routes[0], cost_rate=Decimal("0.1"))
    behind = msgspec.structs.replace(service, routes=(other_cost,))
    dearer = msgspec.structs.replace(service, rates={**service.rates, "": 2 * service.rates[""]})
    tags = [
        (
            await Snapshot(_with(sold.catalogue, each, generation), MemoryCache(), complete=True).rendered(
                "", "standard"
            )
        ).etag
        for generation, each in (("1", service), ("2", behind), ("3", dearer))
    ]
    assert tags[0] == tags[1] != tags[2]
    assert all(tag.startswith('"') and tag.endswith('"') for tag in tags)


async def test_caller_who_leaves_takes_nothing_from_the_others() -> None:
    """The rendering belongs to the snapshot, not to the request that came first."""
    shown = snapshot(Watched())
    first = asyncio.create_task(shown.rendered("", "standard"))
    second = asyncio.create_task(shown.rendered("", "standard"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).plain.startswith(b"[")
    assert first.cancelled()


def _with(whole: Catalogue, service: object, generation: str) -> Catalogue:
    changes = {"services": (service,), "generation": generation}
    return msgspec.structs.replace(whole, **changes)
