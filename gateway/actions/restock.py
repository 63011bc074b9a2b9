"""Restocking: fetch a provider's list, keep it when it is sound, and put the catalogue made of all lists on sale.

The last good list of each provider stays in use however long the provider is away; its age is a metric. Lists are kept
in the books, so that a restart sells at once, and in the shared cache, so that replicas need not all fetch.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec
import structlog

from gateway.actions.desk import Desk
from gateway.actions.snapshot import Snapshot
from gateway.cache.cache import Cache
from gateway.core.catalogue import Wanted, build_catalogue, missing_ids
from gateway.core.messages import ErrorReply, ServicesReply, ServicesRequest
from gateway.core.provider import ProviderList, judge, normalise
from gateway.store.services import ALLOT_MAX, allot_ids, allotted_ids, keep_list, kept_lists

log = structlog.get_logger(__name__)

# A list in the shared cache that is younger than this share of the refresh time saves fetching it.
FRESH_SHARE: Final = 0.5
_LIST: Final = msgspec.json.Decoder(ProviderList)
_CHANGES_TOLD: Final = 20  # of one refresh


class Shelves:
    """The lists in use and the catalogue they make."""

    def __init__(self, desk: Desk, cache: Cache, wanted: Wanted, *, rate_per: Mapping[str, int]) -> None:
        self._desk = desk
        self._cache = cache
        self._wanted = wanted
        self._rate_per = rate_per  # by provider: how many pieces its rates are for
        self._lists: dict[str, ProviderList] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._given_up: set[str] = set()  # providers whose first fetch failed
        self._building = asyncio.Lock()

    async def warm(self) -> None:
        """Take up the lists that were kept, and put on sale what they make, before any provider has answered."""
        kept = await self._desk.store.read_at_length(kept_lists)
        self._ids = await self._desk.store.read_at_length(allotted_ids)
        for name in self._wanted.sources:
            for found in (kept.get(name), await self._cached(name)):
                if found is not None and self._newer(found):
                    self._lists[name] = found
        if self._lists:
            await self._put_on_sale()
            log.info("catalogue_warm", providers=sorted(self._lists))

    async def restock(self, provider: str, *, refresh_seconds: float) -> bool:
        """Bring one provider's list up to date; answers whether a sound one was had."""
        shared = await self._cached(provider)
        now = self._desk.clock()
        if (
            shared is not None
            and self._newer(shared)
            and now - shared.fetched_at < refresh_seconds * 1000 * FRESH_SHARE
        ):
            found: ProviderList | str = shared
        else:
            found = await self._fetched(provider)
        if isinstance(found, str):
            log.warning("catalogue_not_refreshed", provider=provider, why=found)
            self._desk.metrics.catalogue_refreshed(provider, "failed")
            if provider not in self._lists and provider not in self._given_up:
                self._given_up.add(provider)
                await self._put_on_sale()
            return False
        self._desk.metrics.catalogue_refreshed(provider, "ok")
        changed = self._lists.get(provider) is None or self._lists[provider].services != found.services
        self._lists[provider] = found
        self._given_up.discard(provider)
        self._desk.conditions.listed(provider)
        if changed:
            await self._put_on_sale()
        return True

    def tell_ages(self) -> None:
        """Put the age of each list into the metrics."""
        now = self._desk.clock()
        for name, found in self._lists.items():
            self._desk.metrics.catalogue_age(name, (now - found.fetched_at) / 1000)

    async def _fetched(self, provider: str) -> ProviderList | str:
        """A fresh and sound list, kept for a restart and for the other replicas; or why there is none."""
        said = await self._desk.providers[provider].ask(ServicesRequest())
        if not isinstance(said, ServicesReply):
            return said.error if isinstance(said, ErrorReply) else getattr(said, "why", type(said).__name__)
        now, rate_per = self._desk.clock(), self._rate_per[provider]
        found = await asyncio.to_thread(normalise, provider, said, fetched_at=now, rate_per=rate_per)
        verdict = judge(found, self._lists.get(provider))
        if not verdict.usable:
            return verdict.why
        for flaw in verdict.changes[:_CHANGES_TOLD]:
            log.info("service_changed", provider=provider, service=flaw.key, what=flaw.what)
        await self._desk.store.run(partial(keep_list, found))
        await self._cache.put(f"list:{provider}", await asyncio.to_thread(msgspec.json.encode, found))
        return found

    async def _cached(self, provider: str) -> ProviderList | None:
        body = await self._cache.get(f"list:{provider}")
        if body is None:
            return None
        try:
            found = await asyncio.to_thread(_LIST.decode, body)
        except msgspec.DecodeError:
            return None
        return found if found.provider == provider else None

    def _newer(self, found: ProviderList) -> bool:
        kept = self._lists.get(found.provider)
        return bool(found.services) and (kept is None or found.fetched_at > kept.fetched_at)

    async def _put_on_sale(self) -> None:
        """Allot what ids are missing, build the catalogue away from the event loop, and swap it in as a whole."""
        async with self._building:
            lists = dict(self._lists)
            await self._allot(lists)
            catalogue = await asyncio.to_thread(build_catalogue, self._wanted, lists, self._ids)
            # A provider that has never been heard makes the list no part of anything: nobody has seen its services.
            # One whose services were sold before does.
            sold = {name for name, _ in self._ids}
            complete = all(name in self._given_up and name not in sold for name in catalogue.missing)
            before = self._desk.snapshot
            known = before is not None and before.catalogue.generation == catalogue.generation
            if known and before is not None and before.complete == complete:
                return
            self._desk.snapshot = Snapshot(catalogue, self._cache, complete=complete)
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

    async def _allot(self, lists: dict[str, ProviderList]) -> None:
        wanting = missing_ids(self._wanted, lists, self._ids)
        declared = frozenset(each.id for each in self._wanted.declared)
        for begin in range(0, len(wanting), ALLOT_MAX):
            some = wanting[begin : begin + ALLOT_MAX]
            await self._desk.store.run(partial(allot_ids, some, declared, now=self._desk.clock()))
        if wanting:
            self._ids = await self._desk.store.read_at_length(allotted_ids)
