"""The catalogue: every service we sell, merged from the providers' lists and priced, as one frozen value.

A service is declared in providers.yaml, with an id and routes of its own, or imported from one provider, with an id
that is allotted once and never changes or is used again. What a declared service does not say it takes from its first
route that exists. A route whose floor is above the listed rate is kept and passed over when orders are planned: the
list sells at one rate, and no route may sell below its floor. What a person has to accept first (core/holds.py) is not
on it, or at its former price.
"""

import fnmatch
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.duration import read_duration, write_duration
from gateway.core.holds import OFF_SALE, Held, Reason
from gateway.core.messages import ServiceRow, ServicesReply
from gateway.core.money import BadAmount, format_amount, scale_of
from gateway.core.pricing import Markup, Price, Rules, choose_rule, quote
from gateway.core.provider import ProviderList, ProviderService
from gateway.core.service import find_type, fold

_ENCODER: Final = msgspec.msgpack.Encoder()
EVERYBODY: Final = ""  # the tier of users who have none
_NONE_HELD: Final[Mapping[tuple[str, str], Held]] = {}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One provider's service behind one of ours."""

    provider: str
    service: str  # the provider's own id
    cost_rate: Decimal  # per 1000 or flat, in the provider's currency
    price: Price
    min: int
    max: int


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What we sell."""

    id: int
    name: str
    type: str
    category: str
    description: str
    min: int
    max: int
    dripfeed: bool
    refill: bool
    cancel: bool
    flat: bool
    routes: tuple[Route, ...]  # best first, at least one
    rates: dict[str, int]  # units per 1000 or flat, by tier
    link_wait: int | None = None  # seconds its orders may wait for their link; None: as their provider says
    average_seconds: int | None = None  # what its first route's panel says an order takes, where that is a duration


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """All services at one moment."""

    currency: str
    generation: str  # changes exactly when something that users or routing see does
    services: tuple[Service, ...]
    by_id: dict[int, Service]
    missing: tuple[str, ...]  # enabled providers whose services would be on it, and whose list is not known
    left_out: tuple[str, ...]  # what was not taken and why, for the operator


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A choice among a provider's services."""

    ids: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it chooses nothing."""
        return not (self.ids or self.categories or self.names or self.types)

    def chooses(self, service: ProviderService) -> bool:
        """Whether any of its words means this service."""
        return (
            service.key in self.ids
            or any(_like(service.category, each) for each in self.categories)
            or any(_like(service.name, each) for each in self.names)
            or fold(service.type) in {fold(each) for each in self.types}
        )


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A provider as far as the catalogue goes."""

    name: str
    exchange_rate: Decimal
    imports: bool = False
    include: Pattern = Pattern()  # empty: everything
    exclude: Pattern = Pattern()
    refills: bool = True  # whether it can be asked for a refill at all, whatever its list says
    cancels: bool = True

    def takes(self, service: ProviderService) -> bool:
        """Whether a service of its list is imported."""
        wanted = self.include.empty or self.include.chooses(service)
        return self.imports and wanted and not self.exclude.chooses(service)


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A service under an id of our own."""

    id: int
    routes: tuple[tuple[str, str], ...]
    name: str | None = None
    category: str | None = None
    description: str | None = None
    min: int | None = None
    max: int | None = None
    link_wait: int | None = None  # seconds


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants sold."""

    currency: str  # ours
    sources: dict[str, Source]  # enabled providers
    declared: tuple[Declared, ...]
    rules: Rules
    tiers: dict[str, Markup]


class _Found(msgspec.Struct, frozen=True):
    """A provider's row behind one of our services, and its rate as it was believed where its price is held."""

    source: Source
    row: ProviderService
    former: Decimal | None

    @property
    def where(self) -> str:
        """As routes are written."""
        return f"{self.source.name}/{self.row.key}"


def sells(wanted: Wanted, provider: str) -> Callable[[ProviderService], bool]:
    """Whether we sell a service of a provider's list: as a route of ours, or because it is imported."""
    behind = {key for declared in wanted.declared for name, key in declared.routes if name == provider}
    source = wanted.sources.get(provider)
    return lambda row: row.key in behind or (source is not None and source.takes(row))


def missing_ids(
    wanted: Wanted, lists: Mapping[str, ProviderList], ids: Mapping[tuple[str, str], int]
) -> list[tuple[str, str]]:
    """Imported services that have no id yet, to be allotted before the catalogue is built."""
    return [
        (source.name, service.key)
        for source, service in _imported(wanted, lists)
        if (source.name, service.key) not in ids
    ]


def build_catalogue(
    wanted: Wanted,
    lists: Mapping[str, ProviderList],
    ids: Mapping[tuple[str, str], int],
    *,
    held: Mapping[tuple[str, str], Held] = _NONE_HELD,
) -> Catalogue:
    """Everything that can be sold: declared services by id, then imported ones by provider and list order.

    `held` are the holds there are, by provider and its own id.
    """
    left_out: list[str] = []
    rows = {name: {service.key: service for service in each.services} for name, each in lists.items()}
    services: dict[int, Service] = {}
    for declared in sorted(wanted.declared, key=lambda each: each.id):
        made = _declared(wanted, declared, rows, held=held, left_out=left_out)
        if made is not None:
            services[made.id] = made
    taken = {declared.id for declared in wanted.declared}
    behind = {(name, key) for declared in wanted.declared for name, key in declared.routes}
    for source, row in _imported(wanted, lists):
        number = ids.get((source.name, row.key))
        if (source.name, row.key) in behind or number is None:
            continue  # Already sold under an id of our own, or not allotted yet.
        if number in taken:
            left_out.append(f"{source.name}/{row.key}: its id {number} is declared for another service")
            continue
        hold = held.get((source.name, row.key))
        if hold is not None and hold.reason in OFF_SALE:
            left_out.append(f"{source.name}/{row.key} is held: {hold.why}")
            continue
        found = [_Found(source, row, _former(hold))]
        made = _service(wanted, Declared(id=number, routes=((source.name, row.key),)), found, left_out=left_out)
        if made is not None:
            services[number] = made
    ordered = tuple(services.values())
    selling = {name for name, _ in behind} | {name for name, source in wanted.sources.items() if source.imports}
    return Catalogue(
        currency=wanted.currency,
        generation=_generation(wanted.currency, ordered),
        services=ordered,
        by_id=services,
        missing=tuple(sorted(name for name in wanted.sources if name in selling and name not in lists)),
        left_out=tuple(left_out),
    )


def listing(catalogue: Catalogue, tier: str) -> ServicesReply:
    """The list as a user of that price tier sees it; an unknown tier sees everybody's."""
    scale = scale_of(catalogue.currency)
    rows = tuple(
        ServiceRow(
            service=str(service.id),
            name=service.name,
            type=service.type,
            category=service.category,
            rate=format_amount(service.rates.get(tier, service.rates[EVERYBODY]), scale),
            min=service.min,
            max=service.max,
            dripfeed=service.dripfeed,
            refill=service.refill,
            cancel=service.cancel,
            description=service.description,
            average_time=None if service.average_seconds is None else write_duration(service.average_seconds),
        )
        for service in catalogue.services
    )
    return ServicesReply(rows)


def _imported(wanted: Wanted, lists: Mapping[str, ProviderList]) -> Iterator[tuple[Source, ProviderService]]:
    for name, source in sorted(wanted.sources.items()):
        if name in lists:
            yield from ((source, row) for row in lists[name].services if source.takes(row))


def _declared(
    wanted: Wanted,
    declared: Declared,
    rows: Mapping[str, Mapping[str, ProviderService]],
    *,
    held: Mapping[tuple[str, str], Held],
    left_out: list[str],
) -> Service | None:
    found: list[_Found] = []
    for name, key in declared.routes:
        hold = held.get((name, key))
        if name not in wanted.sources:
            left_out.append(f"service {declared.id}: {name} is switched off")
        elif name in rows and key not in rows[name]:
            left_out.append(f"service {declared.id}: {name} has no service {key}")
        elif name in rows and hold is not None and hold.reason in OFF_SALE:
            left_out.append(f"service {declared.id}: {name}/{key} is held: {hold.why}")
        elif name in rows:
            found.append(_Found(wanted.sources[name], rows[name][key], _former(hold)))
    return _service(wanted, declared, found, left_out=left_out)


def _service(wanted: Wanted, declared: Declared, found: list[_Found], *, left_out: list[str]) -> Service | None:
    """One service out of the rows its routes lead to, or None with the reason told."""
    if not found:
        return None
    lead, first = found[0], found[0].row
    kind = find_type(first.type)
    if kind is None:
        left_out.append(f"{lead.where}: the type {first.type} is not sold yet")
        return None
    alike = [each for each in found if each.row.type == first.type]
    left_out += [
        f"service {declared.id}: {each.where} is of type {each.row.type}"
        for each in found
        if each.row.type != first.type
    ]
    category = declared.category or first.category
    try:
        routes = tuple(_route(wanted, declared.id, category, found=each) for each in alike)
        rates = {EVERYBODY: routes[0].price.rate}
        for name, tier in wanted.tiers.items():
            rate = first.rate if lead.former is None else lead.former
            rates[name] = _price(wanted, declared.id, category, found=lead, rate=rate, tier=tier).rate
        if lead.former is not None and not _covered(wanted, declared.id, category, found=lead, rates=rates):
            # Sold at its former price it would lose money: the next route, if there is one.
            left_out.append(f"{lead.where} is held: the former price does not cover {first.rate:f}")
            return _service(wanted, declared, found[1:], left_out=left_out)
    except BadAmount as error:
        left_out.append(f"{lead.where}: {error}")
        return None
    low, high = min(route.min for route in routes), max(route.max for route in routes)
    low = low if declared.min is None else max(declared.min, low)
    high = high if declared.max is None else min(declared.max, high)
    if high < low or rates[EVERYBODY] <= 0:
        what = f"nothing between {low} and {high} can be sold" if high < low else "it has no price"
        left_out.append(f"{lead.where}: {what}")
        return None
    return Service(
        id=declared.id,
        name=declared.name or first.name,
        type=kind.name,
        category=category,
        description=first.description if declared.description is None else declared.description,
        min=low,
        max=high,
        dripfeed=kind.dripfeed and all(each.row.dripfeed is True for each in alike),
        # What a panel refills is an order of one post, which our users have no id of.
        refill=not kind.subscribed and all(each.row.refill is True and each.source.refills for each in alike),
        cancel=all(each.row.cancel is True and each.source.cancels for each in alike),
        flat=kind.flat,
        routes=routes,
        rates=rates,
        link_wait=declared.link_wait,
        average_seconds=None if first.average_time is None else read_duration(first.average_time),
    )


def _route(wanted: Wanted, number: int, category: str, *, found: _Found) -> Route:
    row = found.row
    is_now = _price(wanted, number, category, found=found, rate=row.rate)
    if found.former is not None:  # Until a person believes the new one, nothing is sold below what either asks for.
        was = _price(wanted, number, category, found=found, rate=found.former)
        is_now = msgspec.structs.replace(is_now, rate=was.rate, floor=max(was.floor, is_now.floor))
    return Route(
        provider=found.source.name, service=row.key, cost_rate=row.rate, price=is_now, min=row.min, max=row.max
    )


def _covered(wanted: Wanted, number: int, category: str, *, found: _Found, rates: Mapping[str, int]) -> bool:
    """Whether what everybody and each tier pays covers what a held service costs now, with its margin."""
    return all(
        rates[name] >= _price(wanted, number, category, found=found, rate=found.row.rate, tier=tier).floor
        for name, tier in {EVERYBODY: None, **wanted.tiers}.items()
    )


def _price(  # noqa: PLR0913 - whose service it is, and at which rate for whom
    wanted: Wanted, number: int, category: str, *, found: _Found, rate: Decimal, tier: Markup | None = None
) -> Price:
    rule = choose_rule(wanted.rules, provider=found.source.name, category=category, service=number)
    return quote(rate, found.source.exchange_rate, rule, tier=tier, scale=scale_of(wanted.currency))


def _former(hold: Held | None) -> Decimal | None:
    """The rate a service is sold by while its new one waits."""
    return hold.rate if hold is not None and hold.reason is Reason.PRICE else None


def _like(text: str, pattern: str) -> bool:
    """Whether a text fits a pattern of `*` and `?`, in any case; a bracket, common in panels' names, is a bracket."""
    return fnmatch.fnmatchcase(text.casefold(), pattern.casefold().replace("[", "[[]"))


def _generation(currency: str, services: Iterable[Service]) -> str:
    """A hash of what users and routing see; the same on every replica that has the same lists and settings."""
    digest = hashlib.blake2b(currency.encode(), digest_size=8)
    for service in services:
        digest.update(_ENCODER.encode(service))
    return digest.hexdigest()
