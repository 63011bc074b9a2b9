"""Restocking: fetch a provider's list, keep it when it is sound, and put the catalogue made of all lists on sale.

The last good list of each provider stays in use however long the provider is away; its age is a metric. Lists are kept
in the books, so that a restart sells at once, and in the shared cache, so that replicas need not all fetch.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from functools import partial
from time import monotonic
from typing import Final

import msgspec
import structlog

from gateway.actions.desk import Desk
from gateway.actions.snapshot import Snapshot
from gateway.cache.cache import LONG_SECONDS, Cache
from gateway.core.catalogue import Catalogue, Wanted, build_catalogue, missing_ids, sells
from gateway.core.changes import routes_lost
from gateway.core.holds import Held, HoldRules, Holds, compare
from gateway.core.messages import ErrorReply, ServicesReply, ServicesRequest
from gateway.core.provider import ProviderList, Verdict, judge, normalise
from gateway.store.holds import HOLDS_MAX, free, held_services, keep_holds
from gateway.store.services import (
    ALLOT_MAX,
    CLOCKS_APART_MS,
    allot_ids,
    allotted_ids,
    keep_list,
    kept_list,
    kept_lists,
    list_dated,
)

log = structlog.get_logger(__name__)

# A list younger than this share of the refresh time, whoever fetched it, saves fetching it: below 1 - JITTER of
# jobs/refresh.py, so that the replica whose turn comes first fetches and the others take over what it got.
FRESH_SHARE: Final = 0.8
_LIST: Final = msgspec.json.Decoder(ProviderList)
_CHANGES_TOLD: Final = 20  # of one refresh
# How often a process looks whether a person accepted what waits.
HOLDS_SECONDS: Final = 5.0


class Examined(msgspec.Struct, frozen=True):
    """A list that was found sound, what it changes, what of that has to wait, and its JSON as it is kept."""

    found: ProviderList
    verdict: Verdict
    holds: Holds
    body: bytes


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's list is read."""

    rate_per: int  # how many pieces its rates are for
    decimal_comma: bool = False
    price_jump_max: Decimal | None = None  # per cent; a rate that jumps further waits for a person
    hold_changed: bool = False  # whether a service that was gone, or is another one now, does

    @property
    def rules(self) -> HoldRules:
        """What of it waits for a person."""
        return HoldRules(price_jump_max=self.price_jump_max, changed=self.hold_changed)

    def fits(self, found: ProviderList) -> bool:
        """Whether a list has something, and was read so: otherwise its prices are wrong."""
        return bool(found.services) and found.read_as(self.rate_per, decimal_comma=self.decimal_comma)


class Shelves:
    """The lists in use and the catalogue they make."""

    def __init__(self, desk: Desk, cache: Cache, wanted: Wanted, *, readings: Mapping[str, Reading]) -> None:
        self._desk = desk
        self._cache = cache
        self._wanted = wanted
        self._readings = readings  # by provider
        self._lists: dict[str, ProviderList] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._known: set[str] = set()  # providers of which a list was kept when this process started
        self._given_up: set[str] = set()  # providers whose first fetch failed
        self._held: dict[tuple[str, str], Held] = {}  # as they were read last
        self._heeded = 0.0  # when that was, by the clock that never jumps
        self._building = asyncio.Lock()
        self._version = 0  # grows with every change to the lists
        self._built = 0  # the version that is on sale

    async def warm(self) -> None:
        """Take up the lists that were kept, and put on sale what they make, before any provider has answered."""
        kept = await self._desk.store.read_at_length(kept_lists)
        self._known = set(kept)
        self._ids = await self._desk.store.read_at_length(allotted_ids)
        for name in self._wanted.sources:
            for found in (kept.get(name), await self._cached(name)):
                if found is not None and self._usable(found) and self._newer(found):
                    self._take(found)
        if self._lists:
            await self._put_on_sale()
            log.info("catalogue_warm", providers=sorted(self._lists))

    async def adopt(
        self, wanted: Wanted, readings: Mapping[str, Reading], *, moved: Collection[str], swap: Callable[[], None]
    ) -> frozenset[str]:
        """Sell what is wanted now: the new catalogue is made first, then it and `swap`'s part are put in use at once.

        A list that was read otherwise than is said now, or comes from a provider that `moved` to another address, is
        left away until it was fetched anew: answers whose. Raises StoreError, and then nothing has changed.
        """
        async with self._building:
            lists = {
                name: each
                for name, each in self._lists.items()
                if name in readings and readings[name].fits(each) and name not in moved
            }
            version = self._version
            made = await self._made(wanted, lists)
            self._wanted, self._readings, self._built = wanted, readings, version
            for name in self._lists.keys() - lists.keys():
                del self._lists[name]
            swap()
            self._show(*made)
        return frozenset(readings) - lists.keys()

    async def restock(self, provider: str, *, refresh_seconds: float) -> bool:
        """Bring one provider's list up to date; answers whether a sound one was had."""
        found = await self._fresh_one(provider, refresh_seconds) or await self._fetched(provider)
        if isinstance(found, str):
            log.warning("catalogue_not_refreshed", provider=provider, why=found)
            self._desk.metrics.catalogue_refreshed("failed")
            if provider not in self._lists and provider not in self._given_up:
                self._given_up.add(provider)
                self._version += 1
        elif found is not self._lists.get(provider) and self._usable(found):  # the settings may be others by now
            self._desk.conditions.listed(provider)
            self._take(found)
        # Asked for each time: a build that failed, with the books away, is made up for by the next call.
        await self._put_on_sale()
        return not isinstance(found, str)

    async def heed_holds(self) -> None:
        """Sell by the holds as they stand in the books now, wherever they were written; every few seconds at most."""
        if monotonic() - self._heeded >= HOLDS_SECONDS:
            await self._read_holds()
            await self._put_on_sale()

    def age(self, provider: str) -> float | None:
        """How old the provider's list in use is, in seconds; None without one."""
        found = self._lists.get(provider)
        return None if found is None else (self._desk.clock() - found.fetched_at) / 1000

    def tell_ages(self) -> None:
        """Put the age of each list into the metrics."""
        for name in self._lists:
            self._desk.metrics.catalogue_age(name, self.age(name) or 0.0)

    def _take(self, found: ProviderList) -> None:
        """Use a list from now on; the catalogue follows with the next build."""
        before = self._lists.get(found.provider)
        self._lists[found.provider] = found
        self._given_up.discard(found.provider)
        if before is None or before.services != found.services:
            self._version += 1

    async def _fresh_one(self, provider: str, refresh_seconds: float) -> ProviderList | None:
        """The newest list that is known here or was fetched by another replica, if it is too young to be fetched."""
        found = self._lists.get(provider)
        shared = await self._cached(provider)
        if shared is not None and self._usable(shared) and self._newer(shared):
            found = shared
        if found is None:
            return None
        age = self._desk.clock() - found.fetched_at
        return found if -CLOCKS_APART_MS < age < refresh_seconds * 1000 * FRESH_SHARE else None

    async def _fetched(self, provider: str) -> ProviderList | str:
        """A fresh and sound list, kept for a restart and for the other replicas; or why there is none."""
        said = await self._desk.providers[provider].ask(ServicesRequest())
        if not isinstance(said, ServicesReply):
            return said.error if isinstance(said, ErrorReply) else getattr(said, "why", type(said).__name__)
        await self._catch_up(provider)
        await self._read_holds()
        now = self._desk.clock()
        examined = await asyncio.to_thread(self._examined, provider, said, fetched_at=now)
        if isinstance(examined, str):
            return examined
        await self._hold(examined.holds, now=now)
        for flaw in examined.verdict.changes[:_CHANGES_TOLD]:
            log.info("service_changed", provider=provider, service=flaw.key, what=flaw.what)
        self._desk.news.prices_jumped(provider, examined.verdict.rises)
        await self._desk.store.run(partial(keep_list, provider, examined.body.decode(), fetched_at=now))
        self._known.add(provider)
        await self._cache.put(f"list:{provider}", examined.body, within=LONG_SECONDS)
        self._desk.metrics.catalogue_refreshed("ok")
        return examined.found

    def _examined(self, provider: str, said: ServicesReply, *, fetched_at: int) -> Examined | str:
        """The reply as a list, judged against the one in use; or why it is not believed. Runs in a thread."""
        how = self._readings[provider]
        found = normalise(provider, said, fetched_at=fetched_at, rate_per=how.rate_per, decimal_comma=how.decimal_comma)
        before = self._lists.get(provider)
        verdict = judge(found, before)
        if not verdict.usable:
            return verdict.why
        known = {key: held for (name, key), held in self._held.items() if name == provider}
        sold = sells(self._wanted, provider)
        holds = compare(before, found, known, rules=how.rules, sold=sold, now=fetched_at)
        return Examined(found, verdict, holds, msgspec.json.encode(found))

    async def _catch_up(self, provider: str) -> None:
        """Take up the list that another replica has kept since ours: what a new one changes is measured by that."""
        mine = self._lists.get(provider)
        kept_at = None if mine is None else await self._desk.store.read(partial(list_dated, provider))
        if mine is None or kept_at is None or kept_at <= mine.fetched_at:
            return
        found = await self._desk.store.read_at_length(partial(kept_list, provider))
        if found is not None and self._usable(found) and self._newer(found):
            self._take(found)

    async def _hold(self, holds: Holds, *, now: int) -> None:
        """Write what has to wait, and what no longer does, before the list itself: whoever has that knows them."""
        store, actor = self._desk.store, self._desk.owner
        for begin in range(0, len(holds.put), HOLDS_MAX):
            await store.run(partial(keep_holds, holds.put[begin : begin + HOLDS_MAX], actor=actor, now=now))
        for begin in range(0, len(holds.drop), HOLDS_MAX):
            await store.run(partial(free, holds.drop[begin : begin + HOLDS_MAX], actor=actor, now=now))
        for held in [each for each in holds.put if each.waits][:_CHANGES_TOLD]:
            log.warning("service_held", provider=held.provider, service=held.key, reason=held.reason, what=held.why)
        for held in [each for each in holds.drop if each.waits][:_CHANGES_TOLD]:
            log.info("service_freed", provider=held.provider, service=held.key, reason=held.reason)
        if holds.put or holds.drop:
            self._version += 1

    async def _read_holds(self) -> dict[tuple[str, str], Held]:
        """The holds as the books have them; where others are sold by, the next build goes by these."""
        found = await self._desk.store.read_at_length(held_services)
        if found != self._held and self._lists:
            self._version += 1
        self._held, self._heeded = found, monotonic()
        self._desk.metrics.services_held(sum(each.waits for each in found.values()))
        return found

    async def _cached(self, provider: str) -> ProviderList | None:
        body = await self._cache.get(f"list:{provider}", within=LONG_SECONDS)
        if body is None:
            return None
        try:
            found = await asyncio.to_thread(_LIST.decode, body)
        except msgspec.DecodeError:
            return None
        return found if found.provider == provider else None

    def _usable(self, found: ProviderList) -> bool:
        """Whether a list was read as the settings say now."""
        how = self._readings.get(found.provider)
        return how is not None and how.fits(found)

    def _newer(self, found: ProviderList) -> bool:
        """Whether a list may go before the one in use; one from the future was dated by a clock that was wrong."""
        known = self._lists.get(found.provider)
        dated = found.fetched_at < self._desk.clock() + CLOCKS_APART_MS
        return known is None or (dated and found.fetched_at > known.fetched_at)

    async def _put_on_sale(self) -> None:
        """Put the catalogue on sale that the lists make now, unless it is already; who waited need not build again."""
        async with self._building:
            version = self._version
            if version != self._built:
                await self._build(dict(self._lists))
                self._built = version

    async def _build(self, lists: dict[str, ProviderList]) -> None:
        """Make the catalogue and swap it in as a whole."""
        self._show(*await self._made(self._wanted, lists))

    async def _made(self, wanted: Wanted, lists: dict[str, ProviderList]) -> tuple[Catalogue, bool]:
        """The catalogue of these lists, built away from the event loop, and whether it is all there is to sell."""
        await self._allot(wanted, lists)
        held = await self._read_holds()
        catalogue = await asyncio.to_thread(build_catalogue, wanted, lists, self._ids, held=held)
        # A provider that was never heard and cannot be reached takes nothing away: nobody has seen its services yet.
        # Without one whose services were on sale before, the list would be a part of itself.
        seen = {name for name, _ in self._ids} | self._known
        return catalogue, all(name in self._given_up and name not in seen for name in catalogue.missing)

    def _show(self, catalogue: Catalogue, complete: bool) -> None:  # noqa: FBT001 - what _made answers
        """Put it on sale, unless it is what is on sale already."""
        before = self._desk.snapshot
        if before is not None and (before.catalogue.generation, before.complete) == (catalogue.generation, complete):
            return
        self._desk.snapshot = Snapshot(catalogue, self._cache, complete=complete)
        if before is not None:
            self._desk.news.routes_lost(routes_lost(before.catalogue, catalogue))
        self._desk.metrics.catalogue_size(len(catalogue.services))
        log.info(
            "catalogue_on_sale",
            generation=catalogue.generation,
            services=len(catalogue.services),
            complete=complete,
            left_out=len(catalogue.left_out),
        )
        for what in catalogue.left_out[:_CHANGES_TOLD]:
            log.warning("service_left_out", what=what)

    async def _allot(self, wanted: Wanted, lists: dict[str, ProviderList]) -> None:
        wanting = missing_ids(wanted, lists, self._ids)
        declared = frozenset(each.id for each in wanted.declared)
        for begin in range(0, len(wanting), ALLOT_MAX):
            some = wanting[begin : begin + ALLOT_MAX]
            await self._desk.store.run(partial(allot_ids, some, declared, now=self._desk.clock()))
        if wanting:
            self._ids = await self._desk.store.read_at_length(allotted_ids)
