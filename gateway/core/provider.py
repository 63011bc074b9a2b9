"""A provider's list of services, made usable: clamped, typed, without doubles, and judged against the last good one.

A list is used only when it is sound. An empty one, or one that lost half its services, is a panel in trouble, not a
panel that sells nothing: the last good list stays in use (PROTOCOL.md Q57, Q74, Q82).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.messages import ServiceRow, ServicesReply
from gateway.core.service import DEFAULT, find_type

RATE_PIECES: Final = 1000  # what our rates are for
QUANTITY_MAX: Final = 2**31 - 1
# A list that keeps less than this share of the services of the last good one is not believed.
SHARE_KEPT_MIN: Final = Decimal("0.5")
# A rate that rises by more than this share is told to the operator.
PRICE_JUMP: Final = Decimal("0.5")
FLAWS_MAX: Final = 200  # told of one list


class ProviderService(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a provider's list."""

    key: str  # its own id
    name: str
    type: str  # a name of core/service.py, or the panel's own word for a type we do not sell
    category: str
    rate: Decimal  # per 1000, or flat, in its currency
    min: int
    max: int
    dripfeed: bool | None
    refill: bool | None
    cancel: bool | None
    description: str = ""
    average_time: str | None = None


class Flaw(msgspec.Struct, frozen=True):
    """Something about one row that somebody may want to know."""

    key: str
    what: str


class Rise(msgspec.Struct, frozen=True):
    """A rate that jumped, in the provider's currency."""

    key: str
    before: Decimal
    after: Decimal


class ProviderList(msgspec.Struct, frozen=True, kw_only=True):
    """A whole list, as it is kept."""

    provider: str
    fetched_at: int  # ms since the epoch
    services: tuple[ProviderService, ...]
    flaws: tuple[Flaw, ...] = ()
    # How its figures were read. A list that was read in another way is of no use: its rates are wrong.
    rate_per: int = RATE_PIECES
    decimal_comma: bool = False

    def read_as(self, rate_per: int, *, decimal_comma: bool) -> bool:
        """Whether its figures were read in the way that is asked for."""
        return (self.rate_per, self.decimal_comma) == (rate_per, decimal_comma)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a new list may be used, and what it changes."""

    usable: bool
    why: str = ""  # when it may not
    changes: tuple[Flaw, ...] = ()
    rises: tuple[Rise, ...] = ()  # by more than PRICE_JUMP


def normalise(
    provider: str,
    reply: ServicesReply,
    *,
    fetched_at: int,
    rate_per: int = RATE_PIECES,
    decimal_comma: bool = False,
) -> ProviderList:
    """A provider's reply as its list; rows that cannot be sold are left out and named.

    `fetched_at` is in ms since the epoch; `decimal_comma` says how the reply was read, and is only kept.
    """
    services: dict[str, ProviderService] = {}
    flaws = [Flaw("", _kept(what)) for what in reply.unreadable]
    for row in reply.services:
        if not row.service.isprintable() or _kept(row.service) != row.service:
            flaws.append(Flaw("", f"the id {row.service!a} cannot be kept"))
            continue
        service = _row(row, rate_per, flaws)
        if service is None:
            continue
        if service.key in services:
            flaws.append(Flaw(service.key, "stands twice; the last one counts"))
        services[service.key] = service
    return ProviderList(
        provider=provider,
        fetched_at=fetched_at,
        services=tuple(services.values()),
        flaws=tuple(flaws[:FLAWS_MAX]),
        rate_per=rate_per,
        decimal_comma=decimal_comma,
    )


def judge(new: ProviderList, old: ProviderList | None) -> Verdict:
    """Whether `new` may take the place of `old`, the last good list."""
    if not new.services:
        return Verdict(usable=False, why="the list has no service that can be sold")
    if old is None:
        return Verdict(usable=True)
    before = {service.key: service for service in old.services}
    after = {service.key: service for service in new.services}
    kept = before.keys() & after.keys()
    if len(kept) < len(before) * SHARE_KEPT_MIN:
        return Verdict(usable=False, why=f"only {len(kept)} of {len(before)} services are left")
    rises = tuple(
        Rise(key, before[key].rate, after[key].rate)
        for key in before
        if key in kept and after[key].rate > before[key].rate * (1 + PRICE_JUMP)
    )
    return Verdict(usable=True, changes=tuple(_changes(before, after, rises))[:FLAWS_MAX], rises=rises)


def _row(row: ServiceRow, rate_per: int, flaws: list[Flaw]) -> ProviderService | None:
    known = find_type(row.type)
    if not row.type:
        flaws.append(Flaw(row.service, f"has no type; taken as {DEFAULT.name}"))
    rate = Decimal(row.rate)
    if rate_per != RATE_PIECES and not (known is not None and known.flat):
        rate = rate * RATE_PIECES / rate_per
    low, high = max(row.min, 1), min(row.max, QUANTITY_MAX)
    flat = known is not None and known.flat
    if flat:
        low, high = 1, max(high, 1)
    elif high < low:
        flaws.append(Flaw(row.service, f"allows {row.min} to {row.max}, which is nothing"))
        return None
    if row.min < 1 and not flat:
        flaws.append(Flaw(row.service, f"allows from {row.min}; taken as 1"))
    return ProviderService(
        key=row.service,
        name=_kept(row.name) or f"Service {row.service}",
        type=_kept(row.type) if known is None else known.name,
        category=_kept(row.category) or "Other",
        rate=rate,
        min=low,
        max=high,
        dripfeed=row.dripfeed,
        refill=row.refill,
        cancel=row.cancel,
        description=_kept(row.description),
        average_time=None if row.average_time is None else _kept(row.average_time),
    )


def _kept(text: str) -> str:
    """A stranger's text without what no database keeps: NUL, and half of a surrogate pair."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _changes(
    before: dict[str, ProviderService], after: dict[str, ProviderService], rises: Iterable[Rise]
) -> Iterable[Flaw]:
    """What an operator would want to know of: vanished, renamed, retyped, dearer."""
    dearer = {rise.key: rise for rise in rises}
    for key, old in before.items():
        new = after.get(key)
        if new is None:
            yield Flaw(key, f"is gone: {old.name}")
            continue
        if new.name != old.name:
            yield Flaw(key, f"was {old.name!r}, is {new.name!r}")
        if new.type != old.type:
            yield Flaw(key, f"was of type {old.type}, is {new.type}")
        if key in dearer:
            yield Flaw(key, f"rose from {old.rate:f} to {new.rate:f}")
