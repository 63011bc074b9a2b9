"""What another configuration would change of what is sold: services that come, go, or are sold otherwise."""

from typing import Final, Literal

import msgspec

from gateway.core.catalogue import EVERYBODY, Catalogue, Route, Service

# What of a service is named when it changes, besides its price and where it goes.
_WORDS: Final = ("name", "category", "type", "min", "max", "dripfeed", "refill", "cancel", "description")


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """How a service is sold: by its first route, which a new order takes."""

    rate: int  # units of ours, per 1000 or flat
    cost: int  # the same, what the provider takes for it
    first: str  # provider/service

    @property
    def margin(self) -> int:
        """What is left for us; below nought the route is passed over."""
        return self.rate - self.cost


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One service that would be sold otherwise."""

    id: int
    name: str
    kind: Literal["appears", "vanishes", "changes"]
    before: Sold | None
    after: Sold | None
    others: tuple[str, ...] = ()  # what else changes, in words


def changes(before: Catalogue, after: Catalogue, *, tier: str) -> tuple[Change, ...]:
    """Every difference that a user of a tier, or we, would notice, by the service's id."""
    found = []
    for number in sorted(before.by_id.keys() | after.by_id.keys()):
        was, becomes = before.by_id.get(number), after.by_id.get(number)
        change = _change(number, was, becomes, tier=tier)
        if change is not None:
            found.append(change)
    return tuple(found)


def routes_lost(before: Catalogue, after: Catalogue) -> tuple[tuple[int, Route], ...]:
    """Routes that would sell below cost and margin now and did not before, each with its service's id.

    A route that is new, or that was passed over already, is none: whoever writes a dearer one as a way out knows it.
    """
    found: list[tuple[int, Route]] = []
    for service in after.services:
        was = before.by_id.get(service.id)
        if was is None:
            continue
        sold = {(route.provider, route.service) for route in was.routes if not _loses(route, was)}
        found += [
            (service.id, route)
            for route in service.routes
            if _loses(route, service) and (route.provider, route.service) in sold
        ]
    return tuple(found)


def _loses(route: Route, service: Service) -> bool:
    return route.price.floor > service.rates[EVERYBODY]


def _change(number: int, was: Service | None, becomes: Service | None, *, tier: str) -> Change | None:
    if was is None or becomes is None:
        there = was or becomes
        assert there is not None, "an id of one of the two"
        kind: Literal["appears", "vanishes"] = "appears" if was is None else "vanishes"
        return Change(id=number, name=there.name, kind=kind, before=_sold(was, tier), after=_sold(becomes, tier))
    sold, will = _sold(was, tier), _sold(becomes, tier)
    others = tuple(
        f"{word} {getattr(was, word)} → {getattr(becomes, word)}" if word != "description" else "description"
        for word in _WORDS
        if getattr(was, word) != getattr(becomes, word)
    )
    ways, will_go = _ways(was), _ways(becomes)
    if ways[1:] != will_go[1:]:
        others += (f"further routes {', '.join(ways[1:]) or 'none'} → {', '.join(will_go[1:]) or 'none'}",)
    if sold == will and not others:
        return None
    return Change(id=number, name=becomes.name, kind="changes", before=sold, after=will, others=others)


def _sold(service: Service | None, tier: str) -> Sold | None:
    if service is None:
        return None
    first = service.routes[0]
    rate = service.rates.get(tier, service.rates[EVERYBODY])
    return Sold(rate=rate, cost=first.price.cost, first=f"{first.provider}/{first.service}")


def _ways(service: Service) -> list[str]:
    return [f"{route.provider}/{route.service}" for route in service.routes]
