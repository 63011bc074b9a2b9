"""A snapshot: one catalogue and the bytes it is answered with, each made once and never changed."""

import asyncio
import gzip
import hashlib
from typing import Final, Literal

import msgspec

from gateway import __version__
from gateway.cache.cache import Cache
from gateway.core.catalogue import EVERYBODY, Catalogue, listing
from gateway.core.dialects import UserDialect
from gateway.core.replies import write_reply

SEAL_BYTES: Final = 16  # of a kept list: enough that no accident makes one
GZIP_LEVEL: Final = 6  # 1.7 MB become 180 kB; higher levels cost twice the time for a hundredth of the size

Manner = Literal["standard", "legacy"]


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """The list of services as it goes over the wire."""

    plain: bytes
    gzip: bytes
    etag: str  # with its quotes; the same bytes have the same one on every replica and in every generation


class Snapshot:
    """What is sold at one moment. A request keeps the snapshot it began with; a reload makes a new one and swaps."""

    def __init__(self, catalogue: Catalogue, cache: Cache, *, complete: bool) -> None:
        self.catalogue = catalogue
        self.currency = catalogue.currency
        self.complete = complete  # False at a first start, until every provider was heard or given up for now
        self._cache = cache
        self._rendered: dict[tuple[str, Manner, bool], Rendered] = {}
        self._making: dict[tuple[str, Manner, bool], asyncio.Task[Rendered]] = {}

    async def rendered(self, tier: str, manner: Manner, *, times: bool = False) -> Rendered:
        """The list for a price tier in a dialect: from memory, the shared cache, or made now, once for all who wait.

        With `times` each service has one (Q69).
        """
        wanted = (tier if self._has(tier) else EVERYBODY, manner, times)
        found = self._rendered.get(wanted)
        if found is not None:
            return found
        making = self._making.get(wanted)
        if making is None:
            making = asyncio.create_task(self._make(*wanted[:2], times=times), name=f"render:{wanted}")
            self._making[wanted] = making
            making.add_done_callback(lambda _: self._making.pop(wanted, None))
        return await asyncio.shield(making)

    def _has(self, tier: str) -> bool:
        services = self.catalogue.services
        return bool(services) and tier in services[0].rates

    async def _make(self, tier: str, manner: Manner, *, times: bool) -> Rendered:
        how = f"{manner}+times" if times else manner
        name = f"rendered:{__version__}:{self.catalogue.generation}:{how}:{tier}"
        kept = await self._cache.get(name)
        made = None if kept is None else await asyncio.to_thread(_unpacked, name, kept)
        if made is None:
            made = await asyncio.to_thread(self._written, tier, UserDialect(name=manner, average_time=times))
            await self._cache.put(name, _seal(name, made.gzip) + made.gzip)
        self._rendered[tier, manner, times] = made
        return made

    def _written(self, tier: str, dialect: UserDialect) -> Rendered:
        plain = write_reply(listing(self.catalogue, tier), dialect)
        return _rendered(plain, gzip.compress(plain, GZIP_LEVEL, mtime=0))


def _seal(name: str, packed: bytes) -> bytes:
    """What stands before kept bytes: a good list under another name, or nothing at all, is not ours (row C5)."""
    return hashlib.blake2b(packed, digest_size=SEAL_BYTES, key=hashlib.sha256(name.encode()).digest()).digest()


def _unpacked(name: str, kept: bytes) -> Rendered | None:
    """What was kept under a name, or None if it is not what we kept there."""
    seal, packed = kept[:SEAL_BYTES], kept[SEAL_BYTES:]
    return _rendered(gzip.decompress(packed), packed) if seal == _seal(name, packed) else None


def _rendered(plain: bytes, packed: bytes) -> Rendered:
    etag = hashlib.blake2b(plain, digest_size=12).hexdigest()
    return Rendered(plain=plain, gzip=packed, etag=f'"{etag}"')
